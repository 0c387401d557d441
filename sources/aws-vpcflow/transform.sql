-- One row per flow record; nothing is dropped: NODATA and SKIPDATA records stay, with NULL addresses.
with flows as (
    select
        "start" as start_time,
        "end" as end_time,
        "account-id" as account_id,
        region,
        "vpc-id" as vpc_id,
        "subnet-id" as subnet_id,
        "instance-id" as instance_id,
        "interface-id" as interface_id,
        srcaddr as src_addr,
        srcport as src_port,
        dstaddr as dst_addr,
        dstport as dst_port,
        -- Private, loopback, link-local, carrier-grade NAT, multicast; IPv6 unique local, link-local, multicast.
        regexp_like(
            srcaddr,
            '^(0\.|10\.|127\.|169\.254\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|2(2[4-9]|3\d|55)\.|::1$|f[cdf]|fe80:)'
        ) as src_is_private,
        regexp_like(
            dstaddr,
            '^(0\.|10\.|127\.|169\.254\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|2(2[4-9]|3\d|55)\.|::1$|f[cdf]|fe80:)'
        ) as dst_is_private,
        "pkt-srcaddr" as packet_src_addr,
        "pkt-dstaddr" as packet_dst_addr,
        protocol,
        packets,
        bytes,
        action,
        "log-status" as log_status,
        "tcp-flags" as tcp_flags,
        "flow-direction" as flow_direction,
        _file,
        _row
    from input
)

select
    start_time,
    end_time,
    account_id,
    region,
    vpc_id,
    subnet_id,
    instance_id,
    interface_id,
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
    packet_src_addr,
    packet_dst_addr,
    protocol,
    case protocol
        when 1 then 'icmp'
        when 6 then 'tcp'
        when 17 then 'udp'
        when 47 then 'gre'
        when 50 then 'esp'
        when 58 then 'icmp6'
    end as protocol_name,
    packets,
    bytes,
    action,
    log_status,
    tcp_flags,
    flow_direction,
    now() as processed_at,
    _file,
    _row
from flows
