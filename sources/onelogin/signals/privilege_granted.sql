-- title: Administrative privilege granted
-- severity: high
-- technique: T1098.003
select
    "user"['name'] as entity,
    time,
    concat_ws(' ', actor['user']['name'], 'gave', privileges[1], 'to', "user"['name']) as message,
    actor['user']['name'] as actor_name,
    privileges[1] as privilege,
    src_endpoint.ip as source_ip,
    _row
from output
where metadata.event_code = '72'
