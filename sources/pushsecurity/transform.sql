-- One row per webhook: LOGIN is a login, ACCOUNT the change of an account in some app, the rest the change of an entity.
with named as (
    select
        *,
        case when object = 'LOGIN' then 3002 when object = 'ACCOUNT' then 3001 else 3004 end as class_uid,
        coalesce(new.email, new.employee.email) as email,
        nullif(concat_ws(' ', new.employee.firstName, new.employee.lastName), '') as full_name,
        _file, _row, _rest, _raw
    from input
),

events as (
    select
        *,
        case
            when class_uid = 3002 then 1
            when class_uid = 3001 then case type when 'CREATE' then 1 when 'DELETE' then 6 else 99 end
            else case type when 'CREATE' then 1 when 'UPDATE' then 3 when 'DELETE' then 4 else 99 end
        end as activity_id,
        {'uid': coalesce(new.employeeId, new.employee.id), 'name': email, 'full_name': full_name, 'email_addr': email} as who
    from named
)

select
    class_uid,
    activity_id,
    case when activity_id = 99 then coalesce(type, new.action, object) end as activity_name,
    parse_time("timestamp") as time,
    {'uid': id, 'event_code': concat_ws('.', object, coalesce(type, new.action)), 'log_version': version, 'original_time': "timestamp"} as metadata,
    concat_ws(' ', email, object, coalesce(type, new.action), new.appType) as message,
    case when class_uid = 3002 and (new.weakPassword or new.leakedPassword) then 3 else 1 end as severity_id,
    case when class_uid <> 3001 then {'app_uid': new.appId, 'app_name': new.appType, 'user': who} end as actor,
    case when class_uid in (3001, 3002) then {
        'uid': coalesce(new.employeeId, new.employee.id), 'uid_alt': coalesce(new.accountId, new.id), 'name': email,
        'email_addr': email, 'has_mfa': new.mfaRegistered
    } end as user,
    case when class_uid = 3002 then {'name': new.appType, 'uid': new.appId} end as service,
    case when class_uid = 3002 then case
        when new.loginType like 'OIDC%' then 4 when new.loginType like 'SAML%' then 5 when new.loginType is not null then 99
    end end as auth_protocol_id,
    case when class_uid = 3002 and new.loginType not like 'OIDC%' and new.loginType not like 'SAML%' then new.loginType end as auth_protocol,
    ocsf_endpoint(new.sourceIpAddress, NULL) as src_endpoint,
    {'user_agent': new.userAgent} as http_request,
    case when class_uid = 3004 then {'uid': coalesce(new.id, new.appId), 'name': coalesce(new.name, new.appType, email, object), 'type': object} end as entity,
    _raw as raw_data,
    _rest as unmapped,
    _file,
    _row
from events
