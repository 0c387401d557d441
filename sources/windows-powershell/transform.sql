-- One row per event. Winlogbeat's events have their fields in `winlog`, all others at the top.
with records as (
    select *, json_text(winlog, 'event_data') as d, _rest, _raw, _file, _row from input
),

events as (
    select
        coalesce(EventID, try_cast(json_text(winlog, 'event_id') as bigint)) as event_id,
        coalesce(Channel, json_text(winlog, 'channel')) as channel,
        coalesce(Provider_Name, SourceName, json_text(winlog, 'provider_name')) as provider,
        coalesce(Computer, Hostname, json_text(winlog, 'computer_name')) as host,
        coalesce(EventRecordID, RecordNumber, try_cast(json_text(winlog, 'record_id') as bigint)) as record,
        coalesce(TimeCreated, "@timestamp", TimeGenerated) as logged,
        nullif(coalesce(Execution_ProcessID, ExecutionProcessID, try_cast(json_text(winlog, 'process.pid') as bigint)), 0) as pid,
        coalesce(Security_UserID, UserID, json_text(winlog, 'user.identifier')) as sid,
        coalesce(AccountName, json_text(winlog, 'user.name')) as account,
        coalesce(Domain, json_text(winlog, 'user.domain')) as domain,
        coalesce(ScriptBlockText, json_text(d, 'ScriptBlockText')) as block,
        coalesce(ScriptBlockId, json_text(d, 'ScriptBlockId')) as block_id,
        coalesce(MessageNumber, json_text(d, 'MessageNumber')) as part,
        coalesce(MessageTotal, json_text(d, 'MessageTotal')) as parts,
        coalesce(Path, json_text(d, 'Path')) as script_path,
        coalesce(Payload, json_text(d, 'Payload')) as payload,
        coalesce(Message, message, '') as text,
        -- What was run and how, of the classic log: its data have no names.
        coalesce(array_to_string(Data, chr(10)), json_text(winlog, 'event_data.param1')) as classic,
        coalesce(ContextInfo, json_text(d, 'ContextInfo'), array_to_string(Data, chr(10)), json_text(winlog, 'event_data.param2'), Message, message) as context,
        -- Windows counts from 1 (critical) to 5 (verbose), NXLog from 1 (debug) to 5 (critical), Winlogbeat says it in words.
        case when SeverityValue is not null then case SeverityValue when '5' then 5 when '4' then 4 when '3' then 3 else 1 end
            else case lower(coalesce(Level, json_text(log, 'level'), json_text(winlog, 'level'))) when '1' then 5 when 'critical' then 5 when '2' then 4 when 'error' then 4
                when '3' then 3 when 'warning' then 3 else 1 end end as severity_id,
        winlog, _rest, _raw, _file, _row
    from records
),

classified as (
    select
        *,
        case
            when channel not ilike '%powershell%' then 0
            when event_id in (4103, 4104, 800) then 1009
            when event_id in (400, 403, 40961, 40962, 53504) then 6002
            else 0
        end as class_uid,
        regexp_match(context, '(?i)Host ?Application ?= ?([^\r\n]*)')[1] as host_application,
        ocsf_user(trim(regexp_match(context, '(?m)^\s*User(?:Id)? ?= ?([^\r\n]*)')[1])) as named_user,
        regexp_match(context, '(?i)(?:Host|Engine) ?Version ?= ?([^\r\n]*)')[1] as version,
        regexp_match(context, '(?m)^\s*Script ?Name ?= ?([^\r\n]+)')[1] as script_name
    from events
),

scripts as (
    select
        *,
        case event_id
            when 4104 then block
            when 4103 then payload
            else coalesce(trim(regexp_match(text, '(?s)^Pipeline execution details for command line: *(.*?)\. *\r?\n *\r?\nContext')[1]),
                split_part(classic, chr(10), 1))
        end as content
    from classified
)

select
    parse_time(logged) as time,
    class_uid,
    case when class_uid = 1009 then 1 when event_id = 403 then 4 when class_uid = 6002 then 3 else 0 end as activity_id,
    severity_id,
    case
        when event_id = 4104 and class_uid = 1009 then concat_ws(' ', 'Script block', part, 'of', parts, 'on', host)
        when class_uid = 1009 then concat_ws(' ', 'Pipeline run on', host)
        when event_id = 403 and class_uid = 6002 then 'PowerShell stopped on ' || host
        when class_uid = 6002 then 'PowerShell started on ' || host
        else coalesce(nullif(split_part(split_part(text, chr(10), 1), chr(13), 1), ''), concat_ws(' ', provider, 'event', cast(event_id as text)))
    end as message,
    {'hostname': host, 'type_id': 0, 'os': {'name': 'Windows', 'type_id': 100}} as device,
    {
        'user': {
            'name': coalesce(named_user['name'], account),
            'domain': coalesce(named_user['domain'], domain),
            'uid': sid
        },
        -- The event log does not say the process of its classic events.
        'process': case when pid is not null then {'pid': pid, 'cmd_line': host_application} end,
        'invoked_by': case when pid is null then host_application end
    } as actor,
    case when class_uid = 1009 then {
        'script_content': {'value': coalesce(nullif(content, ''), text)},
        'type_id': 2,
        'uid': block_id,
        'name': ocsf_file(coalesce(script_path, script_name))['name'],
        'file': ocsf_file(coalesce(script_path, script_name))
    } end as script,
    case when class_uid = 6002 then {'name': 'PowerShell', 'vendor_name': 'Microsoft', 'version': version} end as app,
    {'event_code': cast(event_id as text), 'log_name': channel, 'log_provider': provider, 'sequence': record, 'original_time': logged} as metadata,
    case when class_uid = 0 or winlog is not null then _raw end as raw_data,
    _rest as unmapped,
    _file,
    _row
from scripts
