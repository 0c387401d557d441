-- One row per request or connection.
with lines as (
    select
        *,
        regexp_match(rest, '"([^"]*)"?\s*$')[1] as request,
        coalesce(termination, tcp_termination) as state,
        case
            when termination is not null then 4002
            when client is not null then 4001
            else 0
        end as class_uid,
        _raw, _file, _row
    from input
),

requests as (
    select *, regexp_match(request, '^(\S+) (.*?)(?: (HTTP/[\d.]+))?$') as parts
    from lines
)

select
    coalesce(accepted, logged) as time,
    class_uid,
    case class_uid
        when 4002 then coalesce(ocsf_http_activity_id(regexp_match(parts[1], '^[A-Z_-]+$')[1]), 0)
        when 4001 then case when error is not null then 4 else 6 end
        else 0
    end as activity_id,
    case when ocsf_http_activity_id(regexp_match(parts[1], '^[A-Z_-]+$')[1]) = 99 then parts[1] end as activity_name,
    -- The first letter of the state says who ended the session early: C the client, S the server, P the proxy, …
    case
        when class_uid = 0 then null
        when error is not null or status >= 400 or status < 0 then 2
        when class_uid = 4001 and state not like '-%' then 2
        else 1
    end as status_id,
    cast(nullif(status, -1) as varchar) as status_code,
    coalesce(error, nullif(nullif(state, '--'), '----')) as status_detail,
    coalesce(error, other, concat_ws(' ', request, cast(nullif(status, -1) as varchar)), concat_ws(' ', 'connection to', listener)) as message,
    nullif(regexp_match(timers, '(\d+)$')[1], '')::bigint as duration,
    case when class_uid <> 0 then {
        'ip': ocsf_endpoint(client)['ip'], 'hostname': ocsf_endpoint(client)['hostname'], 'port': port
    } end as src_endpoint,
    {'svc_name': coalesce(rtrim(frontend, '~'), listener)} as dst_endpoint,
    case when class_uid = 4002 then {
        'http_method': regexp_match(parts[1], '^(CONNECT|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT|TRACE)$')[1],
        'url': {
            'url_string': coalesce(parts[2], nullif(request, '')),
            'path': split_part(parts[2], '?', 1),
            'query_string': substr(parts[2], length(split_part(parts[2], '?', 1)) + 2)
        },
        'version': parts[3]
    } end as http_request,
    case when status > 0 then {'code': status, 'length': bytes} end as http_response,
    case when backend is not null then {
        'name': rtrim(frontend, '~'),
        'dst_endpoint': {'name': nullif(server, '<NOSRV>'), 'svc_name': backend},
        'code': nullif(status, -1),
        'status_detail': state
    } end as load_balancer,
    case when class_uid = 4001 then ocsf_connection('tcp', 'inbound') end as connection_info,
    {'bytes_in': coalesce(bytes, tcp_bytes)} as traffic,
    {'log_name': case when class_uid = 4002 then 'http' when error is not null then 'error' when class_uid = 4001 then 'tcp' end}
        as metadata,
    -- Timers, connection counts, queues, cookies and captured headers are in the line only.
    case when class_uid <> 0 then _raw end as raw_data,
    _file,
    _row
from requests
