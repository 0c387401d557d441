-- One row per request of an HTTP listener, or connection of a TCP listener (whose request is "- - - ").
with requests as (
    select
        *,
        regexp_match(request, '^(\S+) (.*) (\S+) ?$') as parts,
        regexp_match(request, '^\S+ (\S+://.*) \S+ ?$')[1] as address,
        regexp_match("client:port", '^\[?(.*?)\]?:(\d+)$') as client_parts,
        regexp_match("backend:port", '^\[?(.*?)\]?:(\d+)$') as backend_parts,
        regexp_match(_file, '(\d{12})_elasticloadbalancing_([a-z0-9-]+)_') as delivered,
        case
            when elb is null then 0
            when elb_status_code is null then 4001
            else 4002
        end as class_uid,
        _raw, _rest, _file, _row
    from input
)

select
    time,
    class_uid,
    case class_uid
        when 4002 then coalesce(ocsf_http_activity_id(nullif(parts[1], '-')), 0)
        when 4001 then 6
        else 0
    end as activity_id,
    case when class_uid = 4002 and ocsf_http_activity_id(nullif(parts[1], '-')) = 99 then parts[1] end as activity_name,
    case
        when elb_status_code < 400 then 1
        when elb_status_code >= 400 then 2
    end as status_id,
    cast(elb_status_code as varchar) as status_code,
    case
        when request_processing_time >= 0 and backend_processing_time >= 0 and response_processing_time >= 0
            then try_cast(
                round((request_processing_time + backend_processing_time + response_processing_time) * 1000) as bigint
            )
    end as duration,
    ocsf_endpoint(client_parts[1], client_parts[2]) as src_endpoint,
    {
        'ip': ocsf_endpoint(address)['ip'],
        'hostname': ocsf_endpoint(address)['hostname'],
        'port': ocsf_endpoint(address)['port'],
        'svc_name': elb
    } as dst_endpoint,
    case
        when class_uid = 4002 then {
            'http_method': regexp_match(parts[1], '^(CONNECT|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT|TRACE)$')[1],
            'url': ocsf_url(address),
            'version': nullif(parts[3], '-'),
            'user_agent': user_agent
        }
    end as http_request,
    {'code': elb_status_code} as http_response,
    {
        'name': elb,
        'code': elb_status_code,
        'dst_endpoint': ocsf_endpoint(backend_parts[1], backend_parts[2]),
        'endpoint_connections': case
            when backend_parts is not null
                then [{'code': backend_status_code, 'network_endpoint': ocsf_endpoint(backend_parts[1], backend_parts[2])}]
        end
    } as load_balancer,
    case when ssl_protocol is not null then {'version': ssl_protocol, 'cipher': ssl_cipher} end as tls,
    case when class_uid = 4001 then ocsf_connection('tcp', 'inbound') end as connection_info,
    {'bytes_out': received_bytes, 'bytes_in': sent_bytes, 'bytes': received_bytes + sent_bytes} as traffic,
    {'provider': 'AWS', 'region': delivered[2], 'account': {'uid': delivered[1]}} as cloud,
    {'log_name': 'access log'} as metadata,
    case when class_uid = 0 then _raw end as message,
    _rest as unmapped,
    _file,
    _row
from requests
