-- One row per oddity. Those that belong to no connection have no addresses and are base events.
select
    parse_time(ts) as time,
    case when coalesce("id.orig_h", "id.resp_h") is null then 0 else 4001 end as class_uid,
    99 as activity_id,
    'Weird' as activity_name,
    case when notice then 2 else 1 end as severity_id,
    concat_ws(': ', name, addl) as message,
    {'ip': "id.orig_h", 'port': "id.orig_p"} as src_endpoint,
    {'ip': "id.resp_h", 'port': "id.resp_p"} as dst_endpoint,
    case when coalesce("id.orig_h", "id.resp_h") is not null then {
        'uid': uid,
        'community_uid': community_id,
        'direction_id': case
            when ip_is_private("id.orig_h") and ip_is_private("id.resp_h") then 3
            when ip_is_private("id.orig_h") then 2
            when ip_is_private("id.resp_h") then 1
            else 0
        end
    } end as connection_info,
    case when coalesce("id.orig_h", "id.resp_h") is not null then lower(source) end as app_protocol_name,
    {
        'correlation_uid': uid,
        'event_code': name,
        'log_name': coalesce(_path, 'weird'),
        'logged_time': parse_time(_write_ts)
    } as metadata,
    nullif('{' || concat_ws(
        ',',
        '"notice":' || notice, substr(_rest, 2, length(_rest) - 2)
    ) || '}', '{}') as unmapped,
    _file,
    _row
from input
