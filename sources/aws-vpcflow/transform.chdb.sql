-- transform.sql in the dialect of chDB (ClickHouse): the same rows.
-- One row per flow record. NODATA and SKIPDATA records name no flow: they stay, as base events.
-- Names with `_` are those of Parquet files.
with flows as (
    select
        *,
        coalesce("account-id", account_id) as account,
        coalesce("interface-id", interface_id) as interface,
        coalesce("log-status", log_status) as log_state,
        coalesce("flow-direction", flow_direction) as flow_way,
        coalesce("traffic-path", traffic_path) as path,
        nullif(coalesce("pkt-srcaddr", pkt_srcaddr), srcaddr) as packet_src,
        nullif(coalesce("pkt-dstaddr", pkt_dstaddr), dstaddr) as packet_dst,
        -- Whether the source and the destination are addresses of the network where they were seen: private, shared, link-local,
        -- unique local, loopback, unspecified. Multicast and broadcast stay inside, too. NULL: no address. IPv4 is compared as IPv6.
        arrayMap(ip -> if(ip is null, null, arrayExists(network -> isIPAddressInRange(ip, network), [
            '::ffff:0.0.0.0/104', '::ffff:10.0.0.0/104', '::ffff:127.0.0.0/104', '::ffff:169.254.0.0/112', '::ffff:172.16.0.0/108',
            '::ffff:192.168.0.0/112', '::ffff:100.64.0.0/106', '::ffff:224.0.0.0/100', '::ffff:255.255.255.255/128',
            '::/127', 'fc00::/7', 'fe80::/10', 'ff00::/8'
        ])), [toIPv6OrNull(srcaddr), toIPv6OrNull(dstaddr)]) as is_inside,
        srcaddr is not null or dstaddr is not null as is_flow,
        _rest, _file, _row
    from input
)

select
    "start" as time,
    "start" as start_time,
    "end" as end_time,
    case when is_flow then 4001 else 0 end as class_uid,
    -- Traffic, Refuse
    case when not is_flow then 0 when action = 'REJECT' then 5 else 6 end as activity_id,
    case action when 'ACCEPT' then 1 when 'REJECT' then 2 end as action_id,
    case when not is_flow or action is null then null when action = 'REJECT' then 2 else 1 end as status_id,
    log_state as status_code,
    coalesce("reject-reason", reject_reason) as status_detail,
    cast(
        (
            srcaddr, srcport, coalesce("pkt-src-aws-service", pkt_src_aws_service), if(packet_src is null, [], [packet_src]),
            case when is_inside[1] then 1 when not is_inside[1] then 2 end
        ),
        'Tuple(ip Nullable(String), port Nullable(Int64), svc_name Nullable(String), intermediate_ips Array(Nullable(String)),
            network_scope_id Nullable(Int64))'
    ) as src_endpoint,
    cast(
        (
            dstaddr, dstport, coalesce("pkt-dst-aws-service", pkt_dst_aws_service), if(packet_dst is null, [], [packet_dst]),
            case when is_inside[2] then 1 when not is_inside[2] then 2 end
        ),
        'Tuple(ip Nullable(String), port Nullable(Int64), svc_name Nullable(String), intermediate_ips Array(Nullable(String)),
            network_scope_id Nullable(Int64))'
    ) as dst_endpoint,
    case when is_flow then cast(
        (
            protocol,
            case protocol
                when 1 then 'icmp' when 6 then 'tcp' when 17 then 'udp' when 47 then 'gre' when 50 then 'esp' when 58 then 'ipv6-icmp' end,
            -- Inbound, Outbound, Lateral by the addresses.
            case
                when is_inside[1] and is_inside[2] then 3 when is_inside[1] and not is_inside[2] then 2
                when is_inside[2] and not is_inside[1] then 1 else 0 end,
            case path when 1 then 4 when 2 then 5 when 3 then 6 when 4 then 7 when 5 then 8 when 6 then 9 when 7 then 10 when 8 then 11 end,
            coalesce("tcp-flags", tcp_flags)
        ),
        'Tuple(protocol_num Nullable(Int64), protocol_name Nullable(String), direction_id Nullable(Int64), boundary_id Nullable(Int64),
            tcp_flags Nullable(Int64))'
    ) end as connection_info,
    cast((packets, bytes), 'Tuple(packets Nullable(Int64), bytes Nullable(Int64))') as traffic,
    -- The interface that saw it: the source's for egress, the destination's for ingress.
    case when is_flow then cast(
        (
            interface, coalesce("instance-id", instance_id), coalesce("subnet-id", subnet_id), coalesce("vpc-id", vpc_id),
            coalesce("az-id", az_id)
        ),
        'Tuple(interface_uid Nullable(String), instance_uid Nullable(String), subnet_uid Nullable(String), vpc_uid Nullable(String),
            zone Nullable(String))'
    ) end as network_observation_point,
    case when is_flow then case flow_way when 'egress' then 1 when 'ingress' then 2 end end as observation_point_id,
    cast(('AWS', region, tuple(account)), 'Tuple(provider String, region Nullable(String), account Tuple(uid Nullable(String)))') as cloud,
    cast(('flow log', version), 'Tuple(log_name String, log_version Nullable(String))') as metadata,
    case when not is_flow then arrayStringConcat(
        [log_state, interface, coalesce("instance-id", instance_id), coalesce("subnet-id", subnet_id), coalesce("vpc-id", vpc_id)], ' '
    ) end as message,
    _rest as unmapped,
    _file,
    _row
from flows
