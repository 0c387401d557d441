-- One row per entry. The audit log says in words what was done: these words decide.
with named as (
    select
        *,
        nullif(clientIp, '') as ip,
        nullif(loginName, '') as login,
        regexp_match(description, 'with role (.+)$')[1] as new_role,
        -- What was done, whoever did it.
        regexp_match(description, '^(?:User \S+@\S+ )?(\w+ \w+)')[1] as deed,
        coalesce(regexp_match(description, 'grant: (\S+)')[1], regexp_match(description, 'user (\S+@\S+)')[1]) as target,
        _file, _row, _rest
    from input
),

classed as (
    select
        *,
        case
            when org_key is not null and id is not null then 2004
            when description ~* '^(user .* )?(logged|log ?in|log ?out|login|failed login)' and login is not null then 3002
            when description ~ '^(Created|Updated) grant' and new_role is not null then 3005
            when description ~ '^(Added|Deleted|Removed|Updated|Modified) user' and target is not null then 3001
            when ip is null then 3004
            else 6003
        end as class_uid,
        {'name': login, 'email_addr': case when login like '%@%.%' then login end} as who
    from named
),

events as (
    select
        *,
        case
            when class_uid in (2004, 3005) then 1
            when class_uid = 3002 then case when description ~* 'log(ged)? ?out' then 2 else 1 end
            when class_uid = 3001 then case when description like 'Added%' then 1 when description ~ '^(Deleted|Removed)' then 6 else 99 end
            when description ~ '^(Created|Added)' then 1
            when description ~ '(retrieved|viewed|exported|downloaded)' then 2
            when description ~ '^(Updated|Modified|Changed|Enabled|Disabled)' then 3
            when description ~ '^(Deleted|Removed)' then 4
            else 99
        end as activity_id
    from classed
)

select
    class_uid,
    activity_id,
    case when activity_id = 99 then coalesce(deed, 'unknown') end as activity_name,
    parse_time(coalesce(eventTime, detection_timestamp, backend_timestamp)) as time,
    {'uid': coalesce(eventId, id), 'event_code': type, 'tenant_uid': coalesce(org_key, orgName),
        'original_time': coalesce(eventTime, detection_timestamp, backend_timestamp)} as metadata,
    coalesce(description, reason) as message,
    case when class_uid = 2004 then case when severity >= 9 then 5 when severity >= 7 then 4 when severity >= 4 then 3 else 2 end
        when flagged then 2 else 1 end as severity_id,
    case when class_uid = 3002 then case when description ~* 'fail|unsuccessful|denied' then 2 else 1 end end as status_id,
    case when class_uid <> 2004 then {'user': who, 'app_name': case when login is null then 'Carbon Black Cloud' end} end as actor,
    -- A grant names its principal by a resource name.
    {
        'name': case when class_uid = 3002 then who['name'] when class_uid in (3001, 3005) and target not like 'psc:%' then target end,
        'email_addr': case class_uid when 3002 then who['email_addr'] when 3001 then target end,
        'uid': case when class_uid = 3005 and target like 'psc:%' then target end
    } as user,
    case when class_uid = 3005 then [new_role] end as privileges,
    case when class_uid <> 2004 then ocsf_endpoint(ip, NULL) end as src_endpoint,
    case when class_uid <> 2004 then {'url': ocsf_url(requestUrl)} end as http_request,
    case when class_uid = 3002 then {'name': 'Carbon Black Cloud'} end as service,
    case when class_uid = 3004 then {'uid': orgName, 'name': coalesce(requestUrl, orgName), 'type': 'organization'} end as entity,
    case when class_uid = 6003 then {'operation': coalesce(requestUrl, deed, 'unknown'), 'service': {'name': 'Carbon Black Cloud'}} end as api,
    case when class_uid = 2004 then {
        'uid': id, 'title': coalesce(report_name, reason), 'desc': reason, 'types': [type],
        'attacks': case when coalesce(attack_tactic, attack_technique) is not null then [{'tactic': {'uid': attack_tactic}, 'technique': {'uid': attack_technique}}] end
    } end as finding_info,
    case when class_uid = 2004 then true end as is_alert,
    case when class_uid = 2004 then {'uid': device_id, 'hostname': device_name, 'ip': device_external_ip, 'os': {'name': device_os, 'type_id': case device_os when 'WINDOWS' then 100 when 'LINUX' then 200 when 'MAC' then 300 else 0 end}, 'type_id': 0} end as device,
    case when class_uid = 2004 and process_guid is not null then [{'process': {
        'uid': process_guid, 'pid': process_pid, 'cmd_line': process_cmdline, 'name': ocsf_file(process_name)['name'], 'user': ocsf_user(process_username),
        'file': {'name': ocsf_file(process_name)['name'], 'path': process_name, 'type_id': 1,
            'hashes': case when process_sha256 is not null then [ocsf_hash(process_sha256)] end}
    }}] end as evidences,
    _rest as unmapped,
    _file,
    _row
from events
