-- title: Memory of LSASS opened for reading
-- severity: high
-- technique: T1003.001
-- description: A process got a handle to lsass.exe that lets it read its memory, where the passwords and tickets of logged-in users lie
-- entity: host
-- key: host, source
-- references: https://attack.mitre.org/techniques/T1003/001/
-- false_positives: Endpoint protection, backup agents and crash handlers: leave out their paths
select
    device['hostname'] as host,
    time,
    actor['process']['file']['path'] || ' opened lsass.exe on ' || device['hostname'] || ' with ' || process['xattributes']['GrantedAccess'] as message,
    actor['process']['file']['path'] as source,
    process['xattributes']['GrantedAccess'] as granted_access,
    _row
from output
where class_uid = 1007
    and activity_id = 3
    and lower(process['name']) = 'lsass.exe'
    -- Rights with PROCESS_VM_READ that tools ask for.
    and lower(process['xattributes']['GrantedAccess']) in ('0x10', '0x1010', '0x1410', '0x1438', '0x143a', '0x1fffff', '0x1f0fff', '0x1f1fff', '0x1f2fff', '0x1f3fff')
    and not regexp_like(actor['process']['file']['path'], '(?i)^C:\\Windows\\System32\\(csrss|wininit|lsm|services|wbem\\WmiPrvSE|MRT)\.exe$|^C:\\ProgramData\\Microsoft\\Windows Defender\\')
