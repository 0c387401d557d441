-- One row per request, from JSON or the Common Log Format, or per message of Traefik itself.
with lines as (
    select
        *,
        regexp_match(
            line,
            '^(\S+) - (\S+) \[([^\]]+)\] "(\S+) (.*) (\S+)" (\d{3}|-) (\d+|-) "([^"]*)" "([^"]*)" (\d+) "([^"]*)" "([^"]*)" (\d+)ms'
        ) as clf,
        _raw, _rest, _file, _row
    from input
),

requests as (
    select
        *,
        coalesce("RequestMethod", clf[4]) as method,
        coalesce("RequestPath", clf[5]) as target,
        nullif("RequestHost", '-') as host,
        coalesce("DownstreamStatus", try_cast(clf[7] as bigint)) as status,
        coalesce("ServiceName", nullif(clf[12], '-')) as service,
        coalesce("ServiceAddr", nullif(clf[13], '-')) as server,
        -- The peer, whatever it says of whom it speaks for.
        ocsf_endpoint(coalesce("ClientAddr", clf[1])) as peer,
        coalesce("request_X-Forwarded-For", case when "ClientAddr" not like "ClientHost" || ':%' then "ClientHost" end)
            as forwarded_for,
        case
            when "RequestMethod" is not null or clf is not null then 4002
            when level in ('error', 'fatal', 'panic') then 6008
            else 0
        end as class_uid
    from lines
)

select
    coalesce(parse_time("StartUTC"), parse_time("time"), parse_time(clf[3])) as time,
    class_uid,
    case class_uid
        when 4002 then coalesce(ocsf_http_activity_id(method), 0)
        when 6008 then 1
        else 0
    end as activity_id,
    case when ocsf_http_activity_id(method) = 99 then method end as activity_name,
    case
        when class_uid = 4002 then null
        when level in ('warn', 'warning') then 2
        when level = 'error' then 3
        when level in ('fatal', 'panic') then 5
    end as severity_id,
    case
        when class_uid = 6008 then 2
        when status < 400 then 1
        when status >= 400 then 2
    end as status_id,
    cast(status as varchar) as status_code,
    case when class_uid = 4002 then concat_ws(' ', method, target, cast(status as varchar)) else concat_ws(': ', coalesce(msg, line), error) end as message,
    coalesce("Duration" / 1000000, try_cast(clf[14] as bigint)) as duration,
    case when class_uid = 4002 then {
        'ip': peer.ip,
        'hostname': peer.hostname,
        'port': coalesce(peer.port, "ClientPort")
    } end as src_endpoint,
    {'user': {'name': nullif(coalesce("ClientUsername", clf[2]), '-')}} as actor,
    case when class_uid = 4002 then {
        'hostname': host, 'port': "RequestPort", 'svc_name': "entryPointName"
    } end as dst_endpoint,
    case when class_uid = 4002 then {
        'http_method': regexp_match(method, '^(CONNECT|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT|TRACE)$')[1],
        'url': {
            'url_string': concat("RequestScheme" || '://' || host, ':' || "RequestPort", target),
            'scheme': "RequestScheme",
            'hostname': host,
            'port': "RequestPort",
            'path': split_part(target, '?', 1),
            'query_string': substr(target, length(split_part(target, '?', 1)) + 2)
        },
        'version': coalesce("RequestProtocol", clf[6]),
        'referrer': nullif(coalesce("request_Referer", clf[9]), '-'),
        'user_agent': nullif(coalesce("request_User-Agent", clf[10]), '-'),
        'body_length': "RequestContentSize",
        'x_forwarded_for': case
            when regexp_like(forwarded_for, '^[0-9A-Fa-f.:, ]+$')
                then string_to_array(replace(forwarded_for, ' ', ''), ',')
        end
    } end as http_request,
    case when status is not null then {
        'code': status, 'body_length': coalesce("DownstreamContentSize", try_cast(clf[8] as bigint))
    } end as http_response,
    case when service is not null or server is not null then {
        'name': coalesce("RouterName", service),
        'dst_endpoint': {'ip': ocsf_endpoint(server)['ip'], 'hostname': ocsf_endpoint(server)['hostname'],
            'port': ocsf_endpoint(server)['port'], 'svc_name': service},
        'code': nullif("OriginStatus", 0)
    } end as load_balancer,
    case when "TLSVersion" is not null then {'version': "TLSVersion", 'cipher': "TLSCipher"} end as tls,
    {'log_name': case when class_uid = 4002 then 'access' else 'traefik' end, 'log_level': level} as metadata,
    _rest as unmapped,
    _file,
    _row
from requests
