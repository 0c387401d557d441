select
    time as event_time,
    host as source_ip,
    "user" as user_name,
    request,
    status,
    bytes as bytes_sent,
    referer,
    agent as user_agent
from input
