-- One row per record of the authentication, administrator, activity or telephony log.
with records as (
    select
        *,
        coalesce(json_text(action, 'name'), action) as act,
        coalesce(username, json_text(actor, 'name')) as admin,
        json_text(_rest, 'user.name') as duo_user,
        json_text(_rest, 'user.key') as duo_key,
        coalesce(object, json_text(target, 'name')) as object_name,
        coalesce(json_text(access_device, 'ip'), json_text(access_device, 'ip.address'), json_text(description, 'ip_address')) as ip,
        _rest, _file, _row
    from input
),

classified as (
    select
        *,
        case
            when event_type = 'enrollment' then 3001
            when event_type is not null then 3002
            when regexp_like(act, '^admin_(login|login_error|2fa_error|single_sign_on)') then 3002
            when regexp_like(act, '^group_(create|delete|update)$') then 3006
            when regexp_like(act, '^(user|admin|bypass|phone|hardtoken|u2ftoken|webauthncredential|tablet|bulk_user|deregister|enroll)_') then 3001
            when act is not null then 6003
            else 0
        end as class_uid
    from records
),

rated as (
    select
        *,
        case class_uid
            when 3002 then 1
            when 3001 then case
                when event_type = 'enrollment' or regexp_like(act, '^(phone|hardtoken|u2ftoken|webauthncredential|tablet)_(create|associate)') then 10
                when regexp_like(act, '^(phone|hardtoken|u2ftoken|webauthncredential|tablet)_(delete|disassociate)') then 11
                when act in ('admin_lockout', 'user_lockout') or (act = 'user_update' and json_text(description, 'status') = 'Locked Out') then 9
                when act = 'user_update' and json_text(description, 'status') = 'Disabled' then 5
                when act = 'user_update' and json_text(description, 'status') = 'Active' then 2
                when regexp_like(act, '^(user|admin)_create') then 1
                when regexp_like(act, '^(user|admin)_(pending_)?delete') then 6
                when act like '%reset_password' then 4
                else 99
            end
            when 3006 then case act when 'group_create' then 6 when 'group_delete' then 5 else 99 end
            when 6003 then case
                when regexp_like(act, '_(create|add|install|activate)$') then 1
                when regexp_like(act, '_(view|read|export)$') then 2
                when regexp_like(act, '_(update|edit|reset|enable|disable|resync)$') then 3
                when regexp_like(act, '_(delete|remove|uninstall)$') then 4
                else 99
            end
            else 99
        end as activity
    from classified
)

select
    coalesce(parse_time(coalesce(isotimestamp, ts)), parse_time(timestamp)) as time,
    class_uid,
    activity as activity_id,
    case when activity = 99 then coalesce(act, case when telephony_id is not null then 'telephony' end, 'unknown') end as activity_name,
    case
        when result in ('success', 'SUCCESS') then 1
        when result is not null then 2
        when act in ('admin_login_error', 'admin_2fa_error') then 2
        when act = 'admin_login' then 1
    end as status_id,
    coalesce(reason, case when class_uid = 3002 then json_text(description, 'error') end) as status_detail,
    case when lower(result) <> 'success' then result end as status_code,
    concat_ws(' ', coalesce(duo_user, admin), coalesce(act, event_type, context), coalesce(factor, object_name), result, reason, case when description not like '{%' then description end) as message,
    case when class_uid in (3001, 3006, 6003) then {'user': {
        'name': coalesce(admin, duo_user, 'unknown'), 'uid': coalesce(duo_key, json_text(actor, 'key')),
        'type_id': case when event_type is null then 2 end
    }} end as actor,
    case when class_uid = 3002 or class_uid = 3001 then {
        'name': case when event_type is not null then coalesce(duo_user, email, 'unknown')
            when class_uid = 3002 or act = 'admin_lockout' then coalesce(admin, 'unknown') else coalesce(object_name, admin, 'unknown') end,
        'email_addr': coalesce(email, json_text(description, 'email')),
        'uid': coalesce(duo_key, json_text(description, 'user_id'), json_text(target, 'key'))
    } end as "user",
    case when class_uid = 3006 then {'name': coalesce(object_name, 'unknown')} end as "group",
    case when class_uid = 3002 then {'name': coalesce(json_text(_rest, 'application.name'), 'Duo Admin Panel'), 'uid': json_text(_rest, 'application.key')} end as service,
    -- Not asked for: bypassed, remembered, a trusted network.
    case when class_uid = 3002 then coalesce(coalesce(factor, json_text(description, 'factor')) not in
        ('not_available', 'n/a', 'remembered_device', 'trusted_network'), act is not null) end as is_mfa,
    case when (class_uid = 3002 or event_type = 'enrollment') and coalesce(factor, '') not in ('not_available', 'n/a') then [{
        'factor_type': case when factor is not null then factor else json_text(description, 'factor') end,
        'factor_type_id': case
            when coalesce(factor, json_text(description, 'factor')) is null then 0
            when factor like 'duo_push%' or factor like 'verified_duo_push%' then 5
            when factor in ('phone_call', 'phone') then 3
            when factor like 'sms%' or json_text(description, 'factor') = 'sms' then 1
            when factor in ('yubikey_code', 'hardware_token') then 6
            when factor in ('passcode', 'duo_mobile_passcode', 'digipass_go_7_token') then 7
            when factor like 'u2f%' then 9
            when lower(factor) like 'webauthn%' then 10
            else 99
        end,
        'provider': 'Duo',
        'device': {'name': json_text(auth_device, 'name'), 'ip': ocsf_endpoint(json_text(auth_device, 'ip'), null)['ip'],
            'type_id': case when json_text(auth_device, 'name') is not null or json_text(auth_device, 'ip') is not null then 0 end}
    }] end as auth_factors,
    case when class_uid = 6003 then {
        'operation': act,
        'request': {'uid': coalesce(activity_id, 'unknown'), 'data': case when description like '{%' then description end}
    } end as api,
    case when class_uid = 6003 then [{'name': object_name, 'uid': json_text(target, 'key'), 'type': json_text(target, 'type')}] end as resources,
    case when class_uid <> 0 then {
        'ip': ocsf_endpoint(ip, null)['ip'],
        'hostname': json_text(access_device, 'hostname'),
        'name': case when ocsf_endpoint(ip, null)['ip'] is null and class_uid = 6003 then coalesce(nullif(ip, ''), 'unknown') end,
        'location': {'city': json_text(access_device, 'location.city'), 'region': json_text(access_device, 'location.state'),
            'country': json_text(access_device, 'location.country')},
        'os': {'name': json_text(access_device, 'os'), 'version': json_text(access_device, 'os_version'),
            'type_id': case when json_text(access_device, 'os') is null then null when json_text(access_device, 'os') like 'Windows%' then 100
                when json_text(access_device, 'os') like 'Mac%' then 300 when json_text(access_device, 'os') = 'Linux' then 200
                when json_text(access_device, 'os') = 'iOS' then 301 when json_text(access_device, 'os') = 'Android' then 201 else 0 end}
    } end as src_endpoint,
    {'uid': coalesce(telephony_id, txid, activity_id), 'correlation_uid': case when telephony_id is not null then txid end, 'event_code': coalesce(act, event_type), 'original_time': coalesce(isotimestamp, ts, timestamp),
        'log_name': case when event_type is not null then 'authentication' when telephony_id is not null then 'telephony'
            when activity_id is not null then 'activity' else 'administrator' end} as metadata,
    '{' || nullif(concat_ws(',', '"access_device":' || case when left(access_device, 1) in ('{', '[') then access_device end, '"auth_device":' || case when left(auth_device, 1) in ('{', '[') then auth_device end,
        '"description":' || case when description like '{%}' then description end, substr(_rest, 2, length(_rest) - 2)), '') || '}' as unmapped,
    _file,
    _row
from rated
