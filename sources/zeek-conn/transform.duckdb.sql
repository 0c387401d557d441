-- transform.sql in DuckDB's dialect: the same rows.
-- One row per connection. Zeek logs a connection when it ends; `ts` is when it started.
with connections as (
    select
        *,
        -- ISO 8601, or a number of seconds, milliseconds or microseconds by its size.
        list_transform([ts, _write_ts], lambda text: coalesce(
            try_cast(text as timestamptz),
            case
                when abs(try_cast(text as double)) < 1e11 then make_timestamptz(cast(round(cast(text as double) * 1e6) as bigint))
                when abs(try_cast(text as double)) < 1e14 then make_timestamptz(cast(round(cast(text as double) * 1e3) as bigint))
                when abs(try_cast(text as double)) < 1e17 then make_timestamptz(cast(round(cast(text as double)) as bigint))
            end
        )) as times,
        -- Addresses of the network where they were seen: private, shared, link-local, unique local, loopback, unspecified.
        -- Multicast and broadcast do not leave the network either.
        list_transform(["id.orig_h", "id.resp_h"], lambda ip: regexp_full_match(
            lower(ip),
            '(::ffff:)?((0|10|127|22[4-9]|2[34]\d|25[0-5])(\.\d+){3}|(192\.168|169\.254|172\.(1[6-9]|2\d|3[01])|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))(\.\d+){2})'
                || '|(f[cdf][0-9a-f]{2}|fe[89ab][0-9a-f]):.*|(0{0,4}:){2,7}0{0,3}[01]?'
        )) as is_inside,
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
    make_timestamptz(epoch_us(times[1]) + cast(round(duration * 1e6) as bigint)) as end_time,
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
            when is_inside[1] and is_inside[2] then 3
            when is_inside[1] then 2
            when is_inside[2] then 1
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
    {'uid': uid, 'correlation_uid': uid, 'log_name': coalesce(_path, 'conn'), 'logged_time': times[2]} as metadata,
    nullif('{' || concat_ws(
        ',',
        '"orig_ip_bytes":' || orig_ip_bytes, '"resp_ip_bytes":' || resp_ip_bytes, '"inner_vlan":' || inner_vlan,
        substr(_rest, 2, length(_rest) - 2)
    ) || '}', '{}') as unmapped,
    _file,
    _row
from connections
