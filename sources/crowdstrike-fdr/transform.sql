-- One row per event. Collectors that put the fields below `event` are read as well.
with kinds (name, class, activity) as (
    values
        ('ProcessRollup2', 1007, 1), ('SyntheticProcessRollup2', 1007, 1), ('EndOfProcess', 1007, 2), ('TerminateProcess', 1007, 2),
        ('NetworkConnectIP4', 4001, 1), ('NetworkConnectIP6', 4001, 1), ('NetworkReceiveAcceptIP4', 4001, 1), ('NetworkReceiveAcceptIP6', 4001, 1),
        ('NetworkListenIP4', 4001, 7), ('NetworkListenIP6', 4001, 7), ('NetworkCloseIP4', 4001, 2), ('NetworkCloseIP6', 4001, 2),
        ('DnsRequest', 4003, 1), ('UserLogon', 3002, 1), ('UserLogonFailed', 3002, 1), ('UserLogonFailed2', 3002, 1), ('UserLogoff', 3002, 2),
        ('FileDeleteInfo', 1001, 4), ('FileRenameInfo', 1001, 5), ('NewExecutableRenamed', 1001, 5), ('DirectoryCreate', 1001, 1),
        ('ImageHash', 1005, 1), ('ClassifiedModuleLoad', 1005, 1), ('DriverLoad', 1002, 1), ('AsepValueUpdate', 201002, 3),
        ('RegGenericValueUpdate', 201002, 3), ('RegSystemConfigValueUpdate', 201002, 3), ('CreateService', 201004, 1), ('ServiceStarted', 201004, 3),
        ('ScheduledTaskRegistered', 1006, 1), ('ScheduledTaskModified', 1006, 2), ('ScheduledTaskDeleted', 1006, 3),
        ('CommandHistory', 1009, 1), ('ScriptControlScanInfo', 1009, 1), ('ScriptControlDetectInfo', 1009, 1)
),

events as (
    select
        coalesce(event_simpleName, json_text(event, 'event_simpleName'), event_simplename, fdr_event_type) as name,
        coalesce(event_platform, json_text(event, 'event_platform')) as event_platform, coalesce(aid, json_text(event, 'aid')) as aid,
        coalesce(aip, json_text(event, 'aip')) as aip, coalesce(cid, json_text(event, 'cid')) as cid,
        coalesce(id, json_text(event, 'id')) as id, coalesce(timestamp, json_text(event, 'timestamp')) as timestamp,
        coalesce(ContextTimeStamp, json_text(event, 'ContextTimeStamp')) as ContextTimeStamp,
        coalesce(ComputerName, json_text(event, 'ComputerName')) as ComputerName,
        coalesce(UserName, json_text(event, 'UserName')) as UserName, coalesce(UserSid, json_text(event, 'UserSid')) as UserSid,
        coalesce(UserPrincipal, json_text(event, 'UserPrincipal')) as UserPrincipal,
        coalesce(LogonDomain, json_text(event, 'LogonDomain')) as LogonDomain,
        coalesce(LogonType, json_text(event, 'LogonType')) as LogonType,
        coalesce(RemoteAddressIP4, json_text(event, 'RemoteAddressIP4')) as RemoteAddressIP4,
        coalesce(RemoteAddressIP6, json_text(event, 'RemoteAddressIP6')) as RemoteAddressIP6,
        coalesce(RemotePort, json_text(event, 'RemotePort')) as RemotePort,
        coalesce(LocalAddressIP4, json_text(event, 'LocalAddressIP4')) as LocalAddressIP4,
        coalesce(LocalAddressIP6, json_text(event, 'LocalAddressIP6')) as LocalAddressIP6,
        coalesce(LocalPort, json_text(event, 'LocalPort')) as LocalPort, coalesce(Protocol, json_text(event, 'Protocol')) as Protocol,
        coalesce(RawProcessId, json_text(event, 'RawProcessId')) as RawProcessId,
        coalesce(TargetProcessId, json_text(event, 'TargetProcessId')) as TargetProcessId,
        coalesce(ParentProcessId, json_text(event, 'ParentProcessId')) as ParentProcessId,
        coalesce(ContextProcessId, json_text(event, 'ContextProcessId')) as ContextProcessId,
        coalesce(ImageFileName, json_text(event, 'ImageFileName')) as ImageFileName,
        coalesce(TargetImageFileName, json_text(event, 'TargetImageFileName')) as TargetImageFileName,
        coalesce(CommandLine, json_text(event, 'CommandLine')) as CommandLine,
        coalesce(MD5HashData, json_text(event, 'MD5HashData')) as MD5HashData,
        coalesce(SHA1HashData, json_text(event, 'SHA1HashData')) as SHA1HashData,
        coalesce(SHA256HashData, json_text(event, 'SHA256HashData')) as SHA256HashData,
        coalesce(ParentBaseFileName, json_text(event, 'ParentBaseFileName')) as ParentBaseFileName,
        coalesce(ContextBaseFileName, json_text(event, 'ContextBaseFileName')) as ContextBaseFileName,
        coalesce(ContextImageFileName, json_text(event, 'ContextImageFileName')) as ContextImageFileName,
        coalesce(IntegrityLevel, json_text(event, 'IntegrityLevel')) as IntegrityLevel,
        coalesce(SessionId, json_text(event, 'SessionId')) as SessionId,
        coalesce(ProcessStartTime, json_text(event, 'ProcessStartTime')) as ProcessStartTime,
        coalesce(ExitCode, json_text(event, 'ExitCode')) as ExitCode, coalesce(DomainName, json_text(event, 'DomainName')) as DomainName,
        coalesce(RequestType, json_text(event, 'RequestType')) as RequestType,
        coalesce(TargetFileName, json_text(event, 'TargetFileName')) as TargetFileName,
        coalesce(NewFileName, json_text(event, 'NewFileName')) as NewFileName,
        coalesce(RegObjectName, json_text(event, 'RegObjectName')) as RegObjectName,
        coalesce(RegValueName, json_text(event, 'RegValueName')) as RegValueName,
        coalesce(RegStringValue, json_text(event, 'RegStringValue')) as RegStringValue,
        coalesce(ServiceDisplayName, json_text(event, 'ServiceDisplayName')) as ServiceDisplayName,
        coalesce(ServiceImagePath, json_text(event, 'ServiceImagePath')) as ServiceImagePath,
        coalesce(TaskName, json_text(event, 'TaskName')) as TaskName,
        coalesce(TaskExecCommand, json_text(event, 'TaskExecCommand')) as TaskExecCommand,
        coalesce(TaskExecArguments, json_text(event, 'TaskExecArguments')) as TaskExecArguments,
        coalesce(ScriptContent, json_text(event, 'ScriptContent')) as ScriptContent,
        coalesce(CommandHistory, json_text(event, 'CommandHistory')) as CommandHistory,
        event, _rest, _raw, _file, _row
    from input
),

classified as (
    select
        e.*,
        -- Files of a known type have an event of their own: `PdfFileWritten`, `NewExecutableWritten`.
        case when kinds.class = 1007 and coalesce(RawProcessId, TargetProcessId) is null then 0
            when kinds.class is not null then kinds.class when regexp_like(e.name, 'Written$|FileCreated$|FileDeleted$') then 1001 else 0 end as class_uid,
        case when kinds.class = 1007 and coalesce(RawProcessId, TargetProcessId) is null then 0
            when kinds.class is not null then kinds.activity when e.name like '%FileDeleted' then 4
            when regexp_like(e.name, 'Written$|FileCreated$') then 1 else 0 end as activity_id,
        ocsf_file(case when kinds.class in (1005, 1002) then coalesce(TargetImageFileName, ImageFileName) when kinds.class is null or kinds.class = 1001 then TargetFileName
            else ImageFileName end) as f,
        array_compact([ocsf_hash(SHA256HashData), case when SHA1HashData <> repeat('0', 40) then ocsf_hash(SHA1HashData) end, ocsf_hash(MD5HashData)]) as hashes,
        {'name': coalesce(UserName, UserPrincipal), 'domain': LogonDomain, 'uid': UserSid} as account,
        {'uid': aid, 'hostname': ComputerName, 'ip': ocsf_endpoint(coalesce(LocalAddressIP4, LocalAddressIP6), null)['ip'],
            'port': try_cast(LocalPort as int)} as here,
        {'uid': cast(null as text), 'hostname': cast(null as text), 'ip': ocsf_endpoint(coalesce(RemoteAddressIP4, RemoteAddressIP6), null)['ip'],
            'port': case when coalesce(RemoteAddressIP4, RemoteAddressIP6) is not null then try_cast(RemotePort as int) end} as remote
    -- This way round the events stream, in their order.
    from kinds
    right join events e on kinds.name = e.name
),

files as (
    select *, case when f['name'] is not null then {'name': f['name'], 'path': f['path'], 'parent_folder': f['parent_folder'], 'ext': f['ext'],
        'type_id': f['type_id'], 'hashes': hashes} end as target
    from classified
)

select
    parse_time(coalesce(ContextTimeStamp, timestamp)) as time,
    class_uid,
    activity_id,
    case when name like 'UserLogonFailed%' then 2 when class_uid = 3002 then 1 end as status_id,
    concat_ws(' ', name, coalesce(CommandLine, DomainName, TargetFileName, RegObjectName, ServiceDisplayName, TaskName, coalesce(RemoteAddressIP4, RemoteAddressIP6) || ':' || RemotePort,
        ImageFileName, UserName), 'on ' || coalesce(ComputerName, aid)) as message,
    {'uid': aid, 'hostname': ComputerName, 'ip': ocsf_endpoint(aip, null)['ip'], 'type_id': 0,
        'os': {'name': case event_platform when 'Win' then 'Windows' when 'Mac' then 'macOS' when 'Lin' then 'Linux' else event_platform end,
            'type_id': case event_platform when 'Win' then 100 when 'Mac' then 300 when 'Lin' then 200 end}} as device,
    {
        'process': case when class_uid = 1007 then {'uid': ParentProcessId, 'name': ParentBaseFileName, 'file': ocsf_file(ParentBaseFileName)}
            else {'uid': ContextProcessId, 'name': coalesce(ContextBaseFileName, ocsf_file(ContextImageFileName)['name']),
                'file': ocsf_file(coalesce(ContextImageFileName, ContextBaseFileName))} end,
        'user': account
    } as actor,
    case when class_uid = 1007 then {
        'pid': try_cast(RawProcessId as bigint),
        'uid': TargetProcessId,
        'name': f['name'],
        'file': target,
        'cmd_line': CommandLine,
        'created_time': parse_time(ProcessStartTime),
        'integrity': case IntegrityLevel when '0' then 'Untrusted' when '4096' then 'Low' when '8192' then 'Medium' when '8448' then 'Medium'
            when '12288' then 'High' when '16384' then 'System' when '20480' then 'Protected' else IntegrityLevel end,
        'integrity_id': case IntegrityLevel when '0' then 1 when '4096' then 2 when '8192' then 3 when '8448' then 3 when '12288' then 4 when '16384' then 5
            when '20480' then 6 end,
        'session': {'uid': SessionId},
        'user': account
    } end as process,
    case when class_uid = 1007 and activity_id = 2 then try_cast(ExitCode as bigint) end as exit_code,
    case when class_uid = 1001 then target end as file,
    case when class_uid = 1001 then ocsf_file(NewFileName) end as file_result,
    case when class_uid = 1005 then {'load_type_id': 0, 'file': target} end as module,
    case when class_uid = 1002 then {'file': target} end as driver,
    case when class_uid = 201002 then {'name': coalesce(RegValueName, '(default)'), 'path': RegObjectName, 'reg_string_data': RegStringValue} end as reg_value,
    case when class_uid = 201004 then {'name': ServiceDisplayName, 'cmd_line': coalesce(ServiceImagePath, ImageFileName, CommandLine)} end as win_service,
    case when class_uid = 1006 then {'name': TaskName, 'cmd_line': concat_ws(' ', TaskExecCommand, TaskExecArguments)} end as job,
    case when class_uid = 1009 then {'script_content': {'value': coalesce(ScriptContent, CommandHistory, CommandLine)}, 'type_id': 0} end as script,
    case when class_uid = 3002 then account end as "user",
    case when class_uid = 3002 and try_cast(LogonType as int) in (2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13) then cast(LogonType as int) end as logon_type_id,
    -- Of a logon and of a connection from outside the remote side is the source.
    case when class_uid = 3002 or name like 'NetworkReceive%' then remote when class_uid in (4001, 4003) then here end as src_endpoint,
    case when class_uid = 3002 or name like 'NetworkReceive%' then here when class_uid = 4001 then remote end as dst_endpoint,
    case when class_uid = 4001 then ocsf_connection(Protocol, case when name like 'NetworkReceive%' then 'inbound' when name like 'NetworkConnect%' then 'outbound' end) end as connection_info,
    case when class_uid = 4003 then {'hostname': DomainName, 'type': case RequestType when '1' then 'A' when '2' then 'NS' when '5' then 'CNAME' when '6' then 'SOA' when '12' then 'PTR'
        when '15' then 'MX' when '16' then 'TXT' when '28' then 'AAAA' when '33' then 'SRV' when '65' then 'HTTPS' when '255' then 'ANY' else RequestType end} end as query,
    {'uid': id, 'event_code': name, 'tenant_uid': cid, 'original_time': timestamp} as metadata,
    case when class_uid = 0 or event is not null then _raw end as raw_data,
    _rest as unmapped,
    _file,
    _row
from files
