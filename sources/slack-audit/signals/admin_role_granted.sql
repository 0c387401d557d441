-- title: Administrator or owner of a workspace made
-- severity: high
-- technique: T1098.003
select
    "user"['name'] as entity,
    time,
    concat_ws(' ', actor['user']['name'], 'made', "user"['name'], privileges[1]) as message,
    actor['user']['name'] as actor_name,
    privileges[1] as role,
    src_endpoint.ip as source_ip,
    _row
from output
where metadata.event_code in ('role_change_to_admin', 'role_change_to_owner')
