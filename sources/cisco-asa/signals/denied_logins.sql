-- title: Many denied logins at a firewall
-- severity: medium
-- technique: T1110
-- description: One address was denied ten logins or more, to the VPN or to the device itself, within one file.
-- key: source_ip
-- false_positives: A client with an old password that tries again and again
select
    src_endpoint['ip'] as entity,
    max(time) as time,
    src_endpoint['ip'] || ' was denied ' || count(*) || ' logins as ' || count(distinct "user"['name']) || ' users' as message,
    src_endpoint['ip'] as source_ip,
    count(*) as denied,
    count(distinct "user"['name']) as users
from output
where class_uid = 3002
    and status_id = 2
    and src_endpoint['ip'] is not null
group by src_endpoint['ip']
having count(*) >= 10
