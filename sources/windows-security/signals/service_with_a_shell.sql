-- title: Service installed that runs a shell or a program in a folder of users
-- severity: high
-- technique: T1543.003, T1569.002
-- description: Tools for remote execution install such services; software puts its own below Program Files or System32
-- entity: host
-- key: host, service
-- references: https://learn.microsoft.com/en-us/previous-versions/windows/it-pro/windows-10/security/threat-protection/auditing/event-4697
-- false_positives: Home-made services that are scripts
select
    device['hostname'] as host,
    time,
    coalesce(actor['user']['name'], 'somebody') || ' installed the service ' || win_service['name'] || ' on ' || device['hostname'] as message,
    win_service['name'] as service,
    win_service['cmd_line'] as command,
    _row
from output
where class_uid = 201004
    and activity_id = 1
    and regexp_like(win_service['cmd_line'],
        '(?i)%COMSPEC%|\b(cmd|powershell|pwsh|mshta|rundll32|regsvr32)(\.exe)?\b|\\(Users|Temp|ProgramData|Public)\\|\\ADMIN\$\\|\\\\(127\.0\.0\.1|localhost)\\')
    -- Defender installs a driver from there with each update.
    and not regexp_like(win_service['cmd_line'], '(?i)^"?C:\\ProgramData\\Microsoft\\Windows Defender\\')
