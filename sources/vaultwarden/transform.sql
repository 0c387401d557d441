-- One row per message. Vaultwarden names the address of every refused login, and the user where it was told one.
with parsed as (
    select
        *,
        regexp_match(message, ' IP: ([0-9A-Fa-f.:]*[0-9A-Fa-f])')[1] as ip,
        regexp_match(message, 'Username: (\S+?)\.?(?:\s|$)')[1] as login,
        regexp_match(message, '^User (\S+) logged in successfully')[1] as logged_in,
        case
            when message like 'Username or password is incorrect%' then 'wrong user name or password'
            when message like 'Invalid admin token%' then 'wrong admin token'
            when message like 'Invalid TOTP code%' then 'wrong TOTP code'
            when message like 'Token is invalid%' then 'wrong code by mail'
            when message like 'This user has been disabled%' then 'disabled user'
            when message like 'Please verify your email%' then 'mail address not verified'
        end as reason,
        _file, _row
    from input
),

classified as (
    select *, case when reason is not null or logged_in is not null then 3002 else 0 end as class_uid
    from parsed
)

select
    logged as time,
    class_uid,
    case class_uid when 3002 then 1 else 0 end as activity_id,
    case level when 'ERROR' then 3 when 'WARN' then 2 when 'INFO' then 1 when 'DEBUG' then 1 when 'TRACE' then 1 else 0 end as severity_id,
    case when reason is not null then 2 when logged_in is not null then 1 end as status_id,
    reason as status_detail,
    message,
    case when class_uid = 3002 then {
        'name': coalesce(login, logged_in, case when message like 'Invalid admin token%' then 'admin' end, 'unknown'),
        'email_addr': ocsf_user(coalesce(login, logged_in))['email_addr'],
        'type_id': case when message like 'Invalid admin token%' then 2 end
    } end as "user",
    case when class_uid = 3002 then ocsf_endpoint(ip, null) end as src_endpoint,
    case when class_uid = 3002 then {'name': 'Vaultwarden'} end as service,
    case when reason like '%code%' then true end as is_mfa,
    case when class_uid = 3002 then true end as is_remote,
    {'log_name': target, 'log_level': level} as metadata,
    _file,
    _row
from classified
