-- One row per connection. Zeek logs a connection when it ends; `ts` is when it started.
with connections as (
    select
        *,
        parse_time(ts) as at,
        -- Multicast and broadcast do not leave the network either.
        ip_is_private("id.orig_h") or ip_in("id.orig_h", '0.0.0.0/8, 224.0.0.0/3, ff00::/8') as src_is_inside,
        ip_is_private("id.resp_h") or ip_in("id.resp_h", '0.0.0.0/8, 224.0.0.0/3, ff00::/8') as dst_is_inside,
        _rest, _file, _row
    from input
)

select
    at as time,
    case
        when proto is distinct from 'tcp' then 6
        when conn_state = 'S1' then 1
        when conn_state = 'SF' then 2
        when conn_state like 'RST%' then 3
        when conn_state in ('S0', 'SH') then 4
        when conn_state = 'REJ' then 5
        else 6
    end as activity_id,
    case when conn_state in ('SF', 'S1') then 1 when proto = 'tcp' and conn_state in ('S0', 'SH', 'REJ') then 2 end as status_id,
    conn_state as status_code,
    at as start_time,
    at + arrow_cast(cast(round(duration * 1e6) as bigint), 'Duration(Microsecond)') as end_time,
    cast(round(duration * 1e3) as bigint) as duration,
    {
        'ip': "id.orig_h",
        'port': "id.orig_p",
        'mac': orig_l2_addr,
        'vlan_uid': cast(vlan as text),
        'network_scope_id': case when local_orig then 1 when not local_orig then 2 end
    } as src_endpoint,
    {
        'ip': "id.resp_h",
        'port': "id.resp_p",
        'mac': resp_l2_addr,
        'vlan_uid': cast(vlan as text),
        'network_scope_id': case when local_resp then 1 when not local_resp then 2 end
    } as dst_endpoint,
    {
        'uid': uid,
        'community_uid': community_id,
        'protocol_name': proto,
        'protocol_num': coalesce(ip_proto, case proto when 'tcp' then 6 when 'udp' then 17 when 'icmp' then 1 end),
        'flag_history': history,
        'direction_id': case
            when src_is_inside and dst_is_inside then 3
            when src_is_inside then 2
            when dst_is_inside then 1
            else 0
        end
    } as connection_info,
    service as app_protocol_name,
    {
        'bytes_out': orig_bytes,
        'bytes_in': resp_bytes,
        'bytes': orig_bytes + resp_bytes,
        'bytes_missed': missed_bytes,
        'packets_out': orig_pkts,
        'packets_in': resp_pkts,
        'packets': orig_pkts + resp_pkts
    } as traffic,
    {'uid': uid, 'correlation_uid': uid, 'log_name': coalesce(_path, 'conn'), 'logged_time': parse_time(_write_ts)} as metadata,
    nullif('{' || concat_ws(
        ',',
        '"orig_ip_bytes":' || orig_ip_bytes, '"resp_ip_bytes":' || resp_ip_bytes, '"inner_vlan":' || inner_vlan,
        substr(_rest, 2, length(_rest) - 2)
    ) || '}', '{}') as unmapped,
    _file,
    _row
from connections
