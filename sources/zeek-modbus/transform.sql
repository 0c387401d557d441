-- One row per request or response.
select
    parse_time(ts) as time,
    6 as activity_id,
    case when exception is not null then 2 end as status_id,
    exception as status_detail,
    func as message,
    {'ip': "id.orig_h", 'port': "id.orig_p"} as src_endpoint,
    {'ip': "id.resp_h", 'port': "id.resp_p"} as dst_endpoint,
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
    'modbus' as app_protocol_name,
    {
        'correlation_uid': uid,
        'event_code': func,
        'log_name': coalesce(_path, 'modbus'),
        'logged_time': parse_time(_write_ts)
    } as metadata,
    nullif('{' || concat_ws(
        ',',
        '"tid":' || tid, '"unit":' || unit, substr(_rest, 2, length(_rest) - 2)
    ) || '}', '{}') as unmapped,
    _file,
    _row
from input
