-- One row per event. `event` holds other fields for every type, so it is also kept whole.
with events as (
    select
        *,
        metadata.eventType as kind,
        json_text(event, 'OperationName') as operation,
        json_text(event, 'ServiceName') as service_name,
        json_text(event, 'UserId') as user_id,
        json_text(event, 'UserIp') as user_ip,
        coalesce(json_text(event, 'Hostname'), json_text(event, 'HostName'), json_text(event, 'ComputerName'), json_text(event, 'HostnameField')) as host,
        coalesce(json_text(event, 'CompositeId'), json_text(event, 'DetectId'), json_text(event, 'DetectionId'), json_text(event, 'IncidentID')) as detection,
        coalesce(json_text(event, 'Name'), json_text(event, 'DetectName'), json_text(event, 'IncidentType')) as detection_name,
        coalesce(json_text(event, 'Description'), json_text(event, 'DetectDescription')) as detection_text,
        coalesce(json_text(event, 'PatternDispositionDescription'), '') as disposition,
        -- Of what was only detected the vendor says that it *would have been blocked*.
        regexp_like(json_text(event, 'PatternDispositionDescription'), '(?i)block|kill|prevent')
            and json_text(event, 'PatternDispositionDescription') not ilike '%would have%' as stopped,
        coalesce(ocsf_file(json_text(event, 'FilePath')), ocsf_file(json_text(event, 'FileName'))) as f,
        array_compact([ocsf_hash(json_text(event, 'SHA256String')), ocsf_hash(nullif(json_text(event, 'SHA1String'), repeat('0', 40))),
            ocsf_hash(json_text(event, 'MD5String'))]) as hashes,
        -- What the operation was done to, of a list of keys and values.
        regexp_match(json_text(event, 'AuditKeyValues'), '"Key":\s*"target_name",\s*"ValueString":\s*"([^"]*)"')[1] as target,
        regexp_match(json_text(event, 'AuditKeyValues'), '"Key":\s*"roles",\s*"ValueString":\s*"([^"]*)"')[1] as roles,
        _rest, _file, _row
    from input
),

classified as (
    select
        *,
        case
            when (kind like '%DetectionSummaryEvent' or kind = 'IncidentSummaryEvent') and detection is not null then 2004
            when kind = 'FirewallMatchEvent' then 4001
            when operation is null or kind not like '%AuditEvent' then 0
            when regexp_like(operation, '(?i)^(userAuthenticate|twoFactorAuthenticate|saml2Assert|requestResetPassword.*authenticate|logout|userLogout)$') then 3002
            when regexp_like(operation, '^(grantUserRoles|revokeUserRoles)$') and roles is not null then 3005
            when regexp_like(operation, '(?i)^(createUser|deleteUser|activateUser|deactivateUser|changePassword|resetAuthSecret|requestResetPassword|confirmResetPassword|updateUser|updateUserRoles|grantUserRoles|revokeUserRoles)$') then 3001
            else 6003
        end as class_uid,
        case when detection_name = 'NGAV' then null else json_text(event, 'Technique') end as technique
    from events
),

rated as (
    select
        *,
        case class_uid
            when 2004 then 1
            when 4001 then case when json_text(event, 'RuleAction') in ('2', 'Block', 'block') then 5 else 1 end
            when 3002 then case when operation ilike '%logout' then 2 else 1 end
            when 3005 then case when operation like 'grant%' then 1 else 2 end
            when 3001 then case lower(operation) when 'createuser' then 1 when 'activateuser' then 2 when 'changepassword' then 3
                when 'requestresetpassword' then 4 when 'confirmresetpassword' then 4 when 'deactivateuser' then 5 when 'deleteuser' then 6 else 99 end
            when 6003 then case when regexp_like(operation, '(?i)^(create|add|upload)') then 1 when regexp_like(operation, '(?i)^(get|list|download|query|export)') then 2
                when regexp_like(operation, '(?i)^(update|set|enable|disable|change|modify|quarantine|contain)') then 3
                when regexp_like(operation, '(?i)^(delete|remove|revoke)') then 4 else 99 end
            else 0
        end as activity_id
    from classified
)

select
    parse_time(coalesce(json_text(event, 'UTCTimestamp'), metadata.eventCreationTime)) as time,
    class_uid,
    activity_id,
    case when activity_id = 99 then operation end as activity_name,
    case when class_uid = 2004 then case when json_text(event, 'SeverityName') is not null then ocsf_severity_id(json_text(event, 'SeverityName'))
        else case when json_text(event, 'Severity') in ('5', '4', '3', '2', '1') then cast(json_text(event, 'Severity') as int) else 0 end end end as severity_id,
    case when class_uid in (3001, 3002, 3005, 6003) then ocsf_status_id(json_text(event, 'Success')) end as status_id,
    case class_uid when 2004 then case when stopped then 2 when disposition = '' then 0 else 3 end when 4001 then case activity_id when 5 then 2 else 1 end end as action_id,
    case class_uid when 2004 then case when disposition ilike '%quarantin%' then 3 when stopped then 2 when disposition = '' then 0 else 15 end
        when 4001 then case activity_id when 5 then 2 else 1 end end as disposition_id,
    concat_ws(' ', coalesce(detection_name, operation, kind), coalesce(detection_text, target), 'on ' || host, 'by ' || user_id) as message,
    {
        'hostname': host,
        'uid': coalesce(json_text(event, 'SensorId'), json_text(event, 'AgentId'), json_text(event, 'DeviceId')),
        'ip': ocsf_endpoint(json_text(event, 'LocalIP'), null)['ip'],
        'mac': json_text(event, 'MACAddress'),
        'type_id': case when coalesce(host, json_text(event, 'LocalIP'), json_text(event, 'SensorId'), json_text(event, 'AgentId'), json_text(event, 'DeviceId')) is not null then 0 end
    } as device,
    {'user': ocsf_user(coalesce(user_id, json_text(event, 'UserName')))} as actor,
    case when class_uid = 2004 then {
        'uid': detection,
        'title': detection_name,
        'desc': detection_text,
        'src_url': json_text(event, 'FalconHostLink'),
        'attacks': array_compact([case when technique is not null then {
            'tactic': {'name': json_text(event, 'Tactic'), 'uid': json_text(event, 'TacticId')},
            'technique': {'name': technique, 'uid': json_text(event, 'TechniqueId')}
        } end])
    } end as finding_info,
    case when class_uid = 2004 then array_compact([case when coalesce(json_text(event, 'ProcessId'), f['name']) is not null then {
        'process': case when json_text(event, 'ProcessId') is not null then {
            'uid': json_text(event, 'ProcessId'),
            'name': json_text(event, 'FileName'),
            'cmd_line': json_text(event, 'CommandLine'),
            'created_time': parse_time(json_text(event, 'ProcessStartTime')),
            'parent_process': {'uid': json_text(event, 'ParentProcessId'), 'name': json_text(event, 'ParentImageFileName'),
                'cmd_line': json_text(event, 'ParentCommandLine')}
        } end,
        'file': case when f['name'] is not null then {'name': f['name'], 'path': f['path'], 'parent_folder': f['parent_folder'], 'ext': f['ext'],
            'type_id': f['type_id'], 'hashes': hashes} end
    } end]) end as evidences,
    case when class_uid in (3001, 3005) then ocsf_user(coalesce(target, user_id)) when class_uid = 3002 then ocsf_user(coalesce(user_id, target)) end as "user",
    case when class_uid = 3005 then string_to_array(regexp_replace(trim(roles, '[]'), '\s*,\s*|\s+', ',', 'g'), ',') end as privileges,
    case when class_uid = 3002 then {'name': service_name} end as service,
    case when class_uid = 6003 then {'operation': operation, 'service': {'name': service_name}} end as api,
    case when class_uid in (3001, 3002, 3005, 4001, 6003) then {
        'ip': ocsf_endpoint(case when class_uid = 4001 then json_text(event, 'LocalAddress') else user_ip end, null)['ip'],
        'port': case when class_uid = 4001 then try_cast(json_text(event, 'LocalPort') as int) end,
        'name': case when class_uid = 6003 and ocsf_endpoint(user_ip, null)['ip'] is null then 'unknown' end
    } end as src_endpoint,
    case when class_uid = 4001 then {'ip': json_text(event, 'RemoteAddress'), 'port': try_cast(json_text(event, 'RemotePort') as int)} end as dst_endpoint,
    case when class_uid = 4001 then ocsf_connection(json_text(event, 'Protocol'), null) end as connection_info,
    {'uid': cast(metadata.offset as text), 'event_code': kind, 'tenant_uid': metadata.customerIDString, 'log_version': metadata.version,
        'original_time': metadata.eventCreationTime} as metadata,
    coalesce(event, _rest) as unmapped,
    _file,
    _row
from rated
