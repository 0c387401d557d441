select
    "timestamp" as event_time,
    hostname,
    appname as process_name,
    procid as process_id,
    severity,
    message
from input
