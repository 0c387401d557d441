select
    eventTime as event_time,
    eventID as event_id,
    eventName as event_name,
    eventSource as event_source,
    awsRegion as aws_region,
    sourceIPAddress as source_ip
from input
