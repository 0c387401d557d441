-- One row per finding and update of it. Rows of one finding share `finding_info.uid`.
with findings as (
    select
        *,
        case
            when Id is null then 0
            when Compliance.Status is not null then 2003
            when json_text(Vulnerabilities, '[0].Id') is not null then 2002
            else 2004
        end as class,
        coalesce(
            json_text(Action, 'AwsApiCallAction'), json_text(Action, 'NetworkConnectionAction'),
            json_text(Action, 'PortProbeAction.PortProbeDetails[0]')
        ) as action,
        json_text(Vulnerabilities, '[0].Id') as vulnerability,
        Resources[1] as first_resource,
        Resources[2] as second_resource,
        Resources[3] as third_resource,
        -- `OUTBOUND`: the other end is the destination.
        coalesce(json_text(Action, 'NetworkConnectionAction.ConnectionDirection') = 'OUTBOUND', false) as is_outbound,
        _file,
        _row,
        _rest,
        _raw
    from input
)

select
    coalesce(UpdatedAt, LastObservedAt, CreatedAt) as time,
    class as class_uid,
    case
        when class = 0 then 0
        when RecordState = 'ARCHIVED' or Workflow.Status = 'RESOLVED' then 3
        when UpdatedAt > CreatedAt then 2
        else 1
    end as activity_id,
    coalesce(
        case upper(Severity.Label) when 'INFORMATIONAL' then 1 when 'LOW' then 2 when 'MEDIUM' then 3 when 'HIGH' then 4 when 'CRITICAL' then 5 end,
        case when Severity.Normalized >= 90 then 5 when Severity.Normalized >= 70 then 4 when Severity.Normalized >= 40 then 3
            when Severity.Normalized >= 1 then 2 when Severity.Normalized = 0 then 1 end,
        0
    ) as severity_id,
    case
        when class = 0 then null
        when RecordState = 'ARCHIVED' then 5
        when Workflow.Status = 'NEW' then 1
        when Workflow.Status = 'NOTIFIED' then 2
        when Workflow.Status = 'SUPPRESSED' then 3
        when Workflow.Status = 'RESOLVED' then 4
        else 0
    end as status_id,
    Title as message,
    {'uid': Id, 'event_code': GeneratorId, 'log_name': 'Security Hub', 'log_provider': ProductName, 'log_version': SchemaVersion} as metadata,
    {
        'provider': 'AWS',
        'account': {'uid': AwsAccountId, 'type_id': case when AwsAccountId is not null then 10 end},
        'region': Region,
        'cloud_partition': first_resource['Partition']
    } as cloud,
    case when class <> 0 then {
        'uid': Id,
        'title': Title,
        'desc': Description,
        'types': Types,
        'src_url': SourceUrl,
        'created_time': CreatedAt,
        'modified_time': UpdatedAt,
        'first_seen_time': FirstObservedAt,
        'last_seen_time': LastObservedAt,
        'product': {'uid': ProductArn, 'name': ProductName, 'vendor_name': CompanyName},
        'analytic': {'uid': GeneratorId, 'type_id': case when GeneratorId is not null then 1 end}
    } end as finding_info,
    case when class <> 0 then Confidence end as confidence_score,
    case when class = 2004 then true end as is_alert,
    case when class = 2003 then {
        'control': coalesce(Compliance.SecurityControlId, GeneratorId),
        'requirements': Compliance.RelatedRequirements,
        'status': case Compliance.Status when 'PASSED' then 'Pass' when 'WARNING' then 'Warning' when 'FAILED' then 'Fail' else Compliance.Status end,
        'status_id': case Compliance.Status when 'PASSED' then 1 when 'WARNING' then 2 when 'FAILED' then 3 else 99 end
    } end as compliance,
    case when class = 2002 then [{
        'cve': {
            'uid': case when vulnerability like 'CVE-%' then vulnerability end,
            'references': case when vulnerability like 'CVE-%' then [json_text(Vulnerabilities, '[0].ReferenceUrls[0]')] end
        },
        'advisory': {'uid': case when vulnerability not like 'CVE-%' then vulnerability end},
        'title': Title,
        'severity': Severity.Label,
        'affected_packages': case when json_text(Vulnerabilities, '[0].VulnerablePackages[0].Version') is not null then [{
            'name': json_text(Vulnerabilities, '[0].VulnerablePackages[0].Name'),
            'version': json_text(Vulnerabilities, '[0].VulnerablePackages[0].Version'),
            'fixed_in_version': json_text(Vulnerabilities, '[0].VulnerablePackages[0].FixedInVersion')
        }] end,
        'vendor_name': json_text(Vulnerabilities, '[0].Vendor.Name'),
        'is_fix_available': case json_text(Vulnerabilities, '[0].FixAvailable') when 'YES' then true when 'NO' then false end,
        'is_exploit_available': case json_text(Vulnerabilities, '[0].ExploitAvailable') when 'YES' then true when 'NO' then false end
    }] end as vulnerabilities,
    case when class <> 0 then {
        'desc': Remediation.Recommendation.Text,
        'references': case when Remediation.Recommendation.Text is not null then [Remediation.Recommendation.Url] end
    } end as remediation,
    -- The first three resources; a finding seldom has more.
    case when class <> 0 then array_slice([
        {'uid': first_resource['Id'], 'type': first_resource['Type'], 'region': first_resource['Region'],
            'role_id': case upper(first_resource['ResourceRole']) when 'TARGET' then 1 when 'ACTOR' then 2 end, 'data': first_resource['Details']},
        {'uid': second_resource['Id'], 'type': second_resource['Type'], 'region': second_resource['Region'],
            'role_id': case upper(second_resource['ResourceRole']) when 'TARGET' then 1 when 'ACTOR' then 2 end, 'data': second_resource['Details']},
        {'uid': third_resource['Id'], 'type': third_resource['Type'], 'region': third_resource['Region'],
            'role_id': case upper(third_resource['ResourceRole']) when 'TARGET' then 1 when 'ACTOR' then 2 end, 'data': third_resource['Details']}
    ], 1, cast(array_length(Resources) as bigint)) end as resources,
    case when class = 2004 then [{
        'api': {'operation': json_text(action, 'Api'), 'service': {'name': json_text(action, 'ServiceName')}},
        'src_endpoint': {
            'ip': coalesce(case when not is_outbound then json_text(action, 'RemoteIpDetails.IpAddressV4') end, json_text(Network, 'SourceIpV4')),
            'port': try_cast(coalesce(
                json_text(action, case when is_outbound then 'LocalPortDetails.Port' else 'RemotePortDetails.Port' end),
                json_text(Network, 'SourcePort')) as int),
            'uid': case when is_outbound then first_resource['Id'] end
        },
        'dst_endpoint': {
            'ip': coalesce(case when is_outbound then json_text(action, 'RemoteIpDetails.IpAddressV4') end, json_text(Network, 'DestinationIpV4')),
            'port': try_cast(coalesce(
                json_text(action, case when is_outbound then 'RemotePortDetails.Port' else 'LocalPortDetails.Port' end),
                json_text(Network, 'DestinationPort')) as int),
            -- The end that is ours: the resource.
            'uid': case when not is_outbound and json_text(action, 'LocalPortDetails.Port') is not null then first_resource['Id'] end
        },
        'data': coalesce(Action, Network)
    }] end as evidences,
    -- What the columns above have only a part of.
    '{' || nullif(concat_ws(',',
        '"Severity":' || case when left(json_text(_raw, 'Severity'), 1) in ('{', '[') then json_text(_raw, 'Severity') end, '"Compliance":' || case when left(json_text(_raw, 'Compliance'), 1) in ('{', '[') then json_text(_raw, 'Compliance') end,
        '"Resources":' || case when first_resource['Id'] is not null then json_text(_raw, 'Resources') end,
        '"Vulnerabilities":' || case when left(Vulnerabilities, 1) in ('{', '[') then Vulnerabilities end,
        '"Action":' || case when class <> 2004 and left(Action, 1) in ('{', '[') then Action end, '"Network":' || case when (class <> 2004 or Action is not null) and left(Network, 1) = '{' then Network end,
        substr(_rest, 2, length(_rest) - 2)), '') || '}' as unmapped,
    _file,
    _row
from findings
