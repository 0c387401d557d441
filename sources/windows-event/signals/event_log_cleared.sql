-- title: Event log cleared
-- severity: high
-- technique: T1070.001
-- description: Somebody emptied an event log of a host; collectors keep what was sent before
-- entity: host
-- false_positives: A host that is being set up from an image
select
    device['hostname'] as host,
    time,
    coalesce(actor['user']['name'], 'somebody') || ' cleared an event log of ' || device['hostname'] as message,
    actor['user']['name'] as user_name,
    _row
from output
where class_uid = 1008
    and activity_id = 1
