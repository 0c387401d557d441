-- One row per request. The feed leaves the scheme out of URLs, and says None, NA or 0 for what it does not know.
with requests as (
    select
        *,
        nullif(nullif(threatname, 'None'), '') as threat,
        nullif(nullif(nullif(devicehostname, 'None'), 'NA'), '') as device_name,
        nullif(nullif("user", 'None'), '') as login,
        case
            when url like '%://%' then url
            when protocol ilike 'http%' and url is not null then lower(split_part(protocol, '_', 1)) || '://' || url
            else url
        end as full_url,
        _file, _row, _rest, _raw
    from input
)

select
    ocsf_http_activity_id(requestmethod) as activity_id,
    case when ocsf_http_activity_id(requestmethod) = 99 then requestmethod end as activity_name,
    parse_time(datetime) as time,
    {'uid': event_id, 'event_code': reason, 'original_time': datetime} as metadata,
    concat_ws(' ', login, action, url) as message,
    case
        when threat is null then 1
        else coalesce(ocsf_severity_id(threatseverity), 3)
    end as severity_id,
    case when status between 100 and 399 then 1 when status between 400 and 599 then 2 end as status_id,
    case when status > 0 then cast(status as text) end as status_code,
    reason as status_detail,
    {'user': {'name': login, 'email_addr': case when login like '%@%.%' then login end}} as actor,
    ocsf_endpoint(coalesce(nullif(ClientIP, ''), clientpublicIP), NULL) as src_endpoint,
    {'hostname': nullif(hostname, 'None'), 'ip': case when serverip <> '0.0.0.0' then serverip end} as dst_endpoint,
    case when device_name is not null then {
        'hostname': device_name, 'type_id': 0, 'owner': {'name': nullif(nullif(deviceowner, 'NA'), 'None')}
    } end as device,
    {
        'url': ocsf_url(full_url), 'user_agent': useragent, 'referrer': nullif(refererURL, 'None'), 'length': requestsize,
        'http_method': case when upper(requestmethod) in ('CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'TRACE') then upper(requestmethod) end
    } as http_request,
    case when status > 0 then {'code': status, 'length': responsesize, 'content_type': contenttype} end as http_response,
    {'bytes': transactionsize, 'bytes_out': requestsize, 'bytes_in': responsesize} as traffic,
    nullif(nullif(appname, 'None'), '') as app_name,
    lower(protocol) as app_protocol_name,
    case action when 'Allowed' then 1 when 'Blocked' then 2 else 99 end as action_id,
    case when action not in ('Allowed', 'Blocked') then action end as action,
    case action when 'Allowed' then 1 when 'Blocked' then 2 else 0 end as disposition_id,
    case when action = 'Blocked' then {'name': reason} end as policy,
    case when threat is not null then [{'name': threat, 'classification_ids': [0], 'provider': 'Zscaler'}] end as malware,
    threat is not null as is_alert,
    case when pagerisk > 0 then pagerisk end as risk_score,
    _raw as raw_data,
    _rest as unmapped,
    _file,
    _row
from requests
