-- One row per message. Events are pairs in the message: type="LOGIN", realmId="…", …; admin events have operationType.
with heads as (
    select
        line,
        coalesce(json_text(line, 'timestamp'), replace(regexp_match(line, '^(\d{4}-\d\d-\d\d[ T][\d:]+[.,]?\d*\S*)')[1], ',', '.')) as logged,
        coalesce(json_text(line, 'level'), regexp_match(line, '^\S+ \S+ +(\w+) ')[1]) as level,
        coalesce(json_text(line, 'loggerName'), regexp_match(line, '^\S+ \S+ +\w+ +\[([^\]]+)\]')[1]) as logger,
        coalesce(json_text(line, 'message'), regexp_match(line, '(?s)^\S+ \S+ +\w+ +\[[^\]]+\] \([^)]*\) (.*)$')[1], line) as text,
        _file, _row
    from input
),

parsed as (
    select
        *,
        regexp_match(text, '(?:^|[ ,])type="?(\w+)')[1] as type,
        regexp_match(text, '(?:^|[ ,])operationType="?(\w+)')[1] as operation,
        regexp_match(text, ' resourceType="?(\w+)')[1] as resource_type,
        regexp_match(text, ' resourcePath="?([^",\s]+)')[1] as resource_path,
        nullif(regexp_match(text, ' (?:realmName|realmId)="?([^",]+)')[1], 'null') as realm,
        nullif(regexp_match(text, ' clientId="?([^",]+)')[1], 'null') as client,
        nullif(regexp_match(text, ' userId="?([^",]+)')[1], 'null') as user_id,
        nullif(regexp_match(text, ' username="?([^",\s]+)')[1], 'null') as user_name,
        nullif(regexp_match(text, ' ipAddress="?([^",\s]+)')[1], 'null') as ip,
        nullif(regexp_match(text, ' (?:sessionId|code_id)="?([^",\s]+)')[1], 'null') as session_id,
        nullif(regexp_match(text, ' auth_method="?([^",\s]+)')[1], 'null') as auth_method,
        nullif(regexp_match(text, ' redirect_uri="?([^",\s]+)')[1], 'null') as redirect_uri,
        nullif(regexp_match(text, ' error="?([^",\s]+)')[1], 'null') as error
    from heads
),

named as (
    select *, regexp_replace(type, '_ERROR$', '') as event from parsed
),

classified as (
    select
        *,
        case
            when operation is not null and resource_type in ('USER') then 3001
            when operation is not null and resource_type in ('GROUP', 'GROUP_MEMBERSHIP') then 3006
            when operation is not null then 6003
            when regexp_like(event, '^(LOGIN|LOGOUT|CLIENT_LOGIN|IMPERSONATE|IDENTITY_PROVIDER_LOGIN|IDENTITY_PROVIDER_POST_LOGIN|CODE_TO_TOKEN|REFRESH_TOKEN|TOKEN_EXCHANGE|RESTART_AUTHENTICATION|OAUTH2_DEVICE_AUTH|PERMISSION_TOKEN)$') then 3002
            when regexp_like(event, '^(REGISTER|UPDATE_|REMOVE_|VERIFY_|RESET_PASSWORD|SEND_|DELETE_ACCOUNT|EXECUTE_|FEDERATED_|USER_|GRANT_CONSENT|REVOKE_GRANT)') then 3001
            else 0
        end as class_uid
    from named
),

acted as (
    select
        *,
        case
            when class_uid = 3002 then case
                when event = 'LOGOUT' then 2 when event = 'IMPERSONATE' then 7
                when regexp_like(event, 'TOKEN') then 99 else 1
            end
            when class_uid = 3001 then case
                when event = 'REGISTER' or operation = 'CREATE' then 1
                when event = 'UPDATE_PASSWORD' or (event = 'UPDATE_CREDENTIAL' and text like '%credential_type="password"%') then 3
                when event = 'RESET_PASSWORD' or resource_path like '%/reset-password' then 4
                when event = 'DELETE_ACCOUNT' or operation = 'DELETE' then 6
                when event like 'USER_DISABLED%' then 9
                when event in ('UPDATE_TOTP', 'UPDATE_CREDENTIAL') then 10
                when event in ('REMOVE_TOTP', 'REMOVE_CREDENTIAL') then 11
                else 99
            end
            when class_uid = 3006 then case
                when resource_type = 'GROUP_MEMBERSHIP' then case operation when 'CREATE' then 3 when 'DELETE' then 4 else 99 end
                when operation = 'CREATE' then 6 when operation = 'DELETE' then 5 else 99
            end
            when class_uid = 6003 then case operation when 'CREATE' then 1 when 'UPDATE' then 3 when 'DELETE' then 4 else 99 end
            else 0
        end as activity
    from classified
)

select
    parse_time(logged) as time,
    class_uid,
    activity as activity_id,
    case when activity = 99 then coalesce(operation || ' ' || resource_type, event) end as activity_name,
    case when lower(level) in ('warn', 'warning') then 2 when lower(level) in ('error', 'err', 'severe') then 3 when lower(level) in ('fatal', 'panic', 'critical', 'crit') then 5
        when level is not null then 1 end as severity_id,
    case when error is not null or type like '%\_ERROR' then 2 when class_uid <> 0 then 1 end as status_id,
    case when class_uid <> 0 then error end as status_detail,
    text as message,
    case
        when class_uid = 3002 or (class_uid = 3001 and operation is null) then {'name': coalesce(user_name, case when user_id is null then 'unknown' end), 'uid': user_id}
        when class_uid = 3001 then {'name': null, 'uid': coalesce(regexp_match(resource_path, '^users/([^/]+)')[1], 'unknown')}
        when resource_type = 'GROUP_MEMBERSHIP' then {'name': null, 'uid': regexp_match(resource_path, '^users/([^/]+)')[1]}
    end as "user",
    case when operation is not null then {'user': {'uid': coalesce(user_id, 'unknown')}} end as actor,
    case when class_uid = 3006 then {'uid': coalesce(regexp_match(resource_path, 'groups/([^/]+)')[1], 'unknown')} end as "group",
    case when class_uid = 6003 then {'operation': operation || ' ' || resource_type, 'service': {'name': 'Keycloak'}} end as api,
    case when class_uid = 6003 then [{'uid': resource_path, 'type': resource_type}] end as resources,
    case when class_uid <> 0 then {
        'ip': ocsf_endpoint(ip, null)['ip'],
        'name': case when class_uid = 6003 and ip is null then 'unknown' end
    } end as src_endpoint,
    case when class_uid = 3002 then {'name': coalesce(client, 'Keycloak')} end as service,
    case when class_uid = 3002 then {'uid': session_id, 'issuer': realm} end as session,
    case when class_uid = 3002 then case auth_method when 'openid-connect' then 4 when 'saml' then 5 end end as auth_protocol_id,
    case when class_uid = 3002 then {'url': ocsf_url(redirect_uri)} end as http_request,
    {'log_name': logger, 'log_level': level, 'event_code': coalesce(type, operation), 'tenant_uid': realm, 'original_time': logged} as metadata,
    _file,
    _row
from acted
