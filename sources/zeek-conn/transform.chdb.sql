-- transform.sql in the dialect of chDB (ClickHouse): the same rows.
-- One row per connection. Zeek logs a connection when it ends; `ts` is when it started.
with connections as (
    select
        *,
        -- A number of seconds, milliseconds or microseconds by its size, or ISO 8601.
        arrayMap((text, number) -> coalesce(
            fromUnixTimestamp64Micro(toInt64(floor(0.5 + number * multiIf(number < 1e11, 1e6, number < 1e14, 1e3, number < 1e17, 1, null)))),
            parseDateTime64BestEffortOrNull(text, 6)
        ), [ts, _write_ts], [toFloat64OrNull(ts), toFloat64OrNull(_write_ts)]) as times,
        -- Addresses of the network where they were seen: private, shared, link-local, unique local, loopback, unspecified.
        -- Multicast and broadcast do not leave the network either. IPv4 addresses are compared as IPv6.
        arrayMap(ip -> arrayExists(network -> isIPAddressInRange(toIPv6OrNull(ip), network), [
            '::ffff:0.0.0.0/104', '::ffff:10.0.0.0/104', '::ffff:127.0.0.0/104', '::ffff:169.254.0.0/112', '::ffff:172.16.0.0/108',
            '::ffff:192.168.0.0/112', '::ffff:100.64.0.0/106', '::ffff:224.0.0.0/99', '::/127', 'fc00::/7', 'fe80::/10', 'ff00::/8'
        ]), ["id.orig_h", "id.resp_h"]) as is_inside,
        _rest, _file, _row
    from input
)

select
    times[1] as time,
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
    times[1] as start_time,
    addMicroseconds(times[1], cast(floor(duration * 1e6 + 0.5) as bigint)) as end_time,
    cast(floor(duration * 1e3 + 0.5) as bigint) as duration,
    cast(
        ("id.orig_h", "id.orig_p", orig_l2_addr, vlan, case when local_orig then 1 when not local_orig then 2 end),
        'Tuple(ip Nullable(String), port Nullable(Int64), mac Nullable(String), vlan_uid Nullable(String), network_scope_id Nullable(Int64))'
    ) as src_endpoint,
    cast(
        ("id.resp_h", "id.resp_p", resp_l2_addr, vlan, case when local_resp then 1 when not local_resp then 2 end),
        'Tuple(ip Nullable(String), port Nullable(Int64), mac Nullable(String), vlan_uid Nullable(String), network_scope_id Nullable(Int64))'
    ) as dst_endpoint,
    cast(
        (
            uid, community_id, proto,
            coalesce(ip_proto, case proto when 'tcp' then 6 when 'udp' then 17 when 'icmp' then 1 end),
            history,
            case when is_inside[1] and is_inside[2] then 3 when is_inside[1] then 2 when is_inside[2] then 1 else 0 end
        ),
        'Tuple(uid Nullable(String), community_uid Nullable(String), protocol_name Nullable(String), protocol_num Nullable(Int64),
            flag_history Nullable(String), direction_id Nullable(Int64))'
    ) as connection_info,
    service as app_protocol_name,
    cast(
        (orig_bytes, resp_bytes, orig_bytes + resp_bytes, missed_bytes, orig_pkts, resp_pkts, orig_pkts + resp_pkts),
        'Tuple(bytes_out Nullable(Int64), bytes_in Nullable(Int64), bytes Nullable(Int64), bytes_missed Nullable(Int64),
            packets_out Nullable(Int64), packets_in Nullable(Int64), packets Nullable(Int64))'
    ) as traffic,
    cast(
        (uid, uid, coalesce(_path, 'conn'), times[2]),
        'Tuple(uid Nullable(String), correlation_uid Nullable(String), log_name Nullable(String), logged_time Nullable(DateTime64(6, \'UTC\')))'
    ) as metadata,
    nullif('{' || arrayStringConcat([
        '"orig_ip_bytes":' || toString(orig_ip_bytes), '"resp_ip_bytes":' || toString(resp_ip_bytes),
        '"inner_vlan":' || toString(inner_vlan), substr(_rest, 2, length(_rest) - 2)
    ], ',') || '}', '{}') as unmapped,
    _file,
    _row
from connections
