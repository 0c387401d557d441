-- One row per request. Events write "-" where a W3C log has no value, so it is undone here.
with requests as (
    select
        *,
        nullif("cs-uri-query", '-') as query_string,
        nullif(coalesce("cs-host", "cs(Host)"), '-') as host,
        nullif("cs-username", '-') as user_name,
        replace(nullif(coalesce("cs(User-Agent)", "csUser-Agent"), '-'), '+', ' ') as user_agent,
        nullif("X-Forwarded-For", '-') as forwarded_for,
        "cs-method" is not null or "sc-status" is not null as is_request,
        _raw, _rest, _file, _row
    from input
)

select
    coalesce(parse_time("date" || 'T' || "time" || 'Z'), "TimeCreated") as time,
    case when is_request then 4002 else 0 end as class_uid,
    case when is_request then coalesce(ocsf_http_activity_id("cs-method"), 0) else 0 end as activity_id,
    case when ocsf_http_activity_id("cs-method") = 99 then "cs-method" end as activity_name,
    case when "sc-status" < 400 then 1 when "sc-status" >= 400 then 2 end as status_id,
    concat_ws('.', "sc-status", nullif("sc-substatus", 0)) as status_code,
    case when nullif("sc-win32-status", '-') <> '0' then 'win32 status ' || "sc-win32-status" end as status_detail,
    "time-taken" as duration,
    {
        'ip': ocsf_endpoint("c-ip")['ip'],
        'hostname': ocsf_endpoint("c-ip")['hostname']
    } as src_endpoint,
    {'user': ocsf_user(user_name)} as actor,
    case
        when is_request then {
            'ip': nullif("s-ip", '-'),
            'port': "s-port",
            'hostname': coalesce(nullif("s-computername", '-'), "Computer"),
            'svc_name': nullif("s-sitename", '-')
        }
    end as dst_endpoint,
    case
        when is_request then {
            'http_method': regexp_match("cs-method", '^(CONNECT|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT|TRACE)$')[1],
            'url': {
                'url_string': concat("cs-uri-stem", '?' || query_string),
                'hostname': coalesce(ocsf_endpoint(host)['hostname'], ocsf_endpoint(host)['ip']),
                'port': "s-port",
                'path': "cs-uri-stem",
                'query_string': query_string
            },
            'version': nullif("cs-version", '-'),
            'referrer': nullif(coalesce("cs(Referer)", "csReferer"), '-'),
            'user_agent': user_agent,
            'length': "cs-bytes",
            'x_forwarded_for': case
                when regexp_like(forwarded_for, '^[0-9A-Fa-f.:,+ ]+$')
                    then string_to_array(regexp_replace(forwarded_for, '[+ ]', '', 'g'), ',')
            end
        }
    end as http_request,
    case when "sc-status" is not null then {'code': "sc-status", 'length': "sc-bytes"} end as http_response,
    {'bytes_out': "cs-bytes", 'bytes_in': "sc-bytes", 'bytes': "cs-bytes" + "sc-bytes"} as traffic,
    {'log_name': coalesce(nullif("s-sitename", '-'), 'W3C'), 'original_time': concat_ws(' ', "date", "time")} as metadata,
    case when is_request then concat_ws(' ', "cs-method", concat("cs-uri-stem", '?' || query_string), "sc-status") else _raw end as message,
    _rest as unmapped,
    _file,
    _row
from requests
