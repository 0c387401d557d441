-- One row per event. Most are base events; those that every mixed file holds have a class, as in the packs of their channels.
with records as (
    select *, json_text(winlog, 'event_data') as d, _rest, _raw, _file, _row from input
),

events as (
    select
        coalesce(EventID, try_cast(json_text(winlog, 'event_id') as bigint)) as event_id,
        coalesce(Channel, EventLog, json_text(winlog, 'channel')) as channel,
        coalesce(Provider_Name, SourceName, Provider, Source, json_text(winlog, 'provider_name')) as provider,
        coalesce(Computer, Hostname, json_text(winlog, 'computer_name')) as host,
        coalesce(EventRecordID, RecordNumber, try_cast(json_text(winlog, 'record_id') as bigint)) as record,
        coalesce(TimeCreated, "@timestamp", TimeGenerated) as logged,
        coalesce(Message, RenderedDescription, message) as text,
        -- Windows counts from 1 (critical) to 5 (verbose), NXLog from 1 (debug) to 5 (critical).
        case when SeverityValue is not null then case SeverityValue when '5' then 5 when '4' then 4 when '3' then 3 else 1 end
            else case lower(coalesce(Level, EventLevel, json_text(log, 'level'), json_text(winlog, 'level'))) when '1' then 5 when 'critical' then 5 when '2' then 4 when 'error' then 4
                when '3' then 3 when 'warning' then 3 else 1 end end as severity_id,
        coalesce(Security_UserID, case when Provider_Name is null then UserID end, json_text(winlog, 'user.identifier')) as sid,
        case when Provider_Name is null then coalesce(AccountName, json_text(winlog, 'user.name')) end as account,
        case when Provider_Name is null then coalesce(Domain, json_text(winlog, 'user.domain')) end as domain,
        -- Of events that are no JSON it is what the event is about.
        case when Provider_Name is not null then AccountName end as service_account,
        coalesce(UtcTime, json_text(d, 'UtcTime')) as UtcTime, coalesce("User", json_text(d, 'User')) as "User",
        coalesce(Image, json_text(d, 'Image')) as Image, coalesce(ProcessId, json_text(d, 'ProcessId')) as ProcessId,
        coalesce(ProcessGuid, json_text(d, 'ProcessGuid')) as ProcessGuid,
        coalesce(CommandLine, json_text(d, 'CommandLine')) as CommandLine,
        coalesce(ParentImage, json_text(d, 'ParentImage')) as ParentImage,
        coalesce(ParentProcessId, json_text(d, 'ParentProcessId')) as ParentProcessId,
        coalesce(ParentProcessGuid, json_text(d, 'ParentProcessGuid')) as ParentProcessGuid,
        coalesce(NewProcessName, json_text(d, 'NewProcessName')) as NewProcessName,
        coalesce(NewProcessId, json_text(d, 'NewProcessId')) as NewProcessId,
        coalesce(SubjectUserName, json_text(d, 'SubjectUserName')) as SubjectUserName,
        coalesce(SubjectDomainName, json_text(d, 'SubjectDomainName')) as SubjectDomainName,
        coalesce(SubjectUserSid, json_text(d, 'SubjectUserSid')) as SubjectUserSid,
        coalesce(TargetUserName, json_text(d, 'TargetUserName')) as TargetUserName,
        coalesce(TargetDomainName, json_text(d, 'TargetDomainName')) as TargetDomainName,
        coalesce(TargetUserSid, json_text(d, 'TargetUserSid')) as TargetUserSid,
        coalesce(LogonType, json_text(d, 'LogonType')) as LogonType, coalesce(IpAddress, json_text(d, 'IpAddress')) as IpAddress,
        coalesce(IpPort, json_text(d, 'IpPort')) as IpPort,
        coalesce(WorkstationName, json_text(d, 'WorkstationName')) as WorkstationName,
        coalesce(ServiceName, json_text(d, 'ServiceName')) as ServiceName,
        coalesce(ImagePath, json_text(d, 'ImagePath')) as ImagePath,
        coalesce(ServiceFileName, json_text(d, 'ServiceFileName')) as ServiceFileName,
        coalesce(MemberName, json_text(d, 'MemberName')) as MemberName, coalesce(MemberSid, json_text(d, 'MemberSid')) as MemberSid,
        coalesce(TargetSid, json_text(d, 'TargetSid')) as TargetSid,
        coalesce(Initiated, json_text(d, 'Initiated')) as Initiated, coalesce(Direction, json_text(d, 'Direction')) as Direction,
        coalesce(Protocol, json_text(d, 'Protocol')) as Protocol, coalesce(SourceIp, json_text(d, 'SourceIp')) as SourceIp,
        coalesce(SourcePort, json_text(d, 'SourcePort')) as SourcePort,
        coalesce(DestinationIp, json_text(d, 'DestinationIp')) as DestinationIp,
        coalesce(DestinationPort, json_text(d, 'DestinationPort')) as DestinationPort,
        coalesce(SourceAddress, json_text(d, 'SourceAddress')) as SourceAddress,
        coalesce(DestAddress, json_text(d, 'DestAddress')) as DestAddress,
        coalesce(DestPort, json_text(d, 'DestPort')) as DestPort,
        coalesce(ScriptBlockText, json_text(d, 'ScriptBlockText')) as ScriptBlockText, coalesce(Payload, json_text(d, 'Payload')) as Payload,
        coalesce(ProcessName, json_text(d, 'ProcessName')) as ProcessName,
        coalesce(EventType, json_text(d, 'EventType')) as EventType,
        coalesce(SourceImage, json_text(d, 'SourceImage')) as SourceImage,
        coalesce(SourceProcessId, json_text(d, 'SourceProcessId')) as SourceProcessId,
        coalesce(SourceProcessGUID, json_text(d, 'SourceProcessGUID')) as SourceProcessGUID,
        coalesce(TargetImage, json_text(d, 'TargetImage')) as TargetImage,
        coalesce(TargetProcessId, json_text(d, 'TargetProcessId')) as TargetProcessId,
        coalesce(TargetProcessGUID, json_text(d, 'TargetProcessGUID')) as TargetProcessGUID,
        coalesce(GrantedAccess, json_text(d, 'GrantedAccess')) as GrantedAccess,
        coalesce(ImageLoaded, json_text(d, 'ImageLoaded')) as ImageLoaded,
        coalesce(TargetFilename, json_text(d, 'TargetFilename')) as TargetFilename,
        coalesce(TargetObject, json_text(d, 'TargetObject')) as TargetObject,
        coalesce(Details, json_text(d, 'Details')) as Details, coalesce(QueryName, json_text(d, 'QueryName')) as QueryName,
        coalesce(QueryStatus, json_text(d, 'QueryStatus')) as QueryStatus,
        winlog, _rest, _raw, _file, _row
    from records
),

classified as (
    select
        *,
        case
            when lower(channel) = 'security' and event_id in (4624, 4625, 4634, 4647) then 3002
            when lower(channel) = 'security' and event_id in (4720, 4722, 4723, 4724, 4725, 4726, 4738, 4740, 4767) then 3001
            when lower(channel) = 'security' and event_id in (4728, 4729, 4732, 4733, 4756, 4757) then 3006
            when (lower(channel) = 'security' and event_id in (4688, 4689)) or (channel ilike '%sysmon%' and event_id in (1, 5, 8, 10)) then 1007
            when (lower(channel) = 'security' and event_id in (5156, 5157)) or (channel ilike '%sysmon%' and event_id = 3) then 4001
            when channel ilike '%sysmon%' and event_id = 7 then 1005
            when channel ilike '%sysmon%' and event_id in (11, 23, 26) then 1001
            when channel ilike '%sysmon%' and (event_id = 13 or (event_id = 12 and EventType like '%Value')) then 201002
            when channel ilike '%sysmon%' and event_id = 12 then 201001
            when channel ilike '%sysmon%' and event_id = 22 then 4003
            when channel ilike '%powershell%' and (event_id = 4104 or (event_id = 4103 and Payload is not null) or (event_id = 800 and text like 'Pipeline execution%')) then 1009
            when (lower(channel) = 'security' and event_id = 1102) or (lower(channel) = 'system' and event_id = 104) then 1008
            when (lower(channel) = 'security' and event_id = 4697) or (lower(channel) = 'system' and event_id = 7045) then 201004
            else 0
        end as class_uid,
        ocsf_file(coalesce(NewProcessName, TargetImage, Image, case when event_id = 4689 then ProcessName end)) as image,
        coalesce(NewProcessId, TargetProcessId, ProcessId) as pid_text,
        lpad(lower(substr(coalesce(NewProcessId, ProcessId), 3)), 6, '0') as pid_hex,
        split_part(split_part(text, chr(10), 1), chr(13), 1) as title
    from events
),

-- Process ids of the Security log are hexadecimal.
numbered as (
    select *, case when pid_text like '0x%' then strpos('123456789abcdef', substr(pid_hex, 1, 1)) * 1048576 + strpos('123456789abcdef', substr(pid_hex, 2, 1)) * 65536 + strpos('123456789abcdef', substr(pid_hex, 3, 1)) * 4096 + strpos('123456789abcdef', substr(pid_hex, 4, 1)) * 256 + strpos('123456789abcdef', substr(pid_hex, 5, 1)) * 16 + strpos('123456789abcdef', substr(pid_hex, 6, 1))
            else try_cast(pid_text as bigint) end as pid
    from classified
)

select
    coalesce(case when channel ilike '%sysmon%' then parse_time(UtcTime) end, parse_time(logged)) as time,
    class_uid,
    case when class_uid = 0 then 0 when event_id in (4634, 4647, 4689, 4722, 5, 13) then 2 when event_id = 4723 then 3 when event_id = 4724 then 4 when event_id = 4725 then 5
        when event_id = 4726 then 6 when event_id = 4738 then 99 when event_id = 4740 then 9 when event_id = 4767 then 12
        when event_id in (4728, 4732, 4756) then 3 when event_id in (4729, 4733, 4757) then 4 when event_id = 10 then 3 when event_id in (8, 23, 26) then 4
        when event_id = 5157 then 5 when event_id = 12 then case when EventType like 'Delete%' then 4 when EventType like 'Create%' then 1 else 0 end
        else 1 end as activity_id,
    case when class_uid = 3001 and event_id = 4738 then 'Change' end as activity_name,
    severity_id,
    case when (event_id in (4625, 5157) and class_uid > 0) or EventType = 'AUDIT_FAILURE' then 2
        when class_uid in (3001, 3002, 3006, 4001) or EventType = 'AUDIT_SUCCESS' then 1 end as status_id,
    coalesce(case when class_uid = 201004 then concat_ws(' ', 'Service', ServiceName, 'installed on', host) end, nullif(title, ''),
        case when class_uid = 1008 then 'Event log cleared on ' || host end, concat_ws(' ', provider, 'event', cast(event_id as text),
            case when class_uid in (3001, 3002, 3006) then TargetUserName end, case when class_uid in (3001, 3002, 3006) then 'by ' || nullif(SubjectUserName, '-') end)) as message,
    {'hostname': host, 'type_id': 0, 'os': {'name': 'Windows', 'type_id': 100}} as device,
    {
        'app_name': case when class_uid = 1009 then 'PowerShell' end,
        'user': {
            'name': coalesce(nullif(SubjectUserName, '-'), ocsf_user("User")['name'], account),
            'domain': coalesce(nullif(SubjectDomainName, '-'), ocsf_user("User")['domain'], domain),
            'uid': coalesce(nullif(SubjectUserSid, 'S-1-0-0'), case when "User" is null then sid end)
        },
        -- Of a new process the parent, else the process that did it.
        'process': case when class_uid = 1007 and event_id in (1, 4688)
            then {'pid': try_cast(ParentProcessId as bigint), 'uid': ParentProcessGuid, 'file': ocsf_file(ParentImage)}
            else {'pid': nullif(case when ProcessId like '0x%' then pid else try_cast(coalesce(SourceProcessId, ProcessId) as bigint) end, 0), 'uid': coalesce(SourceProcessGUID, ProcessGuid),
                'file': case when coalesce(SourceProcessId, nullif(ProcessId, '0x0')) is not null then ocsf_file(coalesce(SourceImage, Image, nullif(ProcessName, '-'))) end} end
    } as actor,
    case when class_uid = 1007 then {
        'pid': pid,
        'uid': coalesce(TargetProcessGUID, ProcessGuid),
        'name': image['name'],
        'file': image,
        'cmd_line': CommandLine,
        'xattributes': {'GrantedAccess': GrantedAccess}
    } end as process,
    case when class_uid in (3001, 3002) then {'name': TargetUserName, 'domain': case when event_id <> 4740 then nullif(TargetDomainName, '-') end,
            'uid': nullif(coalesce(TargetUserSid, TargetSid), 'S-1-0-0')}
        when class_uid = 3006 then {'name': nullif(MemberName, '-'), 'domain': cast(null as text), 'uid': MemberSid} end as "user",
    case when class_uid = 3006 then {'name': TargetUserName, 'domain': TargetDomainName, 'uid': TargetSid} end as "group",
    case when class_uid = 3002 and try_cast(LogonType as int) in (2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13) then cast(LogonType as int) end as logon_type_id,
    case when class_uid in (3002, 4001, 4003) or (class_uid = 3001 and event_id = 4740) then {
        'ip': ocsf_endpoint(coalesce(IpAddress, SourceIp, SourceAddress), null)['ip'],
        'port': nullif(try_cast(coalesce(IpPort, SourcePort) as int), 0),
        -- What a lockout calls a domain is the computer that it came from.
        'hostname': case when class_uid = 4003 then host when class_uid = 3001 then TargetDomainName else ocsf_endpoint(WorkstationName, null)['hostname'] end
    } end as src_endpoint,
    case when class_uid in (3002, 4001) then {
        'ip': ocsf_endpoint(coalesce(DestinationIp, DestAddress), null)['ip'],
        'port': try_cast(coalesce(DestinationPort, DestPort) as int),
        'hostname': case when class_uid = 3002 then host end
    } end as dst_endpoint,
    case when class_uid = 4001 then ocsf_connection(Protocol, case when Initiated ilike 'true' or Direction = '%%14593' then 'outbound'
        when Initiated ilike 'false' or Direction = '%%14592' then 'inbound' end) end as connection_info,
    case when class_uid = 1005 then {'load_type_id': 0, 'file': ocsf_file(ImageLoaded)} end as module,
    case when class_uid = 1001 then ocsf_file(TargetFilename) end as file,
    case when class_uid = 201001 then {'path': TargetObject} end as reg_key,
    case when class_uid = 201002 then {'name': regexp_replace(TargetObject, '^.*\\', ''), 'path': regexp_replace(TargetObject, '\\[^\\]*$', ''),
        'reg_string_data': Details} end as reg_value,
    case when class_uid = 4003 then {'hostname': QueryName} end as query,
    case when class_uid = 4003 then case QueryStatus when '0' then 0 when '9003' then 3 else 99 end end as rcode_id,
    case when class_uid = 4003 and QueryStatus not in ('0', '9003') then QueryStatus end as rcode,
    case when class_uid = 1009 then {'script_content': {'value': coalesce(ScriptBlockText, Payload,
        nullif(trim(regexp_match(text, '(?s)^Pipeline execution details for command line: *(.*?)\. *\r?\n')[1]), ''), text)}, 'type_id': 2} end as script,
    case when class_uid = 1008 and event_id = 1102 then 'Security' when class_uid = 1008 then regexp_match(text, '^The (.*) log file was cleared')[1] end as log_name,
    case when class_uid = 1008 then provider end as log_provider,
    case when class_uid = 201004 then {'name': ServiceName, 'cmd_line': coalesce(ImagePath, ServiceFileName), 'service_start_name': service_account} end as win_service,
    {'event_code': cast(event_id as text), 'log_name': channel, 'log_provider': provider, 'sequence': record, 'original_time': logged} as metadata,
    -- A field that a class needs is not in `unmapped` of the other events: those keep the whole record.
    case when winlog is not null or (class_uid = 0 and coalesce(Image, ProcessId, ProcessName, Payload, SubjectUserName, TargetUserName, ServiceName, IpAddress,
        Protocol, SourceAddress, TargetProcessId, SourceProcessId) is not null) then _raw end as raw_data,
    _rest as unmapped,
    _file,
    _row
from numbered
