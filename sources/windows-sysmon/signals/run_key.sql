-- title: Program set to start at logon by a Run key
-- severity: medium
-- technique: T1547.001
-- description: A value below Run or RunOnce was set by something else than an installer
-- entity: host
-- key: host, value
-- references: https://attack.mitre.org/techniques/T1547/001/
-- false_positives: Programs that start with Windows and set this themselves
select
    device['hostname'] as host,
    time,
    actor['process']['file']['path'] || ' set ' || reg_value['path'] || '\' || reg_value['name'] || ' on ' || device['hostname'] as message,
    reg_value['name'] as value,
    reg_value['reg_string_data'] as command,
    _row
from output
where class_uid = 201002
    and activity_id = 2
    and regexp_like(reg_value['path'], '(?i)\\CurrentVersion\\(Policies\\Explorer\\)?Run(Once|OnceEx|Services)?$')
    and not regexp_like(actor['process']['file']['path'], '(?i)^C:\\Windows\\System32\\(msiexec|svchost)\.exe$|^C:\\Program Files')
