-- title: Audit log cleared
-- severity: high
-- technique: T1070.001
-- description: Somebody emptied the Security log of a host; collectors keep what was sent before
-- entity: host
-- references: https://learn.microsoft.com/en-us/previous-versions/windows/it-pro/windows-10/security/threat-protection/auditing/event-1102
-- false_positives: A host that is being set up from an image
select
    device['hostname'] as host,
    time,
    coalesce(actor['user']['name'], 'somebody') || ' cleared the audit log of ' || device['hostname'] as message,
    actor['user']['name'] as user_name,
    _row
from output
where class_uid = 1008
    and activity_id = 1
