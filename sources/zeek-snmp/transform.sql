-- One row per session.
select
    parse_time(ts) as time,
    6 as activity_id,
    cast(round(duration * 1e3) as bigint) as duration,
    {'ip': "id.orig_h", 'port': "id.orig_p"} as src_endpoint,
    {'ip': "id.resp_h", 'port': "id.resp_p"} as dst_endpoint,
    {
        'uid': uid,
        'community_uid': community_id,
        'protocol_name': 'udp',
        'protocol_num': 17,
        'direction_id': case
            when ip_is_private("id.orig_h") and ip_is_private("id.resp_h") then 3
            when ip_is_private("id.orig_h") then 2
            when ip_is_private("id.resp_h") then 1
            else 0
        end
    } as connection_info,
    'snmp' as app_protocol_name,
    {'correlation_uid': uid, 'log_name': coalesce(_path, 'snmp'), 'logged_time': parse_time(_write_ts)} as metadata,
    nullif('{' || concat_ws(
        ',',
        '"get_requests":' || get_requests, '"get_bulk_requests":' || get_bulk_requests,
        '"get_responses":' || get_responses, '"set_requests":' || set_requests,
        '"up_since":"' || parse_time(up_since) || '"', substr(_rest, 2, length(_rest) - 2)
    ) || '}', '{}') as unmapped,
    _file,
    _row
from input
