-- One row per message. Logins by ssh, cron jobs and systemd's units have classes of their own; the rest is base_event.
with parsed as (
    select
        *,
        regexp_match(message, '^(Accepted|Failed) (\S+) for (?:invalid user )?(.*?) from (\S+) port (\d+)') as login,
        regexp_match(message, '^\((\S+)\) CMD \((.*)\)$') as cron,
        regexp_match(message, '^(Started|Stopped|Reloaded|Failed to start) (.+?)\.*$') as unit,
        ocsf_endpoint(hostname, null) as host,
        regexp_replace(appname, '^.*/', '') as program,
        _rest, _file, _row
    from input
),

classified as (
    select
        *,
        case
            when program in ('sshd', 'sshd-session') and login is not null then 3002
            when coalesce(host['ip'], host['hostname']) is not null and lower(program) in ('cron', 'crond') and cron is not null then 1006
            when program = 'systemd' and unit is not null then 6002
            else 0
        end as class_uid
    from parsed
)

select
    timestamp as time,
    class_uid,
    case
        when class_uid = 3002 then 1
        when class_uid = 1006 then 6
        when class_uid = 6002 then case unit[1] when 'Stopped' then 4 when 'Reloaded' then 99 else 3 end
        else 0
    end as activity_id,
    case when class_uid = 6002 and unit[1] = 'Reloaded' then 'Reload' end as activity_name,
    case severity
        when 'debug' then 1 when 'info' then 1 when 'notice' then 1 when 'warning' then 2
        when 'err' then 3 when 'crit' then 5 when 'alert' then 5 when 'emerg' then 6
        else 0
    end as severity_id,
    case
        when class_uid = 3002 then case login[1] when 'Accepted' then 1 else 2 end
        when class_uid = 6002 then case unit[1] when 'Failed to start' then 2 else 1 end
    end as status_id,
    message,
    {'ip': host['ip'], 'hostname': host['hostname'], 'type_id': case when coalesce(host['ip'], host['hostname']) is not null then 0 end} as device,
    {'app_name': program, 'process': {'name': case when procid is not null then program end, 'pid': try_cast(procid as int)}} as actor,
    case when class_uid = 3002 then {'name': coalesce(nullif(login[3], ''), 'unknown')} end as "user",
    case when class_uid = 3002 then ocsf_endpoint(login[4], login[5]) end as src_endpoint,
    case when class_uid = 3002 then {'name': 'sshd'} end as service,
    case when class_uid = 3002 then true end as is_remote,
    case when class_uid = 3002 then 99 end as auth_protocol_id,
    case when class_uid = 3002 then login[2] end as auth_protocol,
    case when class_uid = 1006 then {'name': cron[2], 'cmd_line': cron[2], 'user': {'name': cron[1]}} end as job,
    case when class_uid = 6002 then {'name': unit[2]} end as app,
    {'log_provider': appname, 'log_name': facility, 'log_level': severity, 'event_code': msgid} as metadata,
    _rest as unmapped,
    _file,
    _row
from classified
