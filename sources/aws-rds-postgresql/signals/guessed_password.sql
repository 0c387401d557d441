-- title: Many refused logins to a database from one address
-- severity: medium
-- technique: T1110.001
-- description: Five or more refused logins from one address within one file.
-- entity: client
-- key: client
select
    src_endpoint['ip'] as client,
    max(time) as time,
    count(*) as failures,
    count(distinct user['name']) as users,
    src_endpoint['ip'] || ' was refused ' || count(*) || ' times' as message
from output
where class_uid = 3002
    and status_id = 2
    and src_endpoint['ip'] is not null
group by src_endpoint['ip']
having count(*) >= 5
