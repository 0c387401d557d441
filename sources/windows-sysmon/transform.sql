-- One row per event. Winlogbeat's events have their fields in `winlog`, all others at the top.
with kinds (event, class, activity, title) as (
    values
        (1, 1007, 1, 'Process created'), (5, 1007, 2, 'Process ended'), (8, 1007, 4, 'Remote thread created'),
        (10, 1007, 3, 'Process accessed'), (25, 1007, 99, 'Process tampered with'), (2, 1001, 6, 'File creation time changed'),
        (9, 1001, 2, 'Raw read'), (11, 1001, 1, 'File created'), (15, 1001, 1, 'File stream created'), (17, 1001, 1, 'Pipe created'),
        (18, 1001, 14, 'Pipe connected'), (23, 1001, 4, 'File deleted and kept'), (26, 1001, 4, 'File deleted'),
        (27, 1001, 1, 'Executable file blocked'), (28, 1001, 4, 'File shredding blocked'), (29, 1001, 1, 'Executable file detected'),
        (3, 4001, 1, 'Network connection'), (22, 4003, 1, 'DNS query'), (7, 1005, 1, 'Image loaded'), (6, 1002, 1, 'Driver loaded'),
        (12, 201001, 0, 'Registry object added or deleted'), (13, 201002, 2, 'Registry value set'), (14, 201001, 5, 'Registry object renamed')
),

records as (
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
        coalesce(SourceProcessGUID, SourceProcessGuid, json_text(d, 'SourceProcessGUID'), json_text(d, 'SourceProcessGuid')) as source_guid,
        coalesce(TargetProcessGUID, TargetProcessGuid, json_text(d, 'TargetProcessGUID'), json_text(d, 'TargetProcessGuid')) as target_guid,
        coalesce(UtcTime, json_text(d, 'UtcTime')) as UtcTime, coalesce(EventType, json_text(d, 'EventType')) as EventType,
        coalesce("User", json_text(d, 'User')) as "User", coalesce(Image, json_text(d, 'Image')) as Image,
        coalesce(ProcessId, json_text(d, 'ProcessId')) as ProcessId,
        coalesce(ProcessGuid, json_text(d, 'ProcessGuid')) as ProcessGuid,
        coalesce(CommandLine, json_text(d, 'CommandLine')) as CommandLine,
        coalesce(CurrentDirectory, json_text(d, 'CurrentDirectory')) as CurrentDirectory,
        coalesce(IntegrityLevel, json_text(d, 'IntegrityLevel')) as IntegrityLevel,
        coalesce(LogonId, json_text(d, 'LogonId')) as LogonId, coalesce(Hashes, json_text(d, 'Hashes')) as Hashes,
        coalesce(Company, json_text(d, 'Company')) as Company, coalesce(FileVersion, json_text(d, 'FileVersion')) as FileVersion,
        coalesce(ParentImage, json_text(d, 'ParentImage')) as ParentImage,
        coalesce(ParentProcessId, json_text(d, 'ParentProcessId')) as ParentProcessId,
        coalesce(ParentProcessGuid, json_text(d, 'ParentProcessGuid')) as ParentProcessGuid,
        coalesce(ParentCommandLine, json_text(d, 'ParentCommandLine')) as ParentCommandLine,
        coalesce(ParentUser, json_text(d, 'ParentUser')) as ParentUser,
        coalesce(SourceImage, json_text(d, 'SourceImage')) as SourceImage,
        coalesce(SourceProcessId, json_text(d, 'SourceProcessId')) as SourceProcessId,
        coalesce(SourceUser, json_text(d, 'SourceUser')) as SourceUser,
        coalesce(TargetImage, json_text(d, 'TargetImage')) as TargetImage,
        coalesce(TargetProcessId, json_text(d, 'TargetProcessId')) as TargetProcessId,
        coalesce(TargetUser, json_text(d, 'TargetUser')) as TargetUser,
        coalesce(GrantedAccess, json_text(d, 'GrantedAccess')) as GrantedAccess,
        coalesce(StartAddress, json_text(d, 'StartAddress')) as StartAddress,
        coalesce(StartFunction, json_text(d, 'StartFunction')) as StartFunction,
        coalesce(TargetFilename, json_text(d, 'TargetFilename')) as TargetFilename,
        coalesce(CreationUtcTime, json_text(d, 'CreationUtcTime')) as CreationUtcTime,
        coalesce(Device, json_text(d, 'Device')) as Device, coalesce(PipeName, json_text(d, 'PipeName')) as PipeName,
        coalesce(ImageLoaded, json_text(d, 'ImageLoaded')) as ImageLoaded,
        coalesce(TargetObject, json_text(d, 'TargetObject')) as TargetObject,
        coalesce(Details, json_text(d, 'Details')) as Details, coalesce(NewName, json_text(d, 'NewName')) as NewName,
        coalesce(Protocol, json_text(d, 'Protocol')) as Protocol, coalesce(Initiated, json_text(d, 'Initiated')) as Initiated,
        coalesce(SourceIp, json_text(d, 'SourceIp')) as SourceIp, coalesce(SourcePort, json_text(d, 'SourcePort')) as SourcePort,
        coalesce(SourceHostname, json_text(d, 'SourceHostname')) as SourceHostname,
        coalesce(DestinationIp, json_text(d, 'DestinationIp')) as DestinationIp,
        coalesce(DestinationPort, json_text(d, 'DestinationPort')) as DestinationPort,
        coalesce(DestinationHostname, json_text(d, 'DestinationHostname')) as DestinationHostname,
        coalesce(QueryName, json_text(d, 'QueryName')) as QueryName,
        coalesce(QueryStatus, json_text(d, 'QueryStatus')) as QueryStatus,
        winlog, _rest, _raw, _file, _row
    from records
),

-- Events of another channel in the same file have no `id`.
sysmon as (
    select *, case when lower(coalesce(channel, provider)) like 'microsoft-windows-sysmon%' then event_id end as id from events
),

classified as (
    select
        sysmon.*,
        case when kinds.class = 201001 and EventType like '%Value' then 201002 else coalesce(kinds.class, 0) end as class_uid,
        kinds.title, kinds.activity,
        -- The process that did it (of a new process its parent), and what it was done to.
        ocsf_file(case when id = 1 then ParentImage when id in (8, 10) then SourceImage else Image end) as actor_file,
        case when id = 1 then ParentProcessId when id in (8, 10) then SourceProcessId else ProcessId end as actor_pid,
        case when id = 1 then ParentProcessGuid when id in (8, 10) then source_guid else ProcessGuid end as actor_guid,
        ocsf_user(case when id = 1 then coalesce(ParentUser, "User") when id in (8, 10) then SourceUser else "User" end) as actor_user,
        ocsf_file(case when id in (8, 10) then TargetImage when id in (1, 5, 25) then Image when id in (6, 7) then ImageLoaded
            when id = 9 then Device when id in (17, 18) then PipeName else TargetFilename end) as target,
        array_compact([
            ocsf_hash(regexp_match(Hashes, 'SHA256=(\w+)')[1]),
            ocsf_hash(regexp_match(Hashes, 'SHA1=(\w+)')[1]),
            ocsf_hash(regexp_match(Hashes, 'MD5=(\w+)')[1])
        ]) as hashes
    -- This way round the events stream, in their order.
    from kinds
    right join sysmon on kinds.event = sysmon.id
),

files as (
    select *, {'name': target['name'], 'path': target['path'], 'parent_folder': target['parent_folder'], 'ext': target['ext'],
        'type_id': case when id in (17, 18) then 6 else target['type_id'] end, 'company_name': Company, 'version': FileVersion,
        'hashes': hashes, 'created_time': parse_time(CreationUtcTime)} as target_file
    from classified
)

select
    coalesce(case when id is not null then parse_time(UtcTime) end, parse_time(logged)) as time,
    class_uid,
    case when id = 12 then case when EventType like 'Create%' then 1 when EventType like 'Delete%' then 4 else 0 end
        when id = 14 and class_uid = 201002 then 3 else coalesce(activity, 0) end as activity_id,
    case when id = 25 then 'Tamper' end as activity_name,
    case when id in (27, 28) then 2 end as status_id,
    concat_ws(' ', coalesce(title, concat_ws(' ', provider, 'event', cast(event_id as text))), coalesce(TargetObject, QueryName, CommandLine, target['path'], target['name'],
        case when id = 3 then DestinationIp || ':' || DestinationPort end),
        case when id is not null then 'by ' || actor_file['path'] end) as message,
    {'hostname': host, 'type_id': 0, 'os': {'name': 'Windows', 'type_id': 100}} as device,
    {
        'process': {'pid': try_cast(actor_pid as bigint), 'uid': actor_guid, 'name': actor_file['name'], 'file': actor_file,
            'cmd_line': case when id = 1 then ParentCommandLine end},
        'user': actor_user
    } as actor,
    case when class_uid = 1007 then {
        'pid': try_cast(case when id in (8, 10) then TargetProcessId else ProcessId end as bigint),
        'uid': case when id in (8, 10) then target_guid else ProcessGuid end,
        'name': target['name'],
        'file': target_file,
        'cmd_line': CommandLine,
        'working_directory': CurrentDirectory,
        'integrity': IntegrityLevel,
        'integrity_id': case IntegrityLevel when 'Low' then 2 when 'Medium' then 3 when 'High' then 4 when 'System' then 5 end,
        'session': {'uid': LogonId},
        'user': ocsf_user(case when id in (8, 10) then TargetUser else "User" end),
        'xattributes': {'GrantedAccess': GrantedAccess}
    } end as process,
    case when id = 8 then 1 end as injection_type_id,
    case when class_uid = 1001 then target_file end as file,
    case when id = 6 then {'file': target_file} end as driver,
    case when id in (7, 8) then {
        'load_type_id': 0,
        'file': case when id = 7 then target_file end,
        'function_name': nullif(StartFunction, '-'),
        'start_address': StartAddress
    } end as module,
    case when class_uid = 201001 then {'path': coalesce(NewName, TargetObject)} end as reg_key,
    case when class_uid = 201001 and id = 14 then {'path': TargetObject} end as prev_reg_key,
    case when class_uid = 201002 then {
        'name': regexp_replace(coalesce(NewName, TargetObject), '^.*\\', ''),
        'path': regexp_replace(TargetObject, '\\[^\\]*$', ''),
        'reg_string_data': Details
    } end as reg_value,
    case when id in (3, 22) then {
        'ip': ocsf_endpoint(SourceIp, null)['ip'],
        'port': try_cast(SourcePort as int),
        'hostname': case when id = 22 then host else nullif(SourceHostname, '-') end
    } end as src_endpoint,
    case when id = 3 then {'ip': ocsf_endpoint(DestinationIp, null)['ip'], 'port': try_cast(DestinationPort as int),
        'hostname': nullif(DestinationHostname, '-')} end as dst_endpoint,
    case when id = 3 then ocsf_connection(Protocol, case lower(Initiated) when 'true' then 'outbound' when 'false' then 'inbound' end) end as connection_info,
    case when id = 22 then {'hostname': QueryName} end as query,
    case when id = 22 then case QueryStatus when '0' then 0 when '9001' then 1 when '9002' then 2 when '9003' then 3 when '9005' then 5 else 99 end end as rcode_id,
    case when id = 22 and QueryStatus not in ('0', '9001', '9002', '9003', '9005') then QueryStatus end as rcode,
    {'event_code': cast(event_id as text), 'log_name': channel, 'log_provider': provider, 'sequence': record,
        'original_time': coalesce(UtcTime, logged)} as metadata,
    case when class_uid = 0 or winlog is not null then _raw end as raw_data,
    _rest as unmapped,
    _file,
    _row
from files
