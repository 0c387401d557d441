-- title: Logging stopped or weakened
-- severity: high
-- technique: T1562.008
-- Attempts that were refused count too.
select
    coalesce(actor['user']['name'], actor['user']['uid'], cloud['account']['uid']) as entity,
    time,
    coalesce(actor['user']['name'], actor['user']['uid'], 'someone') || ' called ' || api['operation'] || ' on '
        || coalesce(split_part(api['service']['name'], '.', 1), 'AWS') || ' from '
        || coalesce(src_endpoint['ip'], src_endpoint['svc_name'], 'an unknown address') || ': '
        || case status_id when 1 then 'success' else 'failure' end as message,
    api['operation'] as event_name,
    case status_id when 1 then 'success' else 'failure' end as outcome,
    actor['user']['uid'] as actor_arn,
    src_endpoint['ip'] as source_ip,
    cloud['account']['uid'] as account_id,
    api['request']['data'] as request_parameters,
    _row
from output
where api['operation'] in (
        'StopLogging', 'DeleteTrail', 'UpdateTrail', 'PutEventSelectors',
        'StopEventDataStoreIngestion', 'DeleteEventDataStore',
        'StopConfigurationRecorder', 'DeleteConfigurationRecorder',
        'DeleteFlowLogs', 'DeleteDetector'
    )
    and api['service']['name'] in (
        'cloudtrail.amazonaws.com', 'config.amazonaws.com', 'ec2.amazonaws.com', 'guardduty.amazonaws.com'
    )
