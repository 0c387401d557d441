-- One row per line. A field is looked up in JSON, else as name=value or name="value".
with fields as (
    select
        line,
        coalesce(json_text(line, 'time'), regexp_match(line, '(?:^| )time="?([^" ]+)')[1]) as logged,
        coalesce(json_text(line, 'level'), regexp_match(line, '(?:^| )level=(\w+)')[1]) as level,
        coalesce(json_text(line, 'msg'), replace(regexp_match(line, ' msg="((?:[^"\\]|\\.)*)"')[1], '\"', '"'), regexp_match(line, ' msg=([^" ]+)')[1]) as msg,
        coalesce(json_text(line, 'error'), replace(regexp_match(line, ' error="((?:[^"\\]|\\.)*)"')[1], '\"', '"'), regexp_match(line, ' error=([^" ]+)')[1]) as error,
        coalesce(json_text(line, 'method'), regexp_match(line, ' method=(\w+)')[1]) as method,
        coalesce(json_text(line, 'path'), regexp_match(line, ' path="?([^" ]+)')[1]) as path,
        coalesce(json_text(line, 'remote_ip'), regexp_match(line, ' remote_ip="?([0-9A-Fa-f.:]+)')[1]) as remote_ip,
        _file, _row
    from input
),

parsed as (
    select
        *,
        regexp_match(msg, '^(Unsuccessful|Successful) (.+?) authentication attempt (?:made )?by user ''([^'']*)''') as attempt,
        regexp_match(msg, 'user with username input ''([^'']*)''') as lookup,
        regexp_match(msg, '^Access to (\S+) \(method \w+\) is not authorized to user (\S+?)[,;]? ') as denied
    from fields
),

classified as (
    select
        *,
        case when coalesce(attempt, lookup) is not null then 3002 when denied is not null then 4002 else 0 end as class_uid
    from parsed
)

select
    parse_time(logged) as time,
    class_uid,
    case class_uid when 3002 then 1 when 4002 then ocsf_http_activity_id(regexp_match(msg, '\(method (\w+)\)')[1]) else 0 end as activity_id,
    case when lower(level) in ('warn', 'warning') then 2 when lower(level) in ('error', 'err', 'severe') then 3 when lower(level) in ('fatal', 'panic', 'critical', 'crit') then 5
        when level is not null then 1 end as severity_id,
    case when class_uid = 4002 or attempt[1] = 'Unsuccessful' or lookup is not null then 2 when attempt is not null then 1 end as status_id,
    case when class_uid <> 0 then coalesce(error, regexp_match(msg, '^Unsuccessful .*?'': (.*)$')[1]) end as status_detail,
    coalesce(msg, line) as message,
    case when class_uid = 3002 then {
        'name': coalesce(nullif(coalesce(attempt[3], lookup[1]), ''), 'unknown'),
        'email_addr': ocsf_user(coalesce(attempt[3], lookup[1]))['email_addr']
    } end as "user",
    case when class_uid <> 0 then ocsf_endpoint(remote_ip, null) end as src_endpoint,
    case when class_uid = 4002 then {'user': {'name': denied[2], 'email_addr': ocsf_user(denied[2])['email_addr']}} end as actor,
    case when class_uid = 3002 then {'name': 'Authelia'} end as service,
    case when class_uid = 3002 then coalesce(attempt[2] not in ('1FA', 'Password'), false) end as is_mfa,
    case when class_uid = 3002 then true end as is_remote,
    case when class_uid = 3002 then [{
        'factor_type_id': case attempt[2]
            when '1FA' then 11 when 'Password' then 11 when 'TOTP' then 7 when 'Duo' then 5 when 'U2F' then 9
            when 'WebAuthn' then 10 when 'Webauthn' then 10 when 'Passkey' then 10 else 0
        end,
        'is_totp': case when attempt[2] = 'TOTP' then true end
    }] end as auth_factors,
    case class_uid
        when 3002 then {'http_method': upper(method), 'url': ocsf_url(path)}
        when 4002 then {'http_method': regexp_match(msg, '\(method (\w+)\)')[1], 'url': ocsf_url(denied[1])}
    end as http_request,
    {'log_level': level, 'original_time': logged} as metadata,
    case when class_uid <> 0 then null when line like '{%' then line end as unmapped,
    _file,
    _row
from classified
