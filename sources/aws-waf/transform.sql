-- One row per request. User agent and host are looked for in the record's text: headers are a list in any order.
with requests as (
    select
        *,
        parse_arn(webaclId) as acl,
        regexp_match(_raw, '(?i)"name"\s*:\s*"user-agent"\s*,\s*"value"\s*:\s*"([^"]*)"')[1] as user_agent,
        coalesce(
            httpRequest.host,
            regexp_match(_raw, '(?i)"name"\s*:\s*"host"\s*,\s*"value"\s*:\s*"([^"]*)"')[1]
        ) as host,
        regexp_match(ruleGroupList, '"terminatingRule"\s*:\s*\{\s*"ruleId"\s*:\s*"([^"]*)"')[1] as group_rule,
        -- A record that is cut down to the client is a connection, and one without it neither.
        case
            when httpRequest.uri is not null or httpRequest.httpMethod is not null then 4002
            when httpRequest.clientIp is not null then 4001
            else 0
        end as class_uid,
        _raw, _rest, _file, _row
    from input
)

select
    parse_time("timestamp") as time,
    class_uid,
    coalesce(ocsf_http_activity_id(httpRequest.httpMethod), 0) as activity_id,
    case when ocsf_http_activity_id(httpRequest.httpMethod) = 99 then httpRequest.httpMethod end as activity_name,
    case action
        when 'ALLOW' then 1
        when 'BLOCK' then 2
        when 'CAPTCHA' then 2
        when 'CHALLENGE' then 2
        when 'COUNT' then 3
        else case when action is null then 0 else 99 end
    end as action_id,
    case when action not in ('ALLOW', 'BLOCK', 'CAPTCHA', 'CHALLENGE', 'COUNT') then action end as action,
    case action
        when 'ALLOW' then 1
        when 'BLOCK' then 2
        when 'CAPTCHA' then 22
        when 'CHALLENGE' then 23
        when 'COUNT' then 20
        else case when action is null then 0 else 99 end
    end as disposition_id,
    case when action not in ('ALLOW', 'BLOCK', 'CAPTCHA', 'CHALLENGE', 'COUNT') then action end as disposition,
    cast(responseCodeSent as varchar) as status_code,
    {
        'uid': terminatingRuleId,
        'name': coalesce(group_rule, terminatingRuleId),
        'type': terminatingRuleType
    } as firewall_rule,
    {'uid': webaclId, 'name': nullif(split_part(webaclId, '/', 3), ''), 'type': 'web ACL'} as policy,
    {'ip': httpRequest.clientIp, 'location': {'country': nullif(httpRequest.country, '-')}} as src_endpoint,
    case
        when class_uid <> 0 then {'hostname': split_part(host, ':', 1), 'svc_name': httpSourceName, 'uid': httpSourceId}
    end as dst_endpoint,
    case
        when class_uid = 4002 then {
            'http_method': regexp_match(
                httpRequest.httpMethod, '^(CONNECT|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT|TRACE)$'
            )[1],
            'url': {
                'url_string': concat(
                    httpRequest.scheme || '://', host, httpRequest.uri, '?' || nullif(httpRequest.args, '')
                ),
                'scheme': httpRequest.scheme,
                'hostname': split_part(host, ':', 1),
                'path': httpRequest.uri,
                'query_string': httpRequest.args
            },
            'args': httpRequest.args,
            'version': httpRequest.httpVersion,
            'user_agent': user_agent,
            'http_headers': httpRequest.headers,
            'uid': httpRequest.requestId
        }
    end as http_request,
    {'code': responseCodeSent} as http_response,
    case when class_uid <> 0 and ja4Fingerprint is not null then [{'type_id': 1, 'value': ja4Fingerprint}] end as ja4_fingerprint_list,
    {'provider': 'AWS', 'region': acl.region, 'account': {'uid': acl.account_id}} as cloud,
    {
        'uid': httpRequest.requestId,
        'event_code': action,
        'log_version': formatVersion,
        'original_time': "timestamp",
        'labels': string_to_array(
            regexp_replace(
                regexp_replace(labels, '^\s*\[\s*\{\s*"name"\s*:\s*"|"\s*\}\s*\]\s*$', '', 'g'),
                '"\s*\}\s*,\s*\{\s*"name"\s*:\s*"', ' ', 'g'
            ),
            ' '
        )
    } as metadata,
    case when class_uid = 0 then _raw end as message,
    case when ruleGroupList not in ('[]', 'null') then _raw end as raw_data,
    _rest as unmapped,
    _file,
    _row
from requests
