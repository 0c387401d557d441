-- One row per event. The code in `type` says what it is: a leading s is success, a leading f failure.
with unwrapped as (
    select
        coalesce(json_text(detail, 'data'), data, case when type is not null then _raw end, detail) as e,
        coalesce(log_id, json_text(detail, 'log_id')) as outer_id,
        coalesce(data, detail) is null as is_bare,
        _rest, _file, _row
    from input
),

events as (
    select
        *,
        coalesce(json_text(e, 'type'), 'unknown') as code,
        coalesce(json_text(e, 'log_id'), outer_id) as uid,
        nullif(json_text(e, 'user_id'), '') as user_id,
        nullif(coalesce(nullif(json_text(e, 'user_name'), ''), json_text(e, 'details.request.auth.user.email')), '') as user_name,
        lower(json_text(e, 'details.request.method')) as method,
        json_text(e, 'ip') as ip
    from unwrapped
),

classified as (
    select
        *,
        case
            when code in ('pwd_leak', 'signup_pwd_leak', 'reset_pwd_leak', 'limit_wc', 'limit_mu', 'limit_sul', 'ferrt') then 2004
            when regexp_like(code, '^(s|f)(api|v2api)$|^mgmt_api_read$') then 6003
            when regexp_like(code, '^(ss|fs|du|fdu|scp|fcp|scpr|fcpr|scph|fcph|sce|fce|scu|fcu|scpn|fcpn|sv|fv|svr|fvr|ublkdu|gd_enrollment_complete|gd_unenroll|gd_user_delete|gd_enroll.*|gd_start_enroll.*)$') then 3001
            when regexp_like(code, '^(s|f|fp|fu|fc|fco|fcoa|ssa|fsa|sens|fens|slo|flo|scoa|gd_auth_.*|gd_otp_.*|gd_recovery_.*|gd_send_.*|mfar|cs|cls|w)$|^[sf]e[a-z]+ft$|^[sf]ede$|^[sf](deac|deaz|decc|d|ercft)$|^(oidc_backchannel_logout_.*)$') then 3002
            else 0
        end as class_uid
    from events
),

rated as (
    select
        *,
        case class_uid
            when 3002 then case
                when code in ('slo', 'flo') or code like 'oidc_backchannel%' then 2
                when regexp_like(code, '^[sf]e[a-z]+ft$|^[sf]ede$|^[sf](deac|deaz|d)$') then 3
                when code in ('cs', 'cls', 'w', 'mfar') or code like 'gd_otp_rate%' or code like 'gd_send_%' then 6
                else 1 end
            when 3001 then case
                when code in ('ss', 'fs') then 1 when code = 'ublkdu' then 12 when code in ('scp', 'fcp') then 3
                when code in ('scpr', 'fcpr') then 4 when code in ('du', 'fdu') then 6 when code = 'gd_enrollment_complete' then 10
                when code in ('gd_unenroll', 'gd_user_delete') then 11 else 99 end
            when 6003 then case when code = 'mgmt_api_read' or method = 'get' then 2 when method = 'post' then 1
                when method in ('put', 'patch') then 3 when method = 'delete' then 4 else 0 end
            when 2004 then 1
            else 99
        end as activity_id
    from classified
)

select
    parse_time(json_text(e, 'date')) as time,
    class_uid,
    activity_id,
    case when activity_id = 99 then code end as activity_name,
    case
        when class_uid = 2004 then null
        when code like '%fail%' or code like '%rejected' or code = 'gd_otp_rate_limit_exceed' then 2
        when code like '%succe%' or code like '%complete' or code = 'du' then 1
        when regexp_like(code, '^s') then 1
        when regexp_like(code, '^f') then 2
    end as status_id,
    case when class_uid <> 2004 and regexp_like(code, '^f') then coalesce(json_text(e, 'details.error.message'), json_text(e, 'description')) end as status_detail,
    json_text(e, 'details.response.statusCode') as status_code,
    case when class_uid = 2004 then 0 end as severity_id,
    coalesce(nullif(json_text(e, 'description'), ''), code) as message,
    case when class_uid in (3001, 6003) then {
        'user': {'name': coalesce(json_text(e, 'details.request.auth.user.email'), user_name, case when class_uid = 6003 and user_id is null then 'unknown' end),
            'uid': coalesce(json_text(e, 'details.request.auth.user.user_id'), user_id),
            'full_name': json_text(e, 'details.request.auth.user.name')},
        'app_uid': json_text(e, 'client_id'),
        'app_name': json_text(e, 'client_name')
    } end as actor,
    case when class_uid in (3001, 3002) then {
        'name': coalesce(user_name, user_id, 'unknown'),
        'email_addr': case when user_name like '%@%.%' then user_name end,
        'uid': user_id
    } end as "user",
    case when class_uid = 3002 then {
        'name': coalesce(nullif(json_text(e, 'client_name'), ''), json_text(e, 'connection'), 'Auth0'), 'uid': json_text(e, 'client_id')
    } end as service,
    case when class_uid = 3002 then {'uid': json_text(e, 'session_id')} end as session,
    case when class_uid = 3002 and code like 'gd_%' then true end as is_mfa,
    case when class_uid = 6003 then {
        'operation': concat_ws(' ', upper(method), json_text(e, 'details.request.path'), case when method is null then code end),
        'request': {'uid': coalesce(uid, 'unknown'), 'data': json_text(e, 'details.request.body')},
        'response': {'code': try_cast(json_text(e, 'details.response.statusCode') as int)}
    } end as api,
    case when class_uid = 6003 then [{'name': json_text(e, 'description'), 'type': 'operation'}] end as resources,
    case when class_uid = 2004 then {'uid': coalesce(uid, code), 'title': code, 'desc': json_text(e, 'description'), 'types': [code]} end as finding_info,
    case when class_uid = 2004 then [{
        'user': {'name': coalesce(user_name, user_id), 'uid': user_id},
        'src_endpoint': {'ip': ocsf_endpoint(ip, null)['ip']}
    }] end as evidences,
    case when class_uid in (3001, 3002, 6003) then {
        'ip': ocsf_endpoint(ip, null)['ip'], 'name': case when ocsf_endpoint(ip, null)['ip'] is null and class_uid = 6003 then coalesce(nullif(ip, ''), 'unknown') end
    } end as src_endpoint,
    case when class_uid in (3001, 3002, 6003) then {'user_agent': json_text(e, 'user_agent')} end as http_request,
    {'uid': uid, 'event_code': code, 'tenant_uid': coalesce(json_text(e, 'tenant_name'), json_text(e, 'hostname')), 'original_time': json_text(e, 'date')} as metadata,
    coalesce('{"data":' || case when left(e, 1) in ('{', '[') then e end || coalesce(',' || case when not is_bare then substr(_rest, 2) end, '}'), _rest) as unmapped,
    _file,
    _row
from rated
