-- One row per request with its response, if one came. `uri` is the path alone, unless the client talks to a proxy.
with requests as (
    select
        *,
        case
            when uri like '/%' or uri = '*' then 'http://'
                || coalesce(nullif(host, ''), case ip_version("id.resp_h") when 6 then '[' || "id.resp_h" || ']' else "id.resp_h" end)
                || case when "id.resp_p" <> 80 then ':' || "id.resp_p" else '' end
                || case when uri = '*' then '' else uri end
            else uri
        end as full_url,
        json_text(resp_fuids, '[0]') as fuid,
        _rest, _file, _row
    from input
)

select
    parse_time(ts) as time,
    coalesce(ocsf_http_activity_id(method), 0) as activity_id,
    case when ocsf_http_activity_id(method) = 99 then method end as activity_name,
    case when status_code >= 400 then 2 when status_code >= 100 then 1 end as status_id,
    cast(status_code as text) as status_code,
    status_msg as status_detail,
    case when coalesce(full_url, user_agent, method) is not null then {
        'http_method': case when ocsf_http_activity_id(method) between 1 and 9 then upper(method) end,
        'url': ocsf_url(full_url),
        'referrer': referrer,
        'user_agent': user_agent,
        'version': version,
        'body_length': request_body_len
    } end as http_request,
    case when status_code is not null then {
        'code': status_code,
        'message': status_msg,
        'content_type': json_text(resp_mime_types, '[0]'),
        'body_length': response_body_len
    } end as http_response,
    case when fuid is not null then {
        'name': coalesce(json_text(resp_filenames, '[0]'), fuid),
        'uid': fuid,
        'mime_type': json_text(resp_mime_types, '[0]'),
        'type_id': 1
    } end as file,
    {'user': {'name': username}} as actor,
    {'ip': "id.orig_h", 'port': "id.orig_p"} as src_endpoint,
    {'ip': "id.resp_h", 'port': "id.resp_p", 'hostname': case when ip_version(host) is null then host end} as dst_endpoint,
    {
        'uid': uid,
        'community_uid': community_id,
        'protocol_name': 'tcp',
        'protocol_num': 6,
        'direction_id': case
            when ip_is_private("id.orig_h") and ip_is_private("id.resp_h") then 3
            when ip_is_private("id.orig_h") then 2
            when ip_is_private("id.resp_h") then 1
            else 0
        end
    } as connection_info,
    {'correlation_uid': uid, 'log_name': coalesce(_path, 'http'), 'logged_time': parse_time(_write_ts)} as metadata,
    nullif('{' || concat_ws(
        ',',
        '"trans_depth":' || trans_depth, '"info_code":' || info_code,
        '"resp_fuids":' || case when strpos(resp_fuids, ',') > 0 then resp_fuids end,
        substr(_rest, 2, length(_rest) - 2)
    ) || '}', '{}') as unmapped,
    _file,
    _row
from requests
