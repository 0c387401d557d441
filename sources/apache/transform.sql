-- One row per line: requests are HTTP activity, messages of the error log errors.
with lines as (
    select
        *,
        ocsf_endpoint(coalesce(remote_addr, client)) as address,
        ocsf_endpoint(vhost, vhost_port) as host,
        nullif(request, '-') as request_line,
        nullif(remote_user, '-') as user_name,
        _raw, _file, _row
    from input
),

requests as (
    select
        *,
        regexp_match(request_line, '^(\S+) (.*?)(?: (HTTP/[\d.]+))?$') as parts,
        case
            when remote_addr is not null or (address is not null and request_line is not null) then 4002
            when level in ('error', 'err', 'crit', 'alert', 'emerg') then 6008
            else 0
        end as class_uid
    from lines
)

select
    coalesce(time_local, parse_time(error_time)) as time,
    class_uid,
    case
        when class_uid = 4002 then coalesce(ocsf_http_activity_id(regexp_match(parts[1], '^[A-Z_-]+$')[1]), 0)
        when class_uid = 6008 then 1
        else 0
    end as activity_id,
    case when class_uid = 4002 and ocsf_http_activity_id(regexp_match(parts[1], '^[A-Z_-]+$')[1]) = 99 then parts[1] end
        as activity_name,
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
    error as message,
    case when class_uid = 4002 then {
        'ip': address.ip, 'hostname': address.hostname, 'port': address.port, 'owner': {'name': user_name}
    } end as src_endpoint,
    case when class_uid = 4002 then {'hostname': host.hostname, 'ip': host.ip, 'port': host.port} end as dst_endpoint,
    case
        when class_uid = 4002 then {
            'http_method': regexp_match(parts[1], '^(CONNECT|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT|TRACE)$')[1],
            'url': {
                'url_string': coalesce(parts[2], nullif(request_line, '')),
                'hostname': coalesce(host.hostname, host.ip),
                'path': split_part(parts[2], '?', 1),
                'query_string': substr(parts[2], length(split_part(parts[2], '?', 1)) + 2)
            },
            'version': parts[3],
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
        'event_code': regexp_match(error, '^(AH\d{5})')[1],
        'log_provider': module
    } as metadata,
    case when trim(more) <> '' or client is not null then _raw end as raw_data,
    _file,
    _row
from requests
