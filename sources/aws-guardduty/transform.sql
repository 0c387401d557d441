-- One row per finding, as often as GuardDuty tells it: an update is another row with the same `finding_info.uid`.
with findings as (
    select
        *,
        case when id is null then 0 else 2004 end as class,
        -- Read from there it stays in `unmapped`, too.
        try_cast(json_text(_rest, 'severity') as double) as severity,
        json_text(service, 'action.actionType') as action_type,
        -- The part of the action that fits its type: `networkConnectionAction`, `awsApiCallAction`, …
        coalesce(
            json_text(service, 'action.networkConnectionAction'),
            json_text(service, 'action.awsApiCallAction'),
            json_text(service, 'action.kubernetesApiCallAction'),
            json_text(service, 'action.rdsLoginAttemptAction'),
            json_text(service, 'action.portProbeAction.portProbeDetails[0]'),
            json_text(service, 'action.dnsRequestAction')
        ) as action,
        json_text(resource, 'instanceDetails.networkInterfaces[0]') as interface,
        _file,
        _row,
        _rest
    from input
),

parts as (
    select
        *,
        coalesce(json_text(action, 'remoteIpDetails.ipAddressV4'), json_text(action, 'remoteIpDetails.ipAddressV6')) as remote_ip,
        try_cast(json_text(action, 'remotePortDetails.port') as int) as remote_port,
        -- A port alone is no endpoint.
        case when coalesce(json_text(action, 'localIpDetails.ipAddressV4'), json_text(interface, 'privateIpAddress'),
            json_text(resource, 'instanceDetails.instanceId')) is not null then try_cast(json_text(action, 'localPortDetails.port') as int) end as local_port,
        coalesce(json_text(action, 'localIpDetails.ipAddressV4'), json_text(interface, 'privateIpAddress')) as local_ip,
        json_text(resource, 'instanceDetails.instanceId') as instance_id,
        -- Outbound connections and DNS queries start at the instance.
        coalesce(json_text(action, 'connectionDirection') = 'OUTBOUND' or action_type = 'DNS_REQUEST', false) as is_outbound,
        -- The words before the colon that are tactics of ATT&CK.
        case split_part(type, ':', 1)
            when 'InitialAccess' then 'TA0001' when 'Execution' then 'TA0002' when 'Persistence' then 'TA0003'
            when 'PrivilegeEscalation' then 'TA0004' when 'DefenseEvasion' then 'TA0005' when 'Stealth' then 'TA0005'
            when 'CredentialAccess' then 'TA0006' when 'Discovery' then 'TA0007' when 'Recon' then 'TA0007'
            when 'Exfiltration' then 'TA0010' when 'Impact' then 'TA0040'
        end as tactic,
        coalesce(
            json_text(resource, 'instanceDetails.instanceId'), json_text(resource, 's3BucketDetails[0].arn'),
            json_text(resource, 'eksClusterDetails.arn'), json_text(resource, 'ecsClusterDetails.arn'),
            json_text(resource, 'rdsDbInstanceDetails.dbInstanceArn'), json_text(resource, 'lambdaDetails.functionArn'),
            json_text(resource, 'accessKeyDetails.accessKeyId'), accountId
        ) as resource_uid
    from findings
)

select
    updatedAt as time,
    class as class_uid,
    case when class = 0 then 0 when updatedAt > createdAt then 2 else 1 end as activity_id,
    case when severity >= 9 then 5 when severity >= 7 then 4 when severity >= 4 then 3 when severity >= 1 then 2 else 0 end
        as severity_id,
    case when class = 0 then null when json_text(service, 'archived') = 'true' then 5 when class = 2004 then 1 end as status_id,
    coalesce(title, description) as message,
    try_cast(json_text(service, 'count') as int) as count,
    {'uid': arn, 'event_code': type, 'log_name': 'GuardDuty', 'log_version': schemaVersion} as metadata,
    {
        'provider': 'AWS',
        'account': {'uid': accountId, 'type_id': case when accountId is not null then 10 end},
        'region': region,
        'cloud_partition': partition
    } as cloud,
    case when class = 2004 then {
        'uid': id,
        'title': title,
        'desc': description,
        'types': [type],
        'created_time': createdAt,
        'modified_time': updatedAt,
        'first_seen_time': parse_time(json_text(service, 'eventFirstSeen')),
        'last_seen_time': parse_time(json_text(service, 'eventLastSeen')),
        'attacks': case when tactic is not null then [{'tactic': {'uid': tactic}}] end
    } end as finding_info,
    case when class = 2004 then true end as is_alert,
    case when class = 2004 then {
        'instance_uid': instance_id,
        'hostname': json_text(interface, 'privateDnsName'),
        'ip': json_text(interface, 'privateIpAddress'),
        'vpc_uid': json_text(interface, 'vpcId'),
        'subnet_uid': json_text(interface, 'subnetId'),
        'region': case when instance_id is not null then region end,
        'type_id': case when instance_id is not null then 6 end
    } end as device,
    case when class = 2004 then [{
        'uid': resource_uid,
        'name': coalesce(
            json_text(resource, 's3BucketDetails[0].name'), json_text(resource, 'eksClusterDetails.name'),
            json_text(resource, 'lambdaDetails.functionName')
        ),
        'type': json_text(resource, 'resourceType'),
        'owner': {'name': json_text(resource, 'accessKeyDetails.userName'), 'uid': json_text(resource, 'accessKeyDetails.principalId')},
        'role_id': case json_text(service, 'resourceRole') when 'TARGET' then 1 when 'ACTOR' then 2 end,
        'data': resource
    }] end as resources,
    case when class = 2004 then [{
        'actor': {'user': {
            'name': coalesce(json_text(resource, 'accessKeyDetails.userName'), json_text(resource, 'kubernetesDetails.kubernetesUserDetails.username')),
            'uid': coalesce(json_text(resource, 'accessKeyDetails.principalId'), json_text(resource, 'kubernetesDetails.kubernetesUserDetails.uid'))
        }},
        'api': {
            'operation': coalesce(json_text(action, 'api'), json_text(action, 'verb')),
            'service': {'name': json_text(action, 'serviceName')},
            'response': {'error': json_text(action, 'errorCode')}
        },
        'src_endpoint': {
            'ip': case when is_outbound then local_ip else remote_ip end,
            'port': case when is_outbound then local_port else remote_port end,
            'domain': json_text(action, 'domainDetails.domain'),
            'instance_uid': case when is_outbound then instance_id end
        },
        'dst_endpoint': {
            'ip': case when is_outbound then remote_ip else local_ip end,
            'port': case when is_outbound then remote_port else local_port end,
            'instance_uid': case when not is_outbound then instance_id end
        },
        'query': {'hostname': case when action_type = 'DNS_REQUEST' then json_text(action, 'domain') end},
        'data': service
    }] end as evidences,
    _rest as unmapped,
    _file,
    _row
from parts
