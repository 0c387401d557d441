-- One row per message. What it says is left as it is.
select
    parse_time(ts) as time,
    6 as activity_id,
    ocsf_severity_id(severity) as severity_id,
    message,
    {'ip': "id.orig_h", 'port': "id.orig_p"} as src_endpoint,
    {'ip': "id.resp_h", 'port': "id.resp_p"} as dst_endpoint,
    {
        'uid': uid,
        'community_uid': community_id,
        'protocol_name': proto,
        'protocol_num': case proto when 'tcp' then 6 when 'udp' then 17 when 'icmp' then 1 end,
        'direction_id': case
            when ip_is_private("id.orig_h") and ip_is_private("id.resp_h") then 3
            when ip_is_private("id.orig_h") then 2
            when ip_is_private("id.resp_h") then 1
            else 0
        end
    } as connection_info,
    'syslog' as app_protocol_name,
    {
        'correlation_uid': uid,
        'log_level': severity,
        'log_source': facility,
        'log_name': coalesce(_path, 'syslog'),
        'logged_time': parse_time(_write_ts)
    } as metadata,
    _rest as unmapped,
    _file,
    _row
from input
