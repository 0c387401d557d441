-- One row per connection: its request, and the answer if one came.
select
    parse_time(ts) as time,
    case when result is null then 1 else 6 end as activity_id,
    -- `encrypted` says no more than that the rest was not to be seen.
    case when result = 'encrypted' then 0 when lower(result) = 'success' then 1 when result is not null then 2 end as status_id,
    result as status_detail,
    cookie as identifier_cookie,
    {'name': cookie} as "user",
    client_build as protocol_ver,
    client_channels as capabilities,
    {'keyboard_layout': keyboard_layout} as keyboard_info,
    {
        'physical_width': desktop_width,
        'physical_height': desktop_height,
        'color_depth': try_cast(replace(requested_color_depth, 'bit', '') as int)
    } as remote_display,
    {'ip': "id.orig_h", 'port': "id.orig_p", 'name': client_name} as src_endpoint,
    {'ip': "id.resp_h", 'port': "id.resp_p"} as dst_endpoint,
    {
        'uid': uid,
        'community_uid': community_id,
        'direction_id': case
            when ip_is_private("id.orig_h") and ip_is_private("id.resp_h") then 3
            when ip_is_private("id.orig_h") then 2
            when ip_is_private("id.resp_h") then 1
            else 0
        end
    } as connection_info,
    {'correlation_uid': uid, 'log_name': coalesce(_path, 'rdp'), 'logged_time': parse_time(_write_ts)} as metadata,
    nullif('{' || concat_ws(
        ',',
        '"cert_count":' || cert_count, '"cert_permanent":' || cert_permanent, substr(_rest, 2, length(_rest) - 2)
    ) || '}', '{}') as unmapped,
    _file,
    _row
from input
