-- title: PowerShell started with an encoded command
-- severity: medium
-- technique: T1059.001, T1027
-- description: The command is base64 of UTF-16, which hides it from people and from rules that look for words
-- entity: host
-- key: host, command
-- references: https://attack.mitre.org/techniques/T1059/001/
-- false_positives: Software deployment that encodes its scripts
select
    device['hostname'] as host,
    time,
    coalesce(actor['process']['file']['path'], 'a process') || ' started an encoded PowerShell command on ' || device['hostname'] as message,
    process['user']['name'] as user_name,
    process['cmd_line'] as command,
    _row
from output
where class_uid = 1007
    and activity_id = 1
    and regexp_like(process['name'], '(?i)^(powershell|powershell_ise|pwsh)\.exe$')
    and regexp_like(process['cmd_line'], '(?i)\s[-/]e(nc|nco|ncod|ncode|ncoded|ncodedc\w*|c)?\s+[A-Za-z0-9+/=]{16,}')
