-- One row per call.
select
    parse_time(ts) as time,
    6 as activity_id,
    cast(round(rtt * 1e3) as bigint) as duration,
    concat_ws('::', endpoint, operation) as message,
    {'ip': "id.orig_h", 'port': "id.orig_p"} as src_endpoint,
    {'ip': "id.resp_h", 'port': "id.resp_p", 'svc_name': endpoint} as dst_endpoint,
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
    'dce_rpc' as app_protocol_name,
    {
        'correlation_uid': uid,
        'event_code': operation,
        'log_name': coalesce(_path, 'dce_rpc'),
        'logged_time': parse_time(_write_ts)
    } as metadata,
    _rest as unmapped,
    _file,
    _row
from input
