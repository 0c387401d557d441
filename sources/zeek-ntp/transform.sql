-- One row per message. A zero time, which is the epoch here, is none.
select
    parse_time(ts) as time,
    case when mode between 1 and 7 then mode else 0 end as activity_id,
    cast(version as text) as version,
    case
        when stratum in (0, 1, 16) then stratum
        when stratum <= 15 then 2
        when stratum is not null then 17
    end as stratum_id,
    cast(round(root_delay * 1e3) as bigint) as delay,
    cast(round(root_disp * 1e3) as bigint) as dispersion,
    case when precision > 0 then cast(round(log2(precision)) as bigint) end as precision,
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
    {'correlation_uid': uid, 'log_name': coalesce(_path, 'ntp'), 'logged_time': parse_time(_write_ts)} as metadata,
    nullif('{' || concat_ws(
        ',',
        '"stratum":' || stratum, '"poll":' || poll, '"num_exts":' || num_exts,
        '"ref_time":"' || nullif(parse_time(ref_time), parse_time('0')) || '"',
        '"org_time":"' || nullif(parse_time(org_time), parse_time('0')) || '"',
        '"rec_time":"' || nullif(parse_time(rec_time), parse_time('0')) || '"',
        '"xmt_time":"' || nullif(parse_time(xmt_time), parse_time('0')) || '"', substr(_rest, 2, length(_rest) - 2)
    ) || '}', '{}') as unmapped,
    _file,
    _row
from input
