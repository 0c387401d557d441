-- One row per event. In the streaming export the fields are below `properties`, in Log Analytics at the top.
with events as (
    select
        regexp_replace(coalesce(category, "Type", ''), '^AdvancedHunting-', '') as kind,
        coalesce("time", TimeGenerated) as exported,
        coalesce(tenantId, TenantId) as tenant,
        coalesce(ActionType, json_text(properties, 'ActionType')) as ActionType,
        coalesce(Timestamp, json_text(properties, 'Timestamp')) as Timestamp,
        coalesce(DeviceId, json_text(properties, 'DeviceId')) as DeviceId,
        coalesce(DeviceName, json_text(properties, 'DeviceName')) as DeviceName,
        coalesce(ReportId, json_text(properties, 'ReportId')) as ReportId,
        coalesce(AccountName, json_text(properties, 'AccountName')) as AccountName,
        coalesce(AccountDomain, json_text(properties, 'AccountDomain')) as AccountDomain,
        coalesce(AccountSid, json_text(properties, 'AccountSid')) as AccountSid,
        coalesce(AccountUpn, json_text(properties, 'AccountUpn')) as AccountUpn,
        coalesce(FileName, json_text(properties, 'FileName')) as FileName,
        coalesce(FolderPath, json_text(properties, 'FolderPath')) as FolderPath,
        coalesce(SHA1, json_text(properties, 'SHA1')) as SHA1, coalesce(SHA256, json_text(properties, 'SHA256')) as SHA256,
        coalesce(MD5, json_text(properties, 'MD5')) as MD5, coalesce(FileSize, json_text(properties, 'FileSize')) as FileSize,
        coalesce(ProcessId, json_text(properties, 'ProcessId')) as ProcessId,
        coalesce(ProcessCommandLine, json_text(properties, 'ProcessCommandLine')) as ProcessCommandLine,
        coalesce(ProcessIntegrityLevel, json_text(properties, 'ProcessIntegrityLevel')) as ProcessIntegrityLevel,
        coalesce(ProcessCreationTime, json_text(properties, 'ProcessCreationTime')) as ProcessCreationTime,
        coalesce(InitiatingProcessAccountName, json_text(properties, 'InitiatingProcessAccountName')) as InitiatingProcessAccountName,
        coalesce(InitiatingProcessAccountDomain, json_text(properties, 'InitiatingProcessAccountDomain')) as InitiatingProcessAccountDomain,
        coalesce(InitiatingProcessAccountSid, json_text(properties, 'InitiatingProcessAccountSid')) as InitiatingProcessAccountSid,
        coalesce(InitiatingProcessFileName, json_text(properties, 'InitiatingProcessFileName')) as InitiatingProcessFileName,
        coalesce(InitiatingProcessFolderPath, json_text(properties, 'InitiatingProcessFolderPath')) as InitiatingProcessFolderPath,
        coalesce(InitiatingProcessId, json_text(properties, 'InitiatingProcessId')) as InitiatingProcessId,
        coalesce(InitiatingProcessCommandLine, json_text(properties, 'InitiatingProcessCommandLine')) as InitiatingProcessCommandLine,
        coalesce(InitiatingProcessSHA256, json_text(properties, 'InitiatingProcessSHA256')) as InitiatingProcessSHA256,
        coalesce(InitiatingProcessParentFileName, json_text(properties, 'InitiatingProcessParentFileName')) as InitiatingProcessParentFileName,
        coalesce(InitiatingProcessParentId, json_text(properties, 'InitiatingProcessParentId')) as InitiatingProcessParentId,
        coalesce(LocalIP, json_text(properties, 'LocalIP')) as LocalIP,
        coalesce(LocalPort, json_text(properties, 'LocalPort')) as LocalPort,
        coalesce(RemoteIP, json_text(properties, 'RemoteIP')) as RemoteIP,
        coalesce(RemotePort, json_text(properties, 'RemotePort')) as RemotePort,
        coalesce(RemoteUrl, json_text(properties, 'RemoteUrl')) as RemoteUrl,
        coalesce(RemoteDeviceName, json_text(properties, 'RemoteDeviceName')) as RemoteDeviceName,
        coalesce(Protocol, json_text(properties, 'Protocol')) as Protocol,
        coalesce(LogonType, json_text(properties, 'LogonType')) as LogonType,
        coalesce(LogonId, json_text(properties, 'LogonId')) as LogonId,
        coalesce(RegistryKey, json_text(properties, 'RegistryKey')) as RegistryKey,
        coalesce(RegistryValueName, json_text(properties, 'RegistryValueName')) as RegistryValueName,
        coalesce(RegistryValueData, json_text(properties, 'RegistryValueData')) as RegistryValueData,
        coalesce(PreviousRegistryKey, json_text(properties, 'PreviousRegistryKey')) as PreviousRegistryKey,
        coalesce(AdditionalFields, json_text(properties, 'AdditionalFields')) as AdditionalFields,
        coalesce(AlertId, json_text(properties, 'AlertId')) as AlertId, coalesce(Title, json_text(properties, 'Title')) as Title,
        coalesce(Severity, json_text(properties, 'Severity')) as Severity,
        coalesce(Category, json_text(properties, 'Category')) as Category,
        coalesce(ServiceSource, json_text(properties, 'ServiceSource')) as ServiceSource,
        coalesce(DetectionSource, json_text(properties, 'DetectionSource')) as DetectionSource,
        coalesce(OSPlatform, json_text(properties, 'OSPlatform')) as OSPlatform,
        coalesce(PublicIP, json_text(properties, 'PublicIP')) as PublicIP,
        properties, _rest, _raw, _file, _row
    from input
),

classified as (
    select
        *,
        case
            when kind = 'DeviceProcessEvents' then 1007
            when kind = 'DeviceNetworkEvents' and coalesce(LocalIP, RemoteIP) is not null then 4001
            when kind = 'DeviceFileEvents' then 1001
            when kind = 'DeviceImageLoadEvents' then 1005
            when kind = 'DeviceLogonEvents' then 3002
            when kind = 'DeviceRegistryEvents' and ActionType like 'RegistryKey%' then 201001
            when kind = 'DeviceRegistryEvents' and RegistryValueName is not null then 201002
            when kind in ('AlertInfo', 'AlertEvidence') and AlertId is not null then 2004
            when kind in ('DeviceInfo', 'DeviceNetworkInfo') then 5001
            when kind <> 'DeviceEvents' then 0
            when ActionType = 'AntivirusDetection' or ActionType like 'Asr%' or ActionType like 'ExploitGuard%' or ActionType like 'ControlledFolderAccess%' then 2004
            when ActionType like '%RemoteThreadApiCall' or ActionType in ('OpenProcessApiCall', 'QueueUserApcRemoteApiCall', 'SetThreadContextRemoteApiCall')
                then case when ProcessId is not null then 1007 else 0 end
            when ActionType = 'PowerShellCommand' then 1009
            when ActionType like 'ScheduledTask%' then 1006
            when ActionType = 'ServiceInstalled' then 201004
            when ActionType = 'DnsQueryResponse' and json_text(AdditionalFields, 'DnsQueryString') is not null then 4003
            when ActionType in ('UserAccountCreated', 'UserAccountDeleted', 'UserAccountModified', 'PasswordChangeAttempt') then 3001
            when ActionType like 'UserAccount%LocalGroup' then 3006
            else 0
        end as class_uid,
        case ActionType
            when 'ProcessCreated' then 1 when 'ConnectionSuccess' then 1 when 'InboundConnectionAccepted' then 1 when 'ConnectionFailed' then 4
            when 'ListeningConnectionCreated' then 7 when 'FileCreated' then 1 when 'FileModified' then 3 when 'FileDeleted' then 4
            when 'FileRenamed' then 5 when 'ImageLoaded' then 1 when 'LogonSuccess' then 1 when 'LogonFailed' then 1 when 'LogonAttempted' then 1
            when 'RegistryKeyCreated' then 1 when 'RegistryKeyDeleted' then 4 when 'RegistryKeyRenamed' then 5 when 'RegistryValueSet' then 2
            when 'RegistryValueDeleted' then 4 when 'AntivirusDetection' then 1 when 'OpenProcessApiCall' then 3 when 'CreateRemoteThreadApiCall' then 4
            when 'QueueUserApcRemoteApiCall' then 4 when 'SetThreadContextRemoteApiCall' then 4 when 'PowerShellCommand' then 1
            when 'ScheduledTaskCreated' then 1 when 'ScheduledTaskUpdated' then 2 when 'ScheduledTaskDeleted' then 3 when 'ScheduledTaskEnabled' then 4
            when 'ScheduledTaskDisabled' then 5 when 'ServiceInstalled' then 1 when 'DnsQueryResponse' then 2 when 'UserAccountCreated' then 1
            when 'UserAccountDeleted' then 6 when 'PasswordChangeAttempt' then 3 when 'UserAccountAddedToLocalGroup' then 3 when 'UserAccountRemovedFromLocalGroup' then 4
        end as known,
        case when FileName is not null then {
            'name': FileName,
            -- FolderPath holds the file's name as well in most tables.
            'path': case when FolderPath is null then null when ends_with(lower(FolderPath), lower(FileName)) then FolderPath
                else FolderPath || case when FolderPath like '/%' then '/' else '\' end || FileName end,
            'ext': ocsf_file(FileName)['ext'],
            'type_id': 1,
            'size': try_cast(FileSize as bigint),
            'hashes': array_compact([ocsf_hash(SHA256), ocsf_hash(SHA1), ocsf_hash(MD5)])
        } end as target,
        {'name': coalesce(AccountName, AccountUpn), 'domain': AccountDomain, 'uid': AccountSid} as account,
        {'ip': ocsf_endpoint(LocalIP, null)['ip'], 'port': try_cast(LocalPort as int), 'hostname': DeviceName} as here,
        {'ip': ocsf_endpoint(RemoteIP, null)['ip'], 'port': case when RemoteIP <> '' then nullif(try_cast(RemotePort as int), 0) end,
            'hostname': RemoteDeviceName} as remote
    from events
)

select
    parse_time(coalesce(Timestamp, exported)) as time,
    class_uid,
    case when class_uid = 0 then 0 when class_uid = 5001 then 2 when class_uid = 2004 then 1 else coalesce(known, 99) end as activity_id,
    case when class_uid not in (0, 2004, 5001) and known is null then ActionType end as activity_name,
    case when class_uid = 2004 then coalesce(ocsf_severity_id(Severity), case when ActionType = 'AntivirusDetection' then 4 when ActionType like '%Blocked' then 3
        when ActionType like '%Audited' then 2 else 0 end) end as severity_id,
    case ActionType when 'LogonSuccess' then 1 when 'LogonFailed' then 2 when 'ConnectionSuccess' then 1 when 'ConnectionFailed' then 2 end as status_id,
    concat_ws(' ', coalesce(Title, ActionType, kind), case when class_uid = 3002 then concat_ws(' ', AccountName, 'from ' || coalesce(RemoteIP, RemoteDeviceName))
        else coalesce(ProcessCommandLine, RemoteUrl, RemoteIP, FolderPath, RegistryKey, FileName, AccountName,
            case when class_uid in (1006, 1009, 4003) then coalesce(json_text(AdditionalFields, 'Command'), json_text(AdditionalFields, 'TaskName'),
                json_text(AdditionalFields, 'DnsQueryString')) end) end, 'on ' || DeviceName) as message,
    {'hostname': DeviceName, 'uid': DeviceId, 'type_id': case when coalesce(DeviceName, DeviceId) is not null then 0 end, 'ip': ocsf_endpoint(PublicIP, null)['ip'],
        'os': {'name': OSPlatform, 'type_id': case when OSPlatform like 'Windows%' then 100 when OSPlatform like 'Linux%' then 200 when OSPlatform like 'macOS%' then 300
            when OSPlatform is not null then 0 end}} as device,
    {
        'process': case when InitiatingProcessId is not null then {
            'pid': try_cast(InitiatingProcessId as bigint),
            'name': InitiatingProcessFileName,
            'cmd_line': InitiatingProcessCommandLine,
            'file': case when InitiatingProcessFileName is not null then {'name': InitiatingProcessFileName, 'path': InitiatingProcessFolderPath, 'type_id': 1,
                'hashes': array_compact([ocsf_hash(InitiatingProcessSHA256)])} end,
            'parent_process': case when InitiatingProcessParentId is not null then
                {'pid': try_cast(InitiatingProcessParentId as bigint), 'name': InitiatingProcessParentFileName} end
        } end,
        'user': {
            'name': coalesce(InitiatingProcessAccountName, case when class_uid not in (3001, 3002, 3006) then account['name'] end),
            'domain': coalesce(InitiatingProcessAccountDomain, case when class_uid not in (3001, 3002, 3006) then account['domain'] end),
            'uid': coalesce(InitiatingProcessAccountSid, case when class_uid not in (3001, 3002, 3006) then account['uid'] end)
        }
    } as actor,
    case when class_uid = 1007 then {
        'pid': try_cast(ProcessId as bigint),
        'name': FileName,
        'cmd_line': ProcessCommandLine,
        'created_time': parse_time(ProcessCreationTime),
        'integrity': ProcessIntegrityLevel,
        'integrity_id': case ProcessIntegrityLevel when 'Low' then 2 when 'Medium' then 3 when 'High' then 4 when 'System' then 5 end,
        'file': target,
        'session': {'uid': LogonId},
        'user': account
    } end as process,
    case when class_uid = 1001 then target end as file,
    case when class_uid = 1005 then {'load_type_id': 0, 'file': target} end as module,
    case when class_uid in (3001, 3002, 3006) then account end as "user",
    case when class_uid = 3006 then {'name': json_text(AdditionalFields, 'GroupName'), 'domain': json_text(AdditionalFields, 'GroupDomainName'),
        'uid': json_text(AdditionalFields, 'GroupSid')} end as "group",
    case when class_uid = 1009 then {'script_content': {'value': json_text(AdditionalFields, 'Command')}, 'type_id': 2} end as script,
    case when class_uid = 1006 then {'name': coalesce(json_text(AdditionalFields, 'TaskName'), 'unknown'), 'cmd_line': nullif(concat_ws(' ',
        regexp_match(json_text(AdditionalFields, 'TaskContent'), '<Command>([^<]*)')[1], regexp_match(json_text(AdditionalFields, 'TaskContent'), '<Arguments>([^<]*)')[1]), '')} end as job,
    case when class_uid = 201004 then {'name': coalesce(json_text(AdditionalFields, 'ServiceName'), FileName), 'cmd_line': coalesce(ProcessCommandLine, target['path']),
        'service_start_name': json_text(AdditionalFields, 'ServiceAccount')} end as win_service,
    case when class_uid = 4003 then {'hostname': json_text(AdditionalFields, 'DnsQueryString')} end as query,
    case when class_uid = 3002 then case LogonType when 'Interactive' then 2 when 'Network' then 3 when 'Batch' then 4 when 'Service' then 5 when 'Unlock' then 7
        when 'NetworkCleartext' then 8 when 'NewCredentials' then 9 when 'RemoteInteractive' then 10 when 'CachedInteractive' then 11 else 0 end end as logon_type_id,
    case when class_uid = 3002 then LogonType in ('Network', 'NetworkCleartext', 'RemoteInteractive') end as is_remote,
    case when class_uid = 3002 then case lower(Protocol) when 'ntlm' then 1 when 'kerberos' then 2 end end as auth_protocol_id,
    case when class_uid = 201001 then {'path': coalesce(RegistryKey, PreviousRegistryKey)} end as reg_key,
    case when class_uid = 201002 then {'name': RegistryValueName, 'path': RegistryKey, 'reg_string_data': RegistryValueData} end as reg_value,
    -- Of a logon and of a connection from outside the remote side is the source.
    case when class_uid = 3002 or (class_uid = 4001 and ActionType like 'Inbound%') then remote when class_uid in (4001, 4003) then here end as src_endpoint,
    case when class_uid = 3002 or (class_uid = 4001 and ActionType like 'Inbound%') then here when class_uid = 4001 then remote end as dst_endpoint,
    case when class_uid = 4001 then ocsf_connection(Protocol, case when ActionType like 'Inbound%' then 'inbound' when ActionType like 'Connection%' then 'outbound' end) end as connection_info,
    case when class_uid = 4001 then ocsf_url(RemoteUrl) end as url,
    case when class_uid = 2004 then {
        'uid': coalesce(AlertId, ReportId),
        'title': coalesce(Title, json_text(AdditionalFields, 'ThreatName'), ActionType, 'Evidence of an alert'),
        'types': array_compact([Category]),
        'data_sources': array_compact([coalesce(DetectionSource, ServiceSource)])
    } end as finding_info,
    case when class_uid = 2004 and target is not null then [{'file': target}] end as evidences,
    {'uid': ReportId, 'event_code': coalesce(ActionType, kind), 'log_name': kind, 'tenant_uid': tenant, 'original_time': coalesce(Timestamp, exported)} as metadata,
    case when properties is null and class_uid = 0 then _raw end as raw_data,
    coalesce(properties, _rest) as unmapped,
    _file,
    _row
from classified
