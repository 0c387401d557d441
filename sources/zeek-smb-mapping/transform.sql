-- One row per tree connect.
select
    parse_time(ts) as time,
    99 as activity_id,
    'Tree Connect' as activity_name,
    path as share,
    case share_type when 'DISK' then 1 when 'PIPE' then 2 when 'PRINT' then 3 else 0 end as share_type_id,
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
    {'correlation_uid': uid, 'log_name': coalesce(_path, 'smb_mapping'), 'logged_time': parse_time(_write_ts)} as metadata,
    _rest as unmapped,
    _file,
    _row
from input
