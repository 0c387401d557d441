-- One row per request. What is no request (another kind of file under the same name) stays as a base event.
with requests as (
    select
        *,
        regexp_match(request, '^(\S+) (.*) (\S+)$') as parts,
        ocsf_url(regexp_match(request, '^\S+ (.*) \S+$')[1]) as url,
        regexp_match(_file, '(\d{12})_elasticloadbalancing_([a-z0-9-]+)_') as delivered,
        parse_arn(target_group_arn) as target_group,
        regexp_match("client:port", '^\[?(.*?)\]?:(\d+)$') as client_parts,
        regexp_match("target:port", '^\[?(.*?)\]?:(\d+)$') as target_parts,
        _raw, _rest, _file, _row
    from input
)

select
    time,
    case when request is null then 0 else 4002 end as class_uid,
    case when request is null then 0 else coalesce(ocsf_http_activity_id(nullif(parts[1], '-')), 0) end as activity_id,
    case when ocsf_http_activity_id(nullif(parts[1], '-')) = 99 then parts[1] end as activity_name,
    case
        when elb_status_code is null then null
        when elb_status_code < 400 then 1
        else 2
    end as status_id,
    cast(elb_status_code as varchar) as status_code,
    error_reason as status_detail,
    request_creation_time as start_time,
    case when request is not null then time end as end_time,
    case
        when request_processing_time >= 0 and target_processing_time >= 0 and response_processing_time >= 0
            then try_cast(
                round((request_processing_time + target_processing_time + response_processing_time) * 1000) as bigint
            )
    end as duration,
    {
        'ip': ocsf_endpoint(client_parts[1])['ip'],
        'port': try_cast(client_parts[2] as int),
        'name': case when ocsf_endpoint(client_parts[1])['ip'] is null then "client:port" end
    } as src_endpoint,
    {
        'ip': ocsf_endpoint(url.hostname)['ip'],
        'hostname': ocsf_endpoint(url.hostname)['hostname'],
        'port': url.port,
        'svc_name': case when request is not null then elb end
    } as dst_endpoint,
    {
        'http_method': regexp_match(parts[1], '^(CONNECT|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT|TRACE)$')[1],
        'url': url,
        'version': nullif(parts[3], '-'),
        'user_agent': user_agent,
        'uid': trace_id
    } as http_request,
    {'code': elb_status_code} as http_response,
    {
        'name': case when request is not null then elb end,
        'code': elb_status_code,
        'dst_endpoint': ocsf_endpoint(target_parts[1], target_parts[2]),
        'endpoint_connections': case
            when target_parts is not null
                then [{'code': target_status_code, 'network_endpoint': ocsf_endpoint(target_parts[1], target_parts[2])}]
        end,
        'classification': classification,
        'status_detail': error_reason
    } as load_balancer,
    case
        when ssl_protocol is not null
            then {'version': ssl_protocol, 'cipher': ssl_cipher, 'sni': domain_name}
    end as tls,
    {'bytes_out': received_bytes, 'bytes_in': sent_bytes, 'bytes': received_bytes + sent_bytes} as traffic,
    case when request is not null then upper(type) end as app_protocol_name,
    {
        'provider': 'AWS',
        'region': coalesce(target_group.region, delivered[2]),
        'account': {'uid': coalesce(target_group.account_id, delivered[1])}
    } as cloud,
    {'log_name': 'access log'} as metadata,
    case when request is null then _raw end as message,
    _rest as unmapped,
    _file,
    _row
from requests
