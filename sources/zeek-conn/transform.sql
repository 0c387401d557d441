-- One row per connection. Zeek logs a connection when it ends; `ts` is when it started.
with connections as (
    select
        ts as start_time,
        uid,
        community_id,
        "id.orig_h" as src_addr,
        "id.orig_p" as src_port,
        "id.resp_h" as dst_addr,
        "id.resp_p" as dst_port,
        -- Private, loopback, link-local, carrier-grade NAT, multicast; IPv6 unique local, link-local, multicast.
        regexp_like(
            "id.orig_h",
            '^(0\.|10\.|127\.|169\.254\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|2(2[4-9]|3\d|55)\.|::1$|f[cdf]|fe80:)'
        ) as src_is_private,
        regexp_like(
            "id.resp_h",
            '^(0\.|10\.|127\.|169\.254\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|2(2[4-9]|3\d|55)\.|::1$|f[cdf]|fe80:)'
        ) as dst_is_private,
        proto,
        service,
        duration,
        orig_bytes,
        resp_bytes,
        missed_bytes,
        orig_pkts,
        resp_pkts,
        orig_ip_bytes,
        resp_ip_bytes,
        conn_state,
        history,
        local_orig,
        local_resp,
        tunnel_parents,
        _file,
        _row
    from input
)

select
    start_time,
    uid,
    community_id,
    src_addr,
    src_port,
    dst_addr,
    dst_port,
    src_is_private,
    dst_is_private,
    case
        when src_is_private and dst_is_private then 'internal'
        when src_is_private and not dst_is_private then 'outbound'
        when not src_is_private and dst_is_private then 'inbound'
        when not src_is_private and not dst_is_private then 'external'
    end as direction,
    proto as protocol,
    service,
    duration as duration_seconds,
    orig_bytes as bytes_sent,
    resp_bytes as bytes_received,
    missed_bytes as bytes_missed,
    orig_pkts as packets_sent,
    resp_pkts as packets_received,
    orig_ip_bytes as ip_bytes_sent,
    resp_ip_bytes as ip_bytes_received,
    conn_state as state,
    history,
    local_orig as src_is_local,
    local_resp as dst_is_local,
    tunnel_parents,
    now() as processed_at,
    _file,
    _row
from connections
