-- One row per record: requests of production_json.log and api_json.log, sign-ins among them, and audit_json.log's events.
with parsed as (
    select
        *,
        coalesce(remote_ip, ip_address, "meta.remote_ip") as ip,
        coalesce(username, "meta.user") as who,
        coalesce(user_id, "meta.user_id") as who_id,
        coalesce(json_text(params, '[1].value.login'), json_text(params, '[0].value.login'), case when json_text(params, '[1].key') = 'username' then json_text(params, '[1].value') end) as login,
        controller in ('SessionsController', 'OmniauthCallbacksController', 'LdapOmniauthCallbacksController', 'Ldap::OmniauthCallbacksController') as is_session,
        _rest, _file, _row
    from input
),

classified as (
    select
        *,
        case
            when is_session and (action = 'destroy' or method = 'POST' or action = 'failure') then 3002
            when entity_type is not null and (event_name like 'login%' or event_name like '%authentication%' or custom_message like 'Failed to login%' or with is not null) then 3002
            when entity_type is not null and regexp_like(coalesce(add, remove, ''), 'user_access|^user$') then 3005
            when entity_type = 'User' and coalesce(change, add, remove, event_name) is not null then 3001
            when entity_type is not null then 6003
            when method is not null and status is not null then 4002
            else 0
        end as class_uid
    from parsed
)

select
    "time",
    class_uid,
    case class_uid
        when 3002 then case action when 'destroy' then 2 else 1 end
        when 3005 then case when remove is not null then 2 else 1 end
        when 3001 then case when change = 'password' then 3 when add is not null and target_type = 'User' then 1 when remove is not null and target_type = 'User' then 6 else 99 end
        when 6003 then case when add is not null then 1 when change is not null then 3 when remove is not null then 4 else 99 end
        when 4002 then ocsf_http_activity_id(method)
        else 0
    end as activity_id,
    case when class_uid in (3001, 6003) and (class_uid = 3001 or coalesce(add, change, remove) is null) and not coalesce(change = 'password', false)
        then coalesce(event_name, 'change ' || change, 'add ' || add, 'remove ' || remove, custom_message, 'other') end as activity_name,
    case when severity in ('FATAL', 'CRITICAL') then 5 when severity = 'ERROR' or status >= 500 then 3 when severity in ('WARN', 'WARNING') then 2 else 1 end as severity_id,
    case
        when custom_message like 'Failed%' or action = 'failure' or status in (0, 401, 403, 422) or status >= 500 or "exception.class" is not null then 2
        when class_uid = 3002 and status = 200 and action = 'create' then 2
        when class_uid <> 0 and (status is null or status < 400) then 1
        when status >= 400 then 2
    end as status_id,
    case when class_uid = 3002 and status = 200 and action = 'create' then 'the login form was shown again' else coalesce("exception.message", case when entity_type is not null then custom_message end) end as status_detail,
    cast(status as text) as status_code,
    coalesce(message, custom_message, concat_ws(' ', author_name, event_name, 'add ' || add, 'change ' || change, 'remove ' || remove, target_details, method, path, cast(status as text))) as message,
    case when class_uid in (3002, 3001, 3005) then {
        'name': case when entity_type is null then coalesce(login, who, 'unknown') when class_uid = 3002 then coalesce(author_name, target_details, 'unknown') else coalesce(target_details, entity_path, 'unknown') end,
        'uid': case when entity_type is null then who_id when class_uid = 3002 then author_id else target_id end
    } end as "user",
    case when class_uid in (3001, 3005, 6003) then {'user': {'name': coalesce(author_name, who, 'unknown'), 'uid': author_id}}
        when class_uid = 4002 then {'user': {'name': who, 'uid': who_id}} end as actor,
    case when class_uid = 3005 then [coalesce(add, remove)] end as privileges,
    case when class_uid = 6003 then {'operation': coalesce(event_name, 'add ' || add, 'change ' || change, 'remove ' || remove, custom_message, 'unknown')} end as api,
    case when class_uid in (3005, 6003) then [{'uid': entity_id, 'name': coalesce(entity_path, target_details), 'type': entity_type}] end as resources,
    case when class_uid in (3001, 3002, 3005, 6003, 4002) then {'ip': ocsf_endpoint(ip, null)['ip'], 'name': case when ip is null and class_uid = 6003 then 'unknown' end} end as src_endpoint,
    case when class_uid = 3002 then {'name': 'GitLab'} end as service,
    case when class_uid = 3002 then true end as is_remote,
    case when class_uid in (3002, 4002) then {
        'http_method': case when method in ('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'CONNECT', 'TRACE') then method end,
        'url': {'path': path, 'hostname': host}, 'user_agent': ua, 'args': nullif(params, '[]')
    } end as http_request,
    case when class_uid in (3002, 4002) and status is not null then {'code': status, 'latency': cast(duration_s * 1000 as int)} end as http_response,
    {'correlation_uid': correlation_id, 'event_code': coalesce(event_name, "meta.caller_id", route, controller || '#' || action), 'log_level': severity} as metadata,
    _rest as unmapped,
    _file,
    _row
from classified
