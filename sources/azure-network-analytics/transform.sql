-- One row per line. Traffic analytics adds the flows of an hour up: `count` of them lie between the two times.
with flows as (
    select
        *,
        coalesce(FlowStartTime, FlowStartTime_t, TimeGenerated) as started,
        coalesce(FlowEndTime, FlowEndTime_t) as ended,
        coalesce(FlowDirection, FlowDirection_s) as direction,
        coalesce(AllowedInFlows, AllowedInFlows_d, 0) + coalesce(AllowedOutFlows, AllowedOutFlows_d, 0) as allowed,
        coalesce(DeniedInFlows, DeniedInFlows_d, 0) + coalesce(DeniedOutFlows, DeniedOutFlows_d, 0) as denied,
        try_cast(coalesce(DestPort, DestPort_d) as bigint) as port,
        case when coalesce(FlowDirection, FlowDirection_s) = 'I' then AllExtIPs else VMIPAddress end as near_source,
        case when coalesce(FlowDirection, FlowDirection_s) = 'I' then VMIPAddress else AllExtIPs end as near_target,
        _file,
        _row,
        _rest
    from input
)

select
    started as time,
    started as start_time,
    ended as end_time,
    case when denied > 0 and allowed = 0 then 5 else 6 end as activity_id,
    try_cast(allowed + denied as bigint) as count,
    -- From or to an address that Microsoft knows as malicious.
    case when coalesce(FlowType, FlowType_s) = 'MaliciousFlow' then 3 end as severity_id,
    case when denied > 0 and allowed = 0 then 2 when allowed > 0 then 1 else 0 end as action_id,
    case when denied > 0 and allowed = 0 then 2 when allowed > 0 then 1 else 0 end as disposition_id,
    -- Of flows to and from public addresses only the machine and the other end are told.
    {
        'ip': coalesce(SrcIP, SrcIP_s, near_source),
        'hostname': case when direction <> 'I' then coalesce(VMName, VM_s) end
    } as src_endpoint,
    {
        'ip': coalesce(DestIP, DestIP_s, near_target),
        'port': port,
        'hostname': case when direction = 'I' then coalesce(VMName, VM_s) end
    } as dst_endpoint,
    ocsf_connection(
        case coalesce(L4Protocol, L4Protocol_s) when 'T' then 'tcp' when 'U' then 'udp' end,
        case direction when 'I' then 'inbound' when 'O' then 'outbound' end
    ) as connection_info,
    coalesce(L7Protocol, L7Protocol_s) as app_protocol_name,
    {'log_name': 'AzureNetworkAnalytics_CL', 'event_code': coalesce(FlowType, FlowType_s), 'logged_time': TimeGenerated, 'tenant_uid': TenantId} as metadata,
    {'provider': 'Azure', 'region': VMRegion} as cloud,
    ResourceGroup as message,
    _rest as unmapped,
    _file,
    _row
from flows
