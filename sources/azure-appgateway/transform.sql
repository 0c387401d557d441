-- One row per request of the access log, and per rule that the firewall found to match.
with requests as (
    select
        *,
        properties as p,
        case when category in ('ApplicationGatewayAccessLog', 'ApplicationGatewayFirewallLog') then 4002 else 0 end as class,
        category = 'ApplicationGatewayFirewallLog' as is_waf,
        coalesce(nullif(properties['originalHost'], ''), properties['host'], properties['hostname']) as site,
        ocsf_endpoint(coalesce(nullif(properties['originalHost'], ''), properties['host'], properties['hostname']), null) as target,
        coalesce(nullif(properties['originalRequestUriWithArgs'], ''), properties['requestUri']) as uri,
        _file,
        _row,
        _rest,
        _raw
    from input
)

select
    coalesce("time", timeStamp) as time,
    class as class_uid,
    case when class = 0 then 0 else coalesce(ocsf_http_activity_id(p['httpMethod']), 0) end as activity_id,
    case when ocsf_http_activity_id(p['httpMethod']) = 99 then p['httpMethod'] end as activity_name,
    case when is_waf and p['action'] = 'Blocked' then 3 when is_waf then 2 else 1 end as severity_id,
    case when class = 0 then null when p['httpStatus'] >= 400 then 2 when p['httpStatus'] is not null then 1 end as status_id,
    cast(p['httpStatus'] as text) as status_code,
    p['error_info'] as status_detail,
    case when is_waf then p['message'] else concat_ws(' ', p['httpMethod'], site || uri, cast(p['httpStatus'] as text)) end as message,
    case when is_waf then case p['action'] when 'Blocked' then 2 when 'Allowed' then 1 else 3 end end as action_id,
    case when is_waf then case p['action'] when 'Blocked' then 2 when 'Allowed' then 1 when 'Detected' then 15 when 'Matched' then 15 else 99 end end as disposition_id,
    case when is_waf and p['action'] not in ('Blocked', 'Allowed', 'Detected', 'Matched') then p['action'] end as disposition,
    case when is_waf then {
        'uid': p['ruleId'], 'name': p['message'], 'category': p['ruleSetType'], 'version': p['ruleSetVersion'], 'condition': p['details']
    } end as firewall_rule,
    case when is_waf then {'uid': p['policyId']} end as policy,
    case when class = 4002 then ocsf_endpoint(coalesce(p['clientIP'], p['clientIp']), p['clientPort']) end as src_endpoint,
    case when class = 4002 then {
        'ip': target['ip'], 'hostname': target['hostname'], 'port': target['port'], 'instance_uid': p['instanceId'], 'uid': resourceId
    } end as dst_endpoint,
    case when class = 4002 then {
        'http_method': case when ocsf_http_activity_id(p['httpMethod']) <> 99 then upper(p['httpMethod']) end,
        'url': {'path': split_part(uri, '?', 1), 'query_string': coalesce(nullif(split_part(uri, '?', 2), ''), p['requestQuery']), 'hostname': site},
        'user_agent': p['userAgent'],
        'version': p['httpVersion'],
        'uid': p['transactionId'],
        'length': p['receivedBytes']
    } end as http_request,
    case when class = 4002 and p['httpStatus'] is not null then {
        'code': p['httpStatus'], 'length': p['sentBytes'], 'latency': try_cast(p['timeTaken'] * 1000 as bigint)
    } end as http_response,
    case when class = 4002 then {'bytes_out': p['receivedBytes'], 'bytes_in': p['sentBytes'], 'bytes': p['receivedBytes'] + p['sentBytes']} end as traffic,
    case when class = 4002 and p['sslProtocol'] <> '' then {'version': p['sslProtocol'], 'cipher': p['sslCipher']} end as tls,
    {'event_code': operationName, 'log_name': category, 'uid': p['transactionId']} as metadata,
    {
        'provider': 'Azure',
        'account': {
            'uid': (regexp_match(lower(resourceId), '^/subscriptions/([^/]+)'))[1],
            'type_id': case when lower(resourceId) like '/subscriptions/_%' then 13 end
        }
    } as cloud,
    case when class = 0 then _raw end as raw_data,
    nullif('{' || concat_ws(',',
        '"listenerName":"' || listenerName || '"', '"ruleName":"' || ruleName || '"', '"backendPoolName":"' || backendPoolName || '"',
        '"properties":' || case when class <> 0 and left(json_text(_raw, 'properties'), 1) in ('{', '[') then json_text(_raw, 'properties') end,
        nullif(substr(_rest, 2, length(_rest) - 2), '')
    ) || '}', '{}') as unmapped,
    _file,
    _row
from requests
