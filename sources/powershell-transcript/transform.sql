-- One row per command, and one each for the start and the end. Who, where and when stand in the head alone: the rows after
-- it take them from there. Times have no zone and are read as UTC.
with records as (
    select
        record,
        case
            when regexp_like(record, '^(Windows )?PowerShell transcript start') then 'start'
            when regexp_like(record, '^(Windows )?PowerShell transcript end') then 'end'
            when record like 'PS %' then 'command'
            when record like 'Command start time:%' then 'time'
            when regexp_like(record, '^[*\s]*$') then 'line'
            else 'other'
        end as kind,
        parse_time(regexp_match(record, '(?m)^(?:Start time|End time|Command start time): (\d{14})')[1]) as said_time,
        regexp_match(record, '(?m)^Username: ([^\r\n]+)')[1] as username,
        regexp_match(record, '(?m)^RunAs User: ([^\r\n]+)')[1] as run_as,
        regexp_match(record, '(?m)^Machine: (\S+)')[1] as machine,
        regexp_match(record, '(?m)^Machine: \S+ \(([^)\r\n]+)\)')[1] as os,
        regexp_match(record, '(?m)^Host Application: ([^\r\n]+)')[1] as application,
        regexp_match(record, '(?m)^Process ID: (\d+)')[1] as pid,
        regexp_match(record, '(?m)^PSVersion: ([^\r\n]+)')[1] as version,
        -- Further lines of a command begin with `>>`.
        regexp_match(record, '^PS [^>]*>+ ?([^\r\n]*(?:\r?\n>>[^\r\n]*)*)')[1] as command,
        _file, _row
    from input
),

sessions as (
    select
        *,
        last_value(said_time) ignore nulls over head as time,
        ocsf_user(last_value(coalesce(run_as, username)) ignore nulls over head) as runner,
        last_value(machine) ignore nulls over head as host,
        last_value(os) ignore nulls over head as host_os,
        last_value(application) ignore nulls over head as host_application,
        last_value(pid) ignore nulls over head as host_pid,
        last_value(version) ignore nulls over head as engine
    from records
    window head as (order by _row rows between unbounded preceding and current row)
)

select
    "time",
    case kind when 'command' then 1009 when 'start' then 6002 when 'end' then 6002 else 0 end as class_uid,
    case kind when 'command' then 1 when 'start' then 3 when 'end' then 4 else 0 end as activity_id,
    case kind when 'command' then concat_ws(' ', runner['name'], 'ran', command) when 'start' then 'PowerShell session started on ' || host
        when 'end' then 'PowerShell session ended on ' || host else record end as message,
    {'hostname': host, 'type_id': 0, 'os': {'name': host_os, 'type_id': case when host_os like '%Windows%' then 100 when host_os is not null then 0 end}} as device,
    {'user': runner, 'process': case when host_pid is not null then {'pid': cast(host_pid as bigint), 'cmd_line': host_application} end} as actor,
    case when kind = 'command' then {'script_content': {'value': coalesce(nullif(command, ''), record)}, 'type_id': 2} end as script,
    case when kind in ('start', 'end') then {'name': 'PowerShell', 'vendor_name': 'Microsoft', 'version': engine} end as app,
    -- With what the command printed.
    record as raw_data,
    {'log_name': 'transcript'} as metadata,
    _file,
    _row
from sessions
where kind not in ('line', 'time')
