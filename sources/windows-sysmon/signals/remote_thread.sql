-- title: Thread started in another process from memory without a module
-- severity: high
-- technique: T1055.002
-- description: CreateRemoteThread into another process whose start lies in no loaded module, as injected code does
-- entity: host
-- key: host, source, target
-- references: https://attack.mitre.org/techniques/T1055/
-- false_positives: Debuggers and some endpoint protection
select
    device['hostname'] as host,
    time,
    actor['process']['file']['path'] || ' started a thread in ' || coalesce(process['file']['path'], process['name']) || ' on ' || device['hostname'] as message,
    actor['process']['file']['path'] as source,
    coalesce(process['file']['path'], process['name']) as target,
    _row
from output
where class_uid = 1007
    and activity_id = 4
    and module['function_name'] is null
    and actor['process']['file']['path'] <> coalesce(process['file']['path'], process['name'])
