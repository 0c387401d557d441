select
    eventTime as event_time,
    eventID as event_id,
    eventName as event_name,
    eventSource as event_source,
    awsRegion as aws_region,
    recipientAccountId as account_id,
    sourceIPAddress as source_ip,
    userAgent as user_agent,
    errorCode as error_code,
    userIdentity.type as actor_type,
    userIdentity.arn as actor_arn,
    requestParameters as request_parameters
from input
qualify row_number() over (partition by eventID order by _row) = 1
