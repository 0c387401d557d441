-- title: An administrator logged in to the firewall from a public address
-- severity: high
-- technique: T1133, T1078
-- description: The management interface should be reachable from inside only.
-- entity: user_name
-- false_positives: networks of the organisation's own with public addresses
select
    "user"['name'] as user_name,
    time,
    "user"['name'] || ' logged in to the firewall from ' || src_endpoint['ip'] as message,
    src_endpoint['ip'] as source_ip,
    device['hostname'] as firewall,
    _row
from output
where class_uid = 3002
    and activity_id = 1
    and status_id = 1
    and service['name'] = 'FortiOS'
    and not ip_is_private(src_endpoint['ip'])
