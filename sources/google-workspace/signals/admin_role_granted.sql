-- title: Administrator role granted
-- severity: high
-- technique: T1098.003
-- description: Somebody was made administrator of the domain or got a role of the admin console.
select
    "user"['name'] as entity,
    time,
    concat_ws(' ', actor['user']['name'], 'gave', privileges[1], 'to', "user"['name']) as message,
    actor['user']['name'] as actor_name,
    privileges[1] as role,
    src_endpoint.ip as source_ip,
    _row
from output
where class_uid = 3005
    and activity_id = 1
