-- title: Logging stopped or weakened
-- severity: high
-- technique: T1562.008
-- Attempts that were refused count too.
select
    coalesce(actor_name, actor_arn, account_id) as entity,
    event_time as time,
    coalesce(actor_name, actor_arn, 'someone') || ' called ' || event_name || ' on '
        || coalesce(split_part(event_source, '.', 1), 'AWS') || ' from '
        || coalesce(source_ip, source_service, 'an unknown address') || ': ' || outcome as message,
    event_name,
    outcome,
    actor_arn,
    source_ip,
    account_id,
    request_parameters,
    _row
from output
where event_name in (
        'StopLogging', 'DeleteTrail', 'UpdateTrail', 'PutEventSelectors',
        'StopEventDataStoreIngestion', 'DeleteEventDataStore',
        'StopConfigurationRecorder', 'DeleteConfigurationRecorder',
        'DeleteFlowLogs', 'DeleteDetector'
    )
    and event_source in (
        'cloudtrail.amazonaws.com', 'config.amazonaws.com', 'ec2.amazonaws.com', 'guardduty.amazonaws.com'
    )
