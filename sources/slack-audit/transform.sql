-- One row per entry. Actor and entity hold their parts under the name of their type.
with entries as (
    select
        *,
        json_text(entity, 'type') as entity_type,
        case json_text(entity, 'type')
            when 'user' then json_text(entity, 'user') when 'file' then json_text(entity, 'file') when 'channel' then json_text(entity, 'channel')
            when 'app' then json_text(entity, 'app') when 'usergroup' then json_text(entity, 'usergroup') when 'role' then json_text(entity, 'role')
            when 'workspace' then json_text(entity, 'workspace') when 'enterprise' then json_text(entity, 'enterprise')
            when 'huddle' then json_text(entity, 'huddle') when 'message' then json_text(entity, 'message') when 'workflow' then json_text(entity, 'workflow')
            else entity
        end as target,
        coalesce(json_text(actor, 'user'), json_text(actor, 'app'), actor) as who,
        json_text(context, 'ip_address') as ip,
        _rest, _file, _row
    from input
),

classified as (
    select
        *,
        case
            when action in ('user_login', 'user_login_failed', 'user_logout', 'user_logout_compromised', 'user_session_invalidated', 'user_sessions_reset_by_admin') then 3002
            when action in ('user_created', 'user_deactivated', 'user_reactivated', 'user_email_updated', 'user_profile_updated', 'guest_created', 'guest_deactivated', 'guest_reactivated',
                'service_owner_transferred', 'owner_transferred') or action like 'user_profile_%' or action like 'user_password%' then 3001
            when action like 'role_change_to_%' or action in ('role_assigned', 'role_removed', 'role_modified', 'permissions_assigned', 'permissions_removed') then 3005
            when regexp_like(action, '^(role_members|user_(added|removed)_(to|from)_usergroup|(user|guest)_channel_(join|leave))') and entity_type in ('usergroup', 'channel') then 3006
            when action in ('anomaly', 'file_malicious_content_detected', 'native_dlp_rule_action_applied', 'content_flagged') then 2004
            when entity_type = 'file' and action like 'file_%' then 6006
            else 6003
        end as class_uid,
        coalesce(json_text(who, 'email'), json_text(who, 'name'), json_text(who, 'id')) as actor_name
    from entries
),

rated as (
    select
        *,
        case class_uid
            when 3002 then case when action like 'user_login%' then 1 else 2 end
            when 3001 then case when action like '%created' then 1 when action like '%reactivated' then 2 when action like '%deactivated' then 5
                when action like 'user_password%reset%' then 4 when action like 'user_password%' then 3 else 99 end
            when 3005 then case when action like '%removed' then 2 when action = 'role_modified' then 99 else 1 end
            when 3006 then case when regexp_like(action, 'remove|leave') then 4 else 3 end
            when 2004 then 1
            when 6006 then case
                when action like 'file_downloaded%' then 2 when action = 'file_uploaded' then 1 when action in ('file_shared', 'file_public_link_created') then 12
                when action in ('file_unshared', 'file_public_link_revoked') then 13 when action like '%deleted' then 4 when action = 'file_opened' then 14 else 99 end
            else case
                when regexp_like(action, '(deleted|removed|uninstalled|unenrolled|revoked|unapproved)$') then 4
                when regexp_like(action, '(created|added|installed|approved|enabled|enrolled|invited|accepted)$') then 1
                when regexp_like(action, '(exported|downloaded|viewed|listed|accessed|started)$') then 2
                when regexp_like(action, '(updated|changed|modified|converted_to_(public|private)|renamed|transferred|disabled|deactivated|activated|released|archive|unarchive|restricted)$') then 3
                else 99 end
        end as activity_id
    from classified
)

select
    parse_time(date_create) as time,
    class_uid,
    activity_id,
    case when activity_id = 99 then action end as activity_name,
    case when action = 'user_login_failed' then 2 when class_uid = 3002 then 1 end as status_id,
    case when class_uid = 2004 then coalesce(ocsf_severity_id(json_text(details, 'severity')), 0) end as severity_id,
    concat_ws(' ', actor_name, action, coalesce(json_text(target, 'email'), json_text(target, 'title'), json_text(target, 'name'))) as message,
    case when class_uid <> 2004 then {
        'user': {
            'name': coalesce(actor_name, case when class_uid in (6003, 6006) then 'unknown' end),
            'email_addr': json_text(who, 'email'),
            'uid': json_text(who, 'id'),
            'full_name': json_text(who, 'name')
        },
        'session': {'uid': json_text(context, 'session_id')},
        'app_name': json_text(context, 'app.name')
    } end as actor,
    case when class_uid in (3001, 3002, 3005) or (class_uid = 3006 and (json_text(details, 'user.id') is not null or regexp_like(action, '_(join|leave)$'))) then {
        'name': coalesce(case when entity_type = 'user' then coalesce(json_text(target, 'email'), json_text(target, 'name')) end, json_text(details, 'user.email'), actor_name, 'unknown'),
        'email_addr': coalesce(case when entity_type = 'user' then json_text(target, 'email') end, json_text(details, 'user.email')),
        'uid': coalesce(case when entity_type = 'user' then json_text(target, 'id') end, json_text(details, 'user.id'), json_text(who, 'id'))
    } end as "user",
    case when class_uid = 3005 then [coalesce(regexp_match(action, '^role_change_to_(.+)$')[1], json_text(details, 'new_value.role'), case when entity_type = 'role' then json_text(target, 'name') end, action)] end as privileges,
    case when class_uid = 3006 then {'name': coalesce(json_text(target, 'name'), json_text(target, 'id'), 'unknown'), 'uid': json_text(target, 'id'), 'type': entity_type} end as "group",
    case when class_uid = 3002 then {'name': coalesce(json_text(context, 'location.name'), 'Slack'), 'uid': json_text(context, 'location.id')} end as service,
    case when class_uid = 6003 then {'operation': action, 'request': {'uid': coalesce(id, 'unknown'), 'data': details}} end as api,
    case when class_uid in (6003, 3005) then [{'name': coalesce(json_text(target, 'name'), json_text(target, 'email'), json_text(context, 'location.name')),
        'uid': coalesce(json_text(target, 'id'), json_text(context, 'location.id')), 'type': coalesce(entity_type, json_text(context, 'location.type')), 'data': entity}] end as resources,
    case when class_uid = 6006 then {
        'name': coalesce(json_text(target, 'name'), json_text(target, 'title'), json_text(target, 'id'), 'unknown'),
        'uid': json_text(target, 'id'), 'mime_type': json_text(target, 'filetype'), 'type_id': 1
    } end as file,
    case when class_uid = 2004 then {'uid': coalesce(id, action), 'title': action, 'types': [action], 'desc': json_text(details, 'reason')} end as finding_info,
    case when class_uid = 2004 then [{'user': {'name': actor_name, 'uid': json_text(who, 'id')}, 'src_endpoint': {'ip': ocsf_endpoint(ip, null)['ip']}, 'data': entity}] end as evidences,
    case when class_uid <> 2004 then {'ip': ocsf_endpoint(ip, null)['ip'], 'name': case when ocsf_endpoint(ip, null)['ip'] is null and class_uid in (6003, 6006) then coalesce(nullif(ip, ''), 'unknown') end} end as src_endpoint,
    case when class_uid <> 2004 then {'user_agent': json_text(context, 'ua')} end as http_request,
    {'uid': id, 'event_code': action, 'tenant_uid': json_text(context, 'location.id'), 'original_time': date_create} as metadata,
    '{' || nullif(concat_ws(',', '"entity":' || case when left(entity, 1) in ('{', '[') then entity end, '"details":' || case when left(details, 1) in ('{', '[') then details end, '"context":' || case when left(context, 1) in ('{', '[') then context end, substr(_rest, 2, length(_rest) - 2)), '') || '}' as unmapped,
    _file,
    _row
from rated
