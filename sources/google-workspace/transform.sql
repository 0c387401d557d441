-- One row per event; an activity of the API can be several. Parameters become one object, whichever way they come.
with activities as (
    select
        *,
        unnest(case when cardinality(events) > 0 then events
            else [{'type': type, 'name': name, 'parameters': parameters}] end) as event,
        _rest, _file, _row
    from input
),

named as (
    select
        *,
        coalesce(trim(event['name']), id.applicationName) as op,
        coalesce(id.applicationName, '') as app,
        case when event['parameters'] like '[%' then '{' || regexp_replace(regexp_replace(regexp_replace(
            regexp_replace(event['parameters'], '^\s*\[|\]\s*$', '', 'g'),
            '\{\s*"name"\s*:\s*("[^"]*")\s*,\s*"(?:value|intValue|boolValue|multiValue|multiIntValue)"\s*:\s*("(?:[^"\\]|\\.)*"|\[[^\]]*\]|[^,}\]]*)\s*\}', '\1:\2', 'g'),
            '\{\s*"name"\s*:\s*("[^"]*")\s*,\s*"messageValue"\s*:\s*\{\s*"parameter"\s*:\s*\[([^\[\]{}]*)\]\s*\}\s*\}', '\1:{\2}', 'g'),
            '\{\s*"name"\s*:\s*("[^"]*")\s*\}', '\1:null', 'g') || '}'
            else event['parameters'] end as p
    from activities
),

classified as (
    select
        *,
        coalesce(json_text(p, 'USER_EMAIL'), json_text(p, 'affected_email_address'), json_text(p, 'member_id'),
            json_text(p, 'target_user'), json_text(p, 'user_email'), json_text(p, 'grantee_email')) as target,
        coalesce(json_text(p, 'message_info.destination[0].address'), split_part(json_text(p, 'message_info.flattened_destinations'), '::', 2)) as recipient,
        case
            when op like 'suspicious_%' or op = 'gov_attack_warning' or op in ('DEVICE_COMPROMISED_EVENT', 'SUSPICIOUS_ACTIVITY_EVENT')
                or app in ('rules', 'alert') then 2004
            when op in ('ASSIGN_ROLE', 'UNASSIGN_ROLE') or regexp_like(op, '^(GRANT|REVOKE)_(ADMIN_PRIVILEGE|DELEGATED_ADMIN_PRIVILEGES)$') then 3005
            when regexp_like(op, '^(ADD|REMOVE|UPDATE)_GROUP_MEMBER|^(CREATE|DELETE)_GROUP$')
                or (app like 'groups%' and regexp_like(op, '^(add|remove|create|delete|ban)_(member|user|group|info)')) then 3006
            when app = 'user_accounts' or op like 'account_disabled%' or op = 'email_forwarding_out_of_domain'
                or event['type'] = 'USER_SETTINGS' then 3001
            when app in ('login', 'saml') or op in ('login_success', 'login_failure', 'logout') then 3002
            when app = 'drive' and json_text(p, 'doc_id') is not null then 6006
            when app = 'gmail' and op = 'delivery' and coalesce(json_text(p, 'message_info.source.address'),
                json_text(p, 'message_info.flattened_destinations'), json_text(p, 'message_info.destination')) is not null then 4009
            else 6003
        end as class_uid
    from named
),

rated as (
    select
        *,
        case class_uid
            when 3002 then case when op = 'logout' then 2 when op like 'login%' then 1 else 99 end
            when 3001 then case
                when op = 'CREATE_USER' then 1 when op in ('UNSUSPEND_USER', 'UNDELETE_USER') then 2 when op = 'password_edit' then 3
                when op = 'CHANGE_PASSWORD' then 4 when op = 'SUSPEND_USER' or op like 'account_disabled%' then 5 when op = 'DELETE_USER' then 6
                when op = '2sv_enroll' then 10 when op in ('2sv_disable', 'TURN_OFF_2_STEP_VERIFICATION') then 11 else 99 end
            when 3005 then case when op like 'UNASSIGN%' or op like 'REVOKE%' then 2 else 1 end
            when 3006 then case when lower(op) in ('create_group') then 6 when lower(op) in ('delete_group') then 5
                when lower(op) like 'add%' then 3 when lower(op) like 'remove%' then 4 else 99 end
            when 2004 then case when json_text(p, 'DEVICE_COMPROMISED_STATE') = 'NOT_COMPROMISED' then 3 else 1 end
            when 4009 then 0
            when 6006 then case
                when op in ('upload', 'create') then 1 when op = 'download' then 2 when op = 'edit' then 3 when op in ('delete', 'trash') then 4
                when op = 'rename' then 5 when op in ('copy', 'source_copy') then 6 when op = 'move' then 7 when op = 'untrash' then 8
                when op = 'preview' then 9 when op = 'view' then 14
                when regexp_like(op, '^(change_(document_(visibility|access_scope)|user_access|acl_editors)|shared_drive_membership_change|add_to_folder)') then 12
                else 99 end
            else case
                when regexp_like(lower(op), '^(create|add|authorize|assign|enroll|upload)') then 1
                when regexp_like(lower(op), '^(view|download|search|list|request|activity)') then 2
                when regexp_like(lower(op), '^(change|update|edit|toggle|set|move|rename|enforce|allow|enable|disable|turn)') then 3
                when regexp_like(lower(op), '^(delete|remove|revoke|trash|cancel)') then 4
                else 99 end
        end as activity_id
    from classified
)

select
    parse_time(id.time) as time,
    class_uid,
    activity_id,
    case when activity_id = 99 then op end as activity_name,
    case when class_uid = 2004 then null when op like '%_failure' or json_text(p, 'event_info.success') = 'false' then 2
        when op in ('login_success', 'logout') or json_text(p, 'event_info.success') = 'true' then 1 end as status_id,
    coalesce(json_text(p, 'login_failure_type'), json_text(p, 'failure_type')) as status_detail,
    case when class_uid = 2004 then coalesce(ocsf_severity_id(json_text(p, 'severity')), 0) end as severity_id,
    concat_ws(' ', actor.email, op, coalesce(json_text(p, 'doc_title'), json_text(p, 'SETTING_NAME'), json_text(p, 'ROLE_NAME'), json_text(p, 'app_name')), nullif(target, actor.email)) as message,
    case when class_uid not in (2004, 4009) then {
        'user': {'name': coalesce(actor.email, actor.key, case when class_uid in (6003, 6006) then 'unknown' end), 'email_addr': actor.email, 'uid': actor.profileId,
            'type_id': case when actor.callerType = 'KEY' then 4 end}
    } end as actor,
    case when class_uid in (3001, 3002, 3005) or (class_uid = 3006 and target is not null) then {
        'name': coalesce(target, actor.email, 'unknown'), 'email_addr': case when coalesce(target, actor.email) like '%@%.%' then coalesce(target, actor.email) end,
        'uid': case when target is null then actor.profileId end
    } end as "user",
    case when class_uid = 3005 then [coalesce(json_text(p, 'ROLE_NAME'), op)] end as privileges,
    case when class_uid = 3006 then {'name': coalesce(json_text(p, 'GROUP_EMAIL'), json_text(p, 'group_email'), json_text(p, 'group_id'), 'unknown')} end as "group",
    case when class_uid = 3002 then {'name': coalesce(json_text(p, 'application_name'), 'Google Workspace')} end as service,
    case when class_uid = 3002 and (app = 'saml' or json_text(p, 'login_type') = 'saml') then 5 end as auth_protocol_id,
    case when class_uid = 6003 then {'operation': op, 'service': {'name': app}, 'request': {'uid': coalesce(id.uniqueQualifier, 'unknown'), 'data': p}} end as api,
    case when class_uid in (6003, 3005) then [{
        'name': coalesce(json_text(p, 'app_name'), json_text(p, 'APPLICATION_NAME'), json_text(p, 'calendar_id'), json_text(p, 'SETTING_NAME'), json_text(p, 'ROLE_NAME'), json_text(p, 'DOMAIN_NAME'), json_text(p, 'ORG_UNIT_NAME'), event['type'], app),
        'uid': coalesce(json_text(p, 'client_id'), json_text(p, 'APP_ID'), json_text(p, 'ROLE_ID')), 'type': event['type']
    }] end as resources,
    case when class_uid = 6006 then {
        'name': coalesce(json_text(p, 'doc_title'), json_text(p, 'doc_id')), 'uid': json_text(p, 'doc_id'), 'type_id': case when json_text(p, 'doc_type') = 'folder' then 2 else 1 end,
        'mime_type': json_text(p, 'doc_type'), 'owner': {'name': json_text(p, 'owner')}
    } end as file,
    case when class_uid = 4009 then 0 end as direction_id,
    case when class_uid = 4009 then {
        'from': json_text(p, 'message_info.source.address'), 'to': case when recipient is not null then [recipient] end,
        'subject': json_text(p, 'message_info.subject'), 'message_uid': json_text(p, 'message_info.rfc2822_message_id'),
        'size': try_cast(json_text(p, 'message_info.payload_size') as bigint)
    } end as email,
    case when class_uid = 2004 then {'uid': coalesce(id.uniqueQualifier, op), 'title': coalesce(json_text(p, 'rule_name'), op), 'types': [coalesce(event['type'], app)]} end as finding_info,
    case when class_uid = 2004 then [{'user': {'name': coalesce(target, actor.email)}, 'src_endpoint': {'ip': ocsf_endpoint(ipAddress, null)['ip']}, 'data': p}] end as evidences,
    case when class_uid <> 2004 then {
        'ip': ocsf_endpoint(ipAddress, null)['ip'], 'name': case when ocsf_endpoint(ipAddress, null)['ip'] is null and class_uid in (6003, 6006) then coalesce(nullif(ipAddress, ''), 'unknown') end
    } end as src_endpoint,
    {'uid': id.uniqueQualifier, 'event_code': op, 'log_name': app, 'type': event['type'], 'tenant_uid': id.customerId, 'original_time': id.time} as metadata,
    coalesce('{"parameters":' || case when left(p, 1) in ('{', '[') then p end || coalesce(',' || substr(_rest, 2), '}'), _rest) as unmapped,
    _file,
    _row
from rated
