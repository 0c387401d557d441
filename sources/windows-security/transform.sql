-- One row per event. Winlogbeat's events have their fields in `winlog`, all others at the top.
with kinds (id, class, activity, title) as (
    values
        (4624, 3002, 1, 'Logon'), (4625, 3002, 1, 'Failed logon'), (4634, 3002, 2, 'Logoff'),
        (4647, 3002, 2, 'Logoff by user'), (4648, 3002, 1, 'Logon with explicit credentials'),
        (4768, 3002, 3, 'Kerberos ticket request'), (4769, 3002, 4, 'Kerberos service ticket request'),
        (4770, 3002, 5, 'Kerberos ticket renewal'), (4771, 3002, 6, 'Failed Kerberos pre-authentication'),
        (4776, 3002, 99, 'Credential validation'), (4778, 3002, 99, 'Session reconnect'),
        (4779, 3002, 99, 'Session disconnect'), (4800, 3002, 99, 'Workstation locked'),
        (4801, 3002, 99, 'Workstation unlocked'), (4672, 3003, 1, 'Special privileges assigned'),
        (4720, 3001, 1, 'User created'), (4722, 3001, 2, 'User enabled'), (4723, 3001, 3, 'Password change'),
        (4724, 3001, 4, 'Password reset'), (4725, 3001, 5, 'User disabled'), (4726, 3001, 6, 'User deleted'),
        (4738, 3001, 99, 'User changed'), (4740, 3001, 9, 'User locked out'), (4741, 3001, 1, 'Computer account created'),
        (4742, 3001, 99, 'Computer account changed'), (4743, 3001, 6, 'Computer account deleted'),
        (4767, 3001, 12, 'User unlocked'), (4781, 3001, 99, 'Account renamed'), (4727, 3006, 6, 'Group created'),
        (4731, 3006, 6, 'Group created'), (4754, 3006, 6, 'Group created'), (4728, 3006, 3, 'Member added to group'),
        (4732, 3006, 3, 'Member added to group'), (4756, 3006, 3, 'Member added to group'),
        (4729, 3006, 4, 'Member removed from group'), (4733, 3006, 4, 'Member removed from group'),
        (4757, 3006, 4, 'Member removed from group'), (4730, 3006, 5, 'Group deleted'), (4734, 3006, 5, 'Group deleted'),
        (4758, 3006, 5, 'Group deleted'), (4735, 3006, 99, 'Group changed'), (4737, 3006, 99, 'Group changed'),
        (4755, 3006, 99, 'Group changed'), (4799, 3006, 99, 'Group members listed'), (4688, 1007, 1, 'Process created'),
        (4689, 1007, 2, 'Process exited'), (5156, 4001, 1, 'Connection allowed'), (5152, 4001, 5, 'Packet blocked'),
        (5157, 4001, 5, 'Connection blocked'), (5154, 4001, 7, 'Listening allowed'), (5155, 4001, 7, 'Listening blocked'),
        (5158, 4001, 99, 'Bind allowed'), (5159, 4001, 99, 'Bind blocked'), (5140, 4006, 2, 'Share accessed'),
        (5145, 4006, 2, 'Share object checked'), (1102, 1008, 1, 'Audit log cleared'),
        (1100, 1008, 7, 'Event logging stopped'), (4697, 201004, 1, 'Service installed'), (4698, 1006, 1, 'Task created'),
        (4699, 1006, 3, 'Task deleted'), (4700, 1006, 4, 'Task enabled'), (4701, 1006, 5, 'Task disabled'),
        (4702, 1006, 2, 'Task updated'), (4657, 201002, 3, 'Registry value modified'), (4656, 201003, 1, 'Handle requested'),
        (4661, 201003, 1, 'Directory handle requested'), (4663, 201003, 1, 'Object accessed'),
        (4670, 201003, 1, 'Permissions changed'), (4662, 3004, 2, 'Directory object accessed'),
        (5136, 3004, 3, 'Directory object changed'), (5137, 3004, 1, 'Directory object created'),
        (5139, 3004, 5, 'Directory object moved'), (5141, 3004, 4, 'Directory object deleted'),
        (4719, 3004, 3, 'Audit policy changed')
),

records as (
    select *, json_text(winlog, 'event_data') as d, _rest, _raw, _file, _row from input
),

events as (
    select
        coalesce(EventID, try_cast(json_text(winlog, 'event_id') as bigint)) as event_id,
        coalesce(Channel, json_text(winlog, 'channel'), 'Security') as channel,
        coalesce(Provider_Name, SourceName, EventSourceName, json_text(winlog, 'provider_name')) as provider,
        coalesce(Computer, Hostname, json_text(winlog, 'computer_name')) as host,
        coalesce(EventRecordID, RecordNumber, try_cast(json_text(winlog, 'record_id') as bigint)) as record,
        coalesce(TimeCreated, "@timestamp", TimeGenerated) as logged,
        coalesce(Message, json_text(winlog, 'keywords')) as words,
        coalesce(EventType, json_text(d, 'EventType')) as EventType, coalesce(Keywords, json_text(d, 'Keywords')) as Keywords,
        coalesce(SubjectUserSid, json_text(d, 'SubjectUserSid')) as SubjectUserSid,
        coalesce(SubjectUserName, json_text(d, 'SubjectUserName')) as SubjectUserName,
        coalesce(SubjectDomainName, json_text(d, 'SubjectDomainName')) as SubjectDomainName,
        coalesce(SubjectLogonId, json_text(d, 'SubjectLogonId')) as SubjectLogonId,
        coalesce(TargetUserName, json_text(d, 'TargetUserName'), OldTargetUserName, json_text(d, 'OldTargetUserName')) as TargetUserName,
        coalesce(TargetServerName, json_text(d, 'TargetServerName')) as TargetServerName,
        coalesce(TargetDomainName, json_text(d, 'TargetDomainName')) as TargetDomainName,
        coalesce(TargetUserSid, json_text(d, 'TargetUserSid')) as TargetUserSid,
        coalesce(TargetSid, json_text(d, 'TargetSid')) as TargetSid,
        coalesce(TargetLogonId, json_text(d, 'TargetLogonId')) as TargetLogonId,
        coalesce(MemberName, json_text(d, 'MemberName')) as MemberName,
        coalesce(MemberSid, json_text(d, 'MemberSid')) as MemberSid, coalesce(LogonType, json_text(d, 'LogonType')) as LogonType,
        coalesce(IpAddress, json_text(d, 'IpAddress')) as IpAddress, coalesce(IpPort, json_text(d, 'IpPort')) as IpPort,
        coalesce(WorkstationName, json_text(d, 'WorkstationName')) as WorkstationName,
        coalesce(Workstation, json_text(d, 'Workstation')) as Workstation,
        coalesce(AuthenticationPackageName, json_text(d, 'AuthenticationPackageName')) as AuthenticationPackageName,
        coalesce(Status, json_text(d, 'Status')) as Status, coalesce(SubStatus, json_text(d, 'SubStatus')) as SubStatus,
        coalesce(ServiceName, json_text(d, 'ServiceName')) as ServiceName,
        coalesce(ServiceFileName, json_text(d, 'ServiceFileName')) as ServiceFileName,
        coalesce(ServiceAccount, json_text(d, 'ServiceAccount')) as ServiceAccount,
        coalesce(ServiceStartType, json_text(d, 'ServiceStartType')) as ServiceStartType,
        coalesce(OperationType, json_text(d, 'OperationType')) as OperationType,
        coalesce(AccountName, json_text(d, 'AccountName')) as AccountName,
        coalesce(AccountDomain, json_text(d, 'AccountDomain')) as AccountDomain,
        coalesce(LogonID, json_text(d, 'LogonID')) as LogonID, coalesce(ClientName, json_text(d, 'ClientName')) as ClientName,
        coalesce(ClientAddress, json_text(d, 'ClientAddress')) as ClientAddress,
        coalesce(TaskName, json_text(d, 'TaskName')) as TaskName,
        coalesce(TaskContent, TaskContentNew, json_text(d, 'TaskContent'), json_text(d, 'TaskContentNew')) as TaskContent,
        coalesce(NewProcessId, json_text(d, 'NewProcessId')) as NewProcessId,
        coalesce(NewProcessName, json_text(d, 'NewProcessName')) as NewProcessName,
        coalesce(ProcessId, json_text(d, 'ProcessId')) as ProcessId, coalesce(ProcessID, json_text(d, 'ProcessID')) as ProcessID,
        coalesce(ProcessName, json_text(d, 'ProcessName')) as ProcessName,
        coalesce(CallerProcessName, json_text(d, 'CallerProcessName')) as CallerProcessName,
        coalesce(CommandLine, json_text(d, 'CommandLine')) as CommandLine,
        coalesce(ParentProcessName, json_text(d, 'ParentProcessName')) as ParentProcessName,
        coalesce(PrivilegeList, json_text(d, 'PrivilegeList')) as PrivilegeList,
        coalesce(ObjectType, json_text(d, 'ObjectType')) as ObjectType,
        coalesce(ObjectName, json_text(d, 'ObjectName')) as ObjectName,
        coalesce(ObjectValueName, json_text(d, 'ObjectValueName')) as ObjectValueName,
        coalesce(NewValue, json_text(d, 'NewValue')) as NewValue, coalesce(AccessList, json_text(d, 'AccessList')) as AccessList,
        coalesce(SourceAddress, json_text(d, 'SourceAddress')) as SourceAddress,
        coalesce(SourcePort, json_text(d, 'SourcePort')) as SourcePort,
        coalesce(DestAddress, json_text(d, 'DestAddress')) as DestAddress,
        coalesce(DestPort, json_text(d, 'DestPort')) as DestPort, coalesce(Protocol, json_text(d, 'Protocol')) as Protocol,
        coalesce(Direction, json_text(d, 'Direction')) as Direction,
        coalesce(Application, json_text(d, 'Application')) as Application,
        coalesce(ShareName, json_text(d, 'ShareName')) as ShareName,
        coalesce(RelativeTargetName, json_text(d, 'RelativeTargetName')) as RelativeTargetName,
        coalesce(ObjectDN, json_text(d, 'ObjectDN')) as ObjectDN,
        coalesce(ObjectClass, json_text(d, 'ObjectClass')) as ObjectClass,
        winlog, _rest, _raw, _file, _row
    from records
),

-- An event of another channel in the same file is of no kind. Objects that are files or registry keys are known by their type.
classified as (
    select
        e.*,
        kinds.activity,
        coalesce(kinds.title, split_part(split_part(words, chr(10), 1), chr(13), 1), 'Event ' || event_id) as title,
        case when kinds.class = 201003 and ObjectType = 'File' then 1001 when kinds.class = 201003 and ObjectType = 'Key' then 201001
            else coalesce(kinds.class, 0) end as class_uid,
        coalesce(EventType = 'AUDIT_FAILURE' or Keywords like '0x801%' or Keywords = '-9218868437227405312' or words like '["Audit Failure%'
            or title in ('Failed logon', 'Failed Kerberos pre-authentication') or title like '%blocked'
            or (event_id in (4768, 4769, 4776) and Status <> '0x0'), false) as failed,
        ocsf_file(case when event_id = 4688 then NewProcessName else coalesce(nullif(ProcessName, '-'), CallerProcessName, Application) end) as image,
        case when event_id = 4688 then NewProcessId else coalesce(ProcessId, ProcessID) end as pid_text,
        -- Process ids are hexadecimal where an event does not come from the network filter.
        lpad(lower(substr(case when event_id = 4688 then NewProcessId else coalesce(ProcessId, ProcessID) end, 3)), 6, '0') as pid_hex,
        lpad(lower(substr(ProcessId, 3)), 6, '0') as parent_hex,
        -- NXLog knows the subject of a cleared log by its text alone.
        {'name': coalesce(nullif(SubjectUserName, '-'), case when event_id = 1102 then regexp_match(words, 'Account Name:\s*(\S+)')[1] end),
            'domain': coalesce(nullif(SubjectDomainName, '-'), case when event_id = 1102 then regexp_match(words, 'Domain Name:\s*(\S+)')[1] end),
            'uid': coalesce(nullif(SubjectUserSid, 'S-1-0-0'), case when event_id = 1102 then regexp_match(words, 'Security ID:\s*(S-\S+)')[1] end)} as subject,
        -- Of a session that is taken up again the user is the account; service tickets name `user@REALM`.
        {'name': case when event_id in (4778, 4779) then AccountName when event_id in (4769, 4770) then split_part(TargetUserName, '@', 1) else nullif(TargetUserName, '-') end,
            'domain': case when event_id in (4778, 4779) then AccountDomain when event_id <> 4740 then nullif(TargetDomainName, '-') end,
            'uid': nullif(coalesce(TargetUserSid, TargetSid), 'S-1-0-0')} as target
    -- This way round the events stream, in their order.
    from kinds
    right join events e on kinds.id = e.event_id and lower(e.channel) = 'security'
),

processes as (
    select
        *,
        case when class_uid in (1001, 201001) then case when event_id = 4656 and class_uid = 1001 then 14
                when event_id = 4670 then case class_uid when 1001 then 7 else 6 end
                when regexp_like(AccessList, '%%1537') then 4
                when regexp_like(AccessList, '%%44(17|18|33|34)') then 3
                when regexp_like(AccessList, '%%44(16|19|32|35)') then 2 else 0 end
            when event_id = 4657 then case OperationType when '%%1904' then 2 when '%%1906' then 4 else 3 end
            else coalesce(activity, 0) end as activity_id,
        case when pid_text like '0x%' then strpos('123456789abcdef', substr(pid_hex, 1, 1)) * 1048576 + strpos('123456789abcdef', substr(pid_hex, 2, 1)) * 65536 + strpos('123456789abcdef', substr(pid_hex, 3, 1)) * 4096 + strpos('123456789abcdef', substr(pid_hex, 4, 1)) * 256 + strpos('123456789abcdef', substr(pid_hex, 5, 1)) * 16 + strpos('123456789abcdef', substr(pid_hex, 6, 1))
            else try_cast(pid_text as bigint) end as pid,
        case when event_id = 4688 and ProcessId like '0x%' then strpos('123456789abcdef', substr(parent_hex, 1, 1)) * 1048576 + strpos('123456789abcdef', substr(parent_hex, 2, 1)) * 65536 + strpos('123456789abcdef', substr(parent_hex, 3, 1)) * 4096 + strpos('123456789abcdef', substr(parent_hex, 4, 1)) * 256 + strpos('123456789abcdef', substr(parent_hex, 5, 1)) * 16 + strpos('123456789abcdef', substr(parent_hex, 6, 1)) end as parent_pid
    from classified
)

select
    parse_time(logged) as time,
    class_uid,
    activity_id,
    case when activity_id = 99 then title end as activity_name,
    case when failed then 2 when class_uid > 0 then 1 end as status_id,
    coalesce(nullif(SubStatus, '0x0'), Status) as status_code,
    concat_ws(' ', title, coalesce(MemberSid, nullif(TargetUserName, '-'), target['name'], ServiceName, TaskName, CommandLine, nullif(ObjectName, '-'), ShareName,
        ObjectDN, image['path']),
        case when class_uid = 3006 and MemberSid is not null then 'in ' || TargetUserName end,
        'by ' || subject['name'], 'from ' || nullif(IpAddress, '-'), 'on ' || host) as message,
    {'hostname': host, 'type_id': 0, 'os': {'name': 'Windows', 'type_id': 100}} as device,
    {
        'user': subject,
        'session': {'uid': nullif(SubjectLogonId, '0x0')},
        'process': {
            'pid': case when event_id = 4688 then parent_pid when image['name'] is null then nullif(pid, 0) else pid end,
            'file': case when event_id = 4688 then ocsf_file(ParentProcessName) else image end,
            'name': case when event_id = 4688 then ocsf_file(ParentProcessName)['name'] else image['name'] end
        }
    } as actor,
    case when class_uid in (3001, 3002) then target when class_uid = 3003 then subject
        when class_uid = 3006 then {'name': nullif(MemberName, '-'), 'domain': cast(null as text), 'uid': MemberSid} end as "user",
    case when class_uid = 3006 then target end as "group",
    case when class_uid = 3003 then string_to_array(regexp_replace(trim(PrivilegeList), '\s+', ',', 'g'), ',') end as privileges,
    case when class_uid = 3002 then {'uid': nullif(coalesce(TargetLogonId, LogonID), '0x0')} when class_uid = 3003 then {'uid': SubjectLogonId} end as session,
    case when class_uid = 3002 then case when LogonType = '0' then 1 when try_cast(LogonType as int) in (2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13)
        then cast(LogonType as int) end end as logon_type_id,
    case when class_uid = 3002 then LogonType in ('3', '8', '10', '12') end as is_remote,
    case when class_uid = 3002 then case when AuthenticationPackageName = 'Kerberos' or event_id between 4768 and 4771 then 2
        when AuthenticationPackageName like 'NTLM%' or event_id = 4776 then 1 end end as auth_protocol_id,
    case when class_uid = 3002 then {'name': ServiceName} end as service,
    case when class_uid in (3002, 4001, 4006) or event_id = 4740 then {
        'ip': ocsf_endpoint(coalesce(IpAddress, SourceAddress, ClientAddress), null)['ip'],
        'port': nullif(try_cast(coalesce(IpPort, SourcePort) as int), 0),
        -- What a lockout calls a domain is the computer that it came from.
        'hostname': ocsf_endpoint(case when event_id = 4740 then TargetDomainName else coalesce(WorkstationName, Workstation, ClientName) end, null)['hostname']
    } end as src_endpoint,
    case when class_uid in (3002, 4001, 4006) then {
        'ip': ocsf_endpoint(DestAddress, null)['ip'],
        'port': case when DestAddress is not null then try_cast(DestPort as int) end,
        'hostname': case when event_id = 4648 then coalesce(nullif(nullif(TargetServerName, 'localhost'), '-'), host) when class_uid <> 4001 then host end
    } end as dst_endpoint,
    case when class_uid = 4001 then ocsf_connection(Protocol, Direction) end as connection_info,
    case when class_uid = 4006 then ShareName end as share,
    case when class_uid = 4006 then ocsf_file(RelativeTargetName) when class_uid = 1001 then ocsf_file(ObjectName) end as file,
    case when class_uid = 1007 then {
        'pid': pid,
        'name': image['name'],
        'file': image,
        'cmd_line': CommandLine,
        'user': case when event_id = 4688 and target['name'] is not null then target else subject end
    } end as process,
    case when class_uid = 1008 then channel end as log_name,
    case when class_uid = 201004 then {'name': ServiceName, 'cmd_line': ServiceFileName, 'service_start_name': ServiceAccount,
        'service_start_type_id': case when ServiceStartType in ('0', '1', '2', '3', '4') then cast(ServiceStartType as int) + 1 end} end as win_service,
    case when class_uid = 1006 then {'name': TaskName, 'cmd_line': concat_ws(' ', regexp_match(TaskContent, '<Command>([^<]*)')[1],
        regexp_match(TaskContent, '<Arguments>([^<]*)')[1])} end as job,
    case when class_uid = 201001 then {'path': ObjectName} end as reg_key,
    case when class_uid = 201002 then {'name': ObjectValueName, 'path': ObjectName, 'reg_string_data': NewValue} end as reg_value,
    case when class_uid = 201003 then {'name': coalesce(nullif(ObjectName, '-'), ObjectType), 'type': ObjectType,
        'type_id': case ObjectType when 'Directory' then 1 when 'Event' then 2 when 'Timer' then 3 when 'Mutant' then 5 when 'Token' then 8 when 'Thread' then 9
            when 'Section' then 10 when 'Driver' then 15 when 'SymbolicLink' then 18 when 'Process' then 20 when 'Desktop' then 22 when 'Semaphore' then 28
            when 'Job' then 29 when 'ALPC Port' then 32 when 'SAM_ALIAS' then 33 when 'SAM_GROUP' then 34 when 'SAM_USER' then 35 when 'SAM_DOMAIN' then 36
            when 'SAM_SERVER' then 37 else 99 end} end as win_resource,
    case when class_uid = 3004 then {'name': coalesce(ObjectDN, ObjectName, 'Audit policy'), 'type_id': case when event_id = 4719 then 5 else 99 end,
        'type': case when event_id = 4719 then 'Policy' else coalesce(ObjectClass, ObjectType, 'Directory object') end} end as entity,
    {'event_code': cast(event_id as text), 'log_name': channel, 'log_provider': provider, 'sequence': record, 'original_time': logged} as metadata,
    -- The whole of a task has its triggers and its account.
    case when class_uid in (0, 1006) or winlog is not null then _raw end as raw_data,
    _rest as unmapped,
    _file,
    _row
from processes
