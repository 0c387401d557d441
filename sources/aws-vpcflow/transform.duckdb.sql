-- transform.sql in DuckDB's dialect: the same rows.
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
        -- unique local, loopback, unspecified. Multicast and broadcast stay inside, too. NULL: no address.
        list_transform([lower(srcaddr), lower(dstaddr)], lambda ip: case
            when regexp_full_match(
                ip,
                '(::ffff:)?((0|10|127|22[4-9]|23\d)(\.\d+){3}|255\.255\.255\.255|(192\.168|169\.254|172\.(1[6-9]|2\d|3[01])|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))(\.\d+){2})'
                    || '|(f[cdf][0-9a-f]{2}|fe[89ab][0-9a-f]):[0-9a-f:.]+|(0{0,4}:){2,7}0{0,3}[01]?'
            ) then true
            when regexp_full_match(ip, '(\d{1,3}\.){3}\d{1,3}|[0-9a-f]*:[0-9a-f.]*:[0-9a-f:.]*') then false
        end) as is_inside,
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
    {
        'ip': srcaddr,
        'port': srcport,
        'svc_name': coalesce("pkt-src-aws-service", pkt_src_aws_service),
        'intermediate_ips': case when packet_src is not null then [packet_src] end,
        'network_scope_id': case when is_inside[1] then 1 when not is_inside[1] then 2 end
    } as src_endpoint,
    {
        'ip': dstaddr,
        'port': dstport,
        'svc_name': coalesce("pkt-dst-aws-service", pkt_dst_aws_service),
        'intermediate_ips': case when packet_dst is not null then [packet_dst] end,
        'network_scope_id': case when is_inside[2] then 1 when not is_inside[2] then 2 end
    } as dst_endpoint,
    case when is_flow then {
        'protocol_num': protocol,
        'protocol_name': case protocol
            when 1 then 'icmp' when 6 then 'tcp' when 17 then 'udp' when 47 then 'gre' when 50 then 'esp' when 58 then 'ipv6-icmp' end,
        -- Inbound, Outbound, Lateral by the addresses.
        'direction_id': case
            when is_inside[1] and is_inside[2] then 3 when is_inside[1] and not is_inside[2] then 2 when is_inside[2] and not is_inside[1] then 1 else 0 end,
        'boundary_id': case path when 1 then 4 when 2 then 5 when 3 then 6 when 4 then 7 when 5 then 8 when 6 then 9 when 7 then 10 when 8 then 11 end,
        'tcp_flags': coalesce("tcp-flags", tcp_flags)
    } end as connection_info,
    {'packets': packets, 'bytes': bytes} as traffic,
    -- The interface that saw it: the source's for egress, the destination's for ingress.
    case when is_flow then {
        'interface_uid': interface,
        'instance_uid': coalesce("instance-id", instance_id),
        'subnet_uid': coalesce("subnet-id", subnet_id),
        'vpc_uid': coalesce("vpc-id", vpc_id),
        'zone': coalesce("az-id", az_id)
    } end as network_observation_point,
    case when is_flow then case flow_way when 'egress' then 1 when 'ingress' then 2 end end as observation_point_id,
    {'provider': 'AWS', 'region': region, 'account': {'uid': account}} as cloud,
    {'log_name': 'flow log', 'log_version': cast(version as text)} as metadata,
    case when not is_flow then concat_ws(' ', log_state, interface, coalesce("instance-id", instance_id), coalesce("subnet-id", subnet_id), coalesce("vpc-id", vpc_id)) end
        as message,
    _rest as unmapped,
    _file,
    _row
from flows
