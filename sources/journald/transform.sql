-- One row per entry. systemd tells its own events by MESSAGE_ID; sshd and sudo by their words.
with parsed as (
    select
        *,
        case MESSAGE_ID
            when '39f53479d3a045ac8e11786248231fbf' then 'start'
            when '9d1aaa27d60140bd96365438aad20286' then 'stop'
            when 'be02cf6855d2428ba40df7e9d022f03d' then 'failed'
            when 'd34d037fff1847e6ae669a370e694725' then 'reload'
            when '8d45620c1a4348dbb17410da57c60c66' then 'session opened'
            when '3354939424b4456d9802ca8333ed424a' then 'session closed'
            when 'fc2e22bc6ee647b6b90729ab34a250b1' then 'crash'
        end as kind,
        regexp_match(MESSAGE, '^(Accepted|Failed) (\S+) for (?:invalid user )?(.*?) from (\S+) port (\d+)') as login,
        regexp_match(MESSAGE, '^\s*(\S+) : (.*?)(?: ; )?TTY=(\S+) ; PWD=.* ; USER=(\S+) ;.*COMMAND=(.*)$') as sudo,
        ocsf_endpoint(_HOSTNAME, null) as host,
        _rest, _file, _row
    from input
),

classified as (
    select
        *,
        case
            when SYSLOG_IDENTIFIER in ('sshd', 'sshd-session') and login is not null then 3002
            when SYSLOG_IDENTIFIER = 'sudo' and sudo is not null then 3002
            when kind in ('session opened', 'session closed') and USER_ID is not null then 3002
            when kind in ('start', 'stop', 'failed', 'reload') and UNIT is not null then 6002
            when kind = 'crash' and COREDUMP_PID is not null and _HOSTNAME is not null then 1007
            else 0
        end as class_uid
    from parsed
)

select
    __REALTIME_TIMESTAMP as time,
    class_uid,
    case class_uid
        when 3002 then case when sudo is not null then 7 when kind = 'session closed' then 2 else 1 end
        when 6002 then case kind when 'stop' then 4 when 'reload' then 99 else 3 end
        when 1007 then 2
        else 0
    end as activity_id,
    case when class_uid = 6002 and kind = 'reload' then 'Reload' end as activity_name,
    case when PRIORITY <= 0 then 6 when PRIORITY <= 2 then 5 when PRIORITY = 3 then 3 when PRIORITY = 4 then 2 when PRIORITY <= 7 then 1 else 0 end as severity_id,
    case
        when class_uid = 3002 and (login[1] = 'Failed' or sudo[2] <> '') then 2
        when class_uid = 3002 then 1
        when class_uid = 6002 then case kind when 'failed' then 2 else 1 end
    end as status_id,
    case when class_uid = 3002 then nullif(sudo[2], '') when class_uid = 1007 then COREDUMP_SIGNAL_NAME end as status_detail,
    MESSAGE as message,
    {
        'ip': host['ip'], 'hostname': host['hostname'], 'uid': _MACHINE_ID,
        'type_id': case when coalesce(_HOSTNAME, _MACHINE_ID) is not null then 0 end
    } as device,
    {
        'app_name': coalesce(SYSLOG_IDENTIFIER, _SYSTEMD_UNIT, 'kernel'),
        'user': {'name': case when class_uid = 3002 then sudo[1] end, 'uid': case when class_uid <> 3002 or sudo is null then _UID end},
        'process': {'pid': _PID, 'name': case when _PID is not null then _COMM end, 'path': case when _PID is not null then _EXE end,
            'cmd_line': case when _PID is not null then _CMDLINE end}
    } as actor,
    case when class_uid = 3002 then {'name': coalesce(nullif(coalesce(login[3], sudo[4], USER_ID), ''), 'unknown')} end as "user",
    case when class_uid = 3002 then ocsf_endpoint(login[4], login[5]) end as src_endpoint,
    case when class_uid = 3002 then {'name': SYSLOG_IDENTIFIER} end as service,
    case when class_uid = 3002 then {'uid': SESSION_ID, 'terminal': sudo[3]} end as session,
    case when class_uid = 3002 and login is not null then true end as is_remote,
    case when class_uid = 3002 and login is not null then 99 end as auth_protocol_id,
    case when class_uid = 3002 then login[2] end as auth_protocol,
    case when class_uid = 3002 and sudo is not null then 1 end as account_switch_type_id,
    case when class_uid = 6002 then {'name': UNIT} end as app,
    case when class_uid = 1007 then {'pid': COREDUMP_PID, 'path': COREDUMP_EXE, 'user': {'uid': COREDUMP_UID}} end as process,
    {'uid': __CURSOR, 'event_code': MESSAGE_ID, 'log_provider': coalesce(_SYSTEMD_UNIT, SYSLOG_IDENTIFIER), 'log_name': _TRANSPORT,
        'log_level': cast(PRIORITY as text), 'correlation_uid': _BOOT_ID} as metadata,
    _rest as unmapped,
    _file,
    _row
from classified
