-- One row per line. What the error log says of a client's request is HTTP activity that failed; the rest are errors.
with lines as (
    select
        *,
        ocsf_endpoint(coalesce(remote_addr, regexp_match(error, ', client: ([^,\s]+)')[1])) as address,
        ocsf_endpoint(coalesce(
            regexp_match(error, ', host: "([^"]*)"')[1], nullif(regexp_match(error, ', server: ([^,\s]+)')[1], '_')
        )) as host,
        coalesce(nullif(request, '-'), regexp_match(error, ', request: "((?:[^"\\]|\\.)*)"')[1]) as request_line,
        -- "[error] 31#31: *7 text": the number of the connection
        regexp_match(error, '^\*(\d+) ')[1] as connection,
        nullif(remote_user, '-') as user_name,
        _raw, _file, _row
    from input
),

requests as (
    select
        *,
        -- Method, target and, behind the last blank, the version.
        case when strpos(request_line, ' ') > 1 then split_part(request_line, ' ', 1) end as verb,
        case when starts_with(split_part(request_line, ' ', -1), 'HTTP/') then split_part(request_line, ' ', -1) end as version,
        case
            when remote_addr is not null or (address is not null and request_line is not null) then 4002
            when level in ('error', 'err', 'crit', 'alert', 'emerg') then 6008
            else 0
        end as class_uid
    from lines
),

targets as (
    select
        *,
        ocsf_http_activity_id(verb) as method,
        case when verb is not null
            then substr(request_line, length(verb) + 2, length(request_line) - length(verb) - 1 - coalesce(length(version) + 1, 0)) end as target
    from requests
)

select
    coalesce(time_local, error_time) as time,
    class_uid,
    case
        when class_uid = 4002 then case when method <> 99 then method when regexp_like(verb, '^[A-Z_-]+$') then 99 else 0 end
        when class_uid = 6008 then 1
        else 0
    end as activity_id,
    case when class_uid = 4002 and method = 99 and regexp_like(verb, '^[A-Z_-]+$') then verb end as activity_name,
    case
        when level in ('warn', 'warning') then 2
        when level in ('error', 'err') then 3
        when level = 'crit' then 4
        when level in ('alert', 'emerg') then 5
    end as severity_id,
    case
        when status < 400 then 1
        when status >= 400 or class_uid = 6008 or (class_uid = 4002 and error is not null) then 2
    end as status_id,
    cast(status as varchar) as status_code,
    coalesce(error, concat_ws(' ', request_line, cast(status as varchar))) as message,
    case when class_uid = 4002 then {
        'ip': address.ip, 'hostname': address.hostname, 'port': address.port
    } end as src_endpoint,
    {'user': {'name': user_name}} as actor,
    case when class_uid = 4002 then {'hostname': host.hostname, 'ip': host.ip, 'port': host.port} end as dst_endpoint,
    case
        when class_uid = 4002 then {
            'http_method': case when method <> 99 then upper(verb) end,
            'url': {
                'url_string': coalesce(target, nullif(request_line, '')),
                'hostname': coalesce(host.hostname, host.ip),
                'path': split_part(target, '?', 1),
                'query_string': substr(target, length(split_part(target, '?', 1)) + 2)
            },
            'version': version,
            'referrer': nullif(referer, '-'),
            'user_agent': nullif(user_agent, '-'),
            'x_forwarded_for': case
                when regexp_like(forwarded_for, '^[0-9A-Fa-f.:, ]+$')
                    then string_to_array(replace(forwarded_for, ' ', ''), ',')
            end
        }
    end as http_request,
    case when status is not null then {'code': status, 'body_length': bytes} end as http_response,
    {
        'log_name': case when remote_addr is not null then 'access' when error is not null then 'error' end,
        'log_level': level,
        'correlation_uid': connection
    } as metadata,
    case when trim(more) <> '' then _raw end as raw_data,
    _file,
    _row
from targets
