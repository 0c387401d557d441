-- One row per request. JSON and Parquet write "-" where the W3C log has no value, so it is undone here.
with requests as (
    select
        *,
        coalesce("x-host-header", "cs(Host)") as host,
        nullif("cs-uri-query", '-') as query_string,
        nullif("ssl-protocol", '-') as tls_version,
        replace(replace(nullif("cs(User-Agent)", '-'), '%2520', ' '), '%20', ' ') as user_agent,
        regexp_match(_file, '(E[A-Z0-9]{9,})\.\d{4}-\d\d-\d\d-\d\d\.')[1] as distribution,
        _raw, _rest, _file, _row
    from input
)

select
    parse_time(concat("date", 'T', "time", 'Z')) as time,
    case when "cs-method" is null then 0 else 4002 end as class_uid,
    coalesce(ocsf_http_activity_id("cs-method"), 0) as activity_id,
    case when ocsf_http_activity_id("cs-method") = 99 then "cs-method" end as activity_name,
    -- 000 is a client that went away before it was answered.
    case
        when "sc-status" = 0 or "sc-status" >= 400 then 2
        when "sc-status" is not null then 1
    end as status_id,
    lpad(cast("sc-status" as varchar), 3, '0') as status_code,
    nullif("x-edge-detailed-result-type", '-') as status_detail,
    try_cast(round("time-taken" * 1000) as bigint) as duration,
    case when "cs-method" is not null then {'ip': "c-ip", 'port': "c-port"} end as src_endpoint,
    case
        when "cs-method" is not null
            then {'hostname': host, 'name': "cs(Host)", 'svc_name': 'CloudFront', 'uid': distribution, 'zone': "x-edge-location"}
    end as dst_endpoint,
    {
        'http_method': regexp_match("cs-method", '^(CONNECT|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT|TRACE)$')[1],
        'url': ocsf_url("cs-protocol" || '://' || host || "cs-uri-stem" || coalesce('?' || query_string, '')),
        'version': "cs-protocol-version",
        'referrer': nullif("cs(Referer)", '-'),
        'user_agent': user_agent,
        'uid': "x-edge-request-id",
        'length': "cs-bytes",
        'x_forwarded_for': case
            when regexp_like("x-forwarded-for", '^[0-9A-Fa-f][0-9A-Fa-f.:, ]+$')
                then string_to_array(replace("x-forwarded-for", ' ', ''), ',')
        end
    } as http_request,
    case
        when "sc-status" > 0 then {
            'code': "sc-status",
            'length': "sc-bytes",
            'body_length': "sc-content-len",
            'content_type': nullif("sc-content-type", '-')
        }
    end as http_response,
    case when tls_version is not null then {'version': tls_version, 'cipher': nullif("ssl-cipher", '-')} end as tls,
    case
        when "cs-method" is not null
            then {'bytes_out': "cs-bytes", 'bytes_in': "sc-bytes", 'bytes': "cs-bytes" + "sc-bytes"}
    end as traffic,
    upper("cs-protocol") as app_protocol_name,
    {'provider': 'AWS'} as cloud,
    {
        'uid': "x-edge-request-id",
        'event_code': "x-edge-result-type",
        'log_name': 'standard access log',
        'original_time': concat_ws(' ', "date", "time")
    } as metadata,
    case when "cs-method" is null then _raw end as message,
    _rest as unmapped,
    _file,
    _row
from requests
