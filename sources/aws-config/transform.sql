-- One row per state of a resource, or per result of a rule that changed.
with items as (
    select
        *,
        case
            when messageType = 'ComplianceChangeNotification' and configRuleName is not null then 2003
            when configurationItemStatus is not null and resourceId is not null then 5023
            else 0
        end as class,
        newEvaluationResult['complianceType'] as verdict,
        _file,
        _row,
        _rest
    from input
)

select
    coalesce(configurationItemCaptureTime, newEvaluationResult['resultRecordedTime'], notificationCreationTime) as time,
    class as class_uid,
    -- Snapshots are collected, histories are logged when something changes.
    case class
        when 5023 then case when _file like '%ConfigSnapshot%' then 2 else 1 end
        when 2003 then case when verdict = 'COMPLIANT' then 3 when oldEvaluationResult['complianceType'] is not null then 2 else 1 end
        else 0
    end as activity_id,
    case when class = 2003 and verdict = 'NON_COMPLIANT' then 3 else 1 end as severity_id,
    case when class = 2003 then case when verdict = 'COMPLIANT' then 4 when verdict = 'NON_COMPLIANT' then 1 else 0 end end as status_id,
    configurationItemStatus as status_detail,
    case class
        when 2003 then concat_ws(' ', resourceType, resourceId, 'is', verdict, 'by rule', configRuleName)
        when 5023 then concat_ws(' ', resourceType, coalesce(resourceName, resourceId), configurationItemStatus)
        else messageType
    end as message,
    {'uid': configurationStateId, 'event_code': coalesce(messageType, resourceType), 'log_name': 'Config', 'log_version': configurationItemVersion,
        'logged_time': notificationCreationTime} as metadata,
    {
        'provider': 'AWS',
        'account': {'uid': awsAccountId, 'type_id': case when awsAccountId is not null then 10 end},
        'region': awsRegion,
        'zone': case when availabilityZone not in ('Multiple Availability Zones', 'Not Applicable', 'Regional') then availabilityZone end
    } as cloud,
    case when class <> 0 then [{
        'uid': coalesce(ARN, resourceId),
        'uid_alt': case when ARN is not null then resourceId end,
        'name': resourceName,
        'type': resourceType,
        'region': awsRegion,
        'created_time': resourceCreationTime,
        'data': configuration
    }] end as resources,
    case when class = 2003 then {
        'uid': concat_ws('/', configRuleARN, resourceType, resourceId),
        'title': configRuleName,
        'types': ['Config rule'],
        'analytic': {'uid': configRuleARN, 'name': configRuleName, 'type_id': 1}
    } end as finding_info,
    case when class = 2003 then {
        'control': configRuleName,
        'status_id': case verdict when 'COMPLIANT' then 1 when 'NON_COMPLIANT' then 3 when 'NOT_APPLICABLE' then 99 else 0 end,
        'status': case when verdict = 'NOT_APPLICABLE' then verdict end,
        'status_details': case when newEvaluationResult['annotation'] <> '' then [newEvaluationResult['annotation']] end
    } end as compliance,
    _rest as unmapped,
    _file,
    _row
from items
