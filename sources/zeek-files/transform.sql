-- One row per file. What the connection's originator sends is an upload, what it is sent a download; old logs name sender and
-- receiver instead of originator and responder.
with files as (
    select
        *,
        coalesce(uid, json_text(conn_uids, '[0]')) as connection,
        coalesce("id.orig_h", json_text(case when is_orig = false then rx_hosts else tx_hosts end, '[0]')) as src_ip,
        coalesce("id.resp_h", json_text(case when is_orig = false then tx_hosts else rx_hosts end, '[0]')) as dst_ip,
        ocsf_file(filename) as named,
        _rest, _file, _row
    from input
)

select
    parse_time(ts) as time,
    case when is_orig then 1 when not is_orig then 2 else 0 end as activity_id,
    cast(round(duration * 1e3) as bigint) as duration,
    {
        'name': coalesce(named['name'], fuid),
        'path': named['path'],
        'parent_folder': named['parent_folder'],
        'ext': named['ext'],
        'uid': fuid,
        'type_id': 1,
        'mime_type': mime_type,
        'size': coalesce(total_bytes, seen_bytes),
        'hashes': [ocsf_hash(md5), ocsf_hash(sha1), ocsf_hash(sha256)]
    } as file,
    {'app_name': coalesce(source, 'unknown')} as actor,
    {'ip': src_ip, 'port': "id.orig_p", 'name': case when src_ip is null then 'unknown' end} as src_endpoint,
    {'ip': dst_ip, 'port': "id.resp_p"} as dst_endpoint,
    {
        'uid': connection,
        'community_uid': community_id,
        'direction_id': case
            when ip_is_private(src_ip) and ip_is_private(dst_ip) then 3
            when ip_is_private(src_ip) then 2
            when ip_is_private(dst_ip) then 1
            else 0
        end
    } as connection_info,
    {
        'uid': fuid,
        'correlation_uid': connection,
        'log_name': coalesce(_path, 'files'),
        'logged_time': parse_time(_write_ts)
    } as metadata,
    nullif('{' || concat_ws(
        ',',
        '"depth":' || depth, '"local_orig":' || local_orig, '"seen_bytes":' || seen_bytes,
        '"missing_bytes":' || missing_bytes, '"overflow_bytes":' || overflow_bytes, '"timedout":' || timedout,
        '"extracted_cutoff":' || extracted_cutoff, '"extracted_size":' || extracted_size, '"entropy":' || entropy,
        '"conn_uids":' || case when strpos(conn_uids, ',') > 0 then conn_uids end,
        '"tx_hosts":' || case when strpos(tx_hosts, ',') > 0 then tx_hosts end,
        '"rx_hosts":' || case when strpos(rx_hosts, ',') > 0 then rx_hosts end, substr(_rest, 2, length(_rest) - 2)
    ) || '}', '{}') as unmapped,
    _file,
    _row
from files
