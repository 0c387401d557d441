select
    time as event_time,
    source_ip,
    dest_ip,
    dest_port,
    "user" as user_name,
    action,
    url,
    bytes_received
from input
