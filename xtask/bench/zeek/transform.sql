select
    ts as event_time,
    uid,
    "id.orig_h" as source_ip,
    "id.orig_p" as source_port,
    "id.resp_h" as dest_ip,
    "id.resp_p" as dest_port,
    proto as protocol,
    service,
    duration,
    orig_bytes as bytes_sent,
    resp_bytes as bytes_received,
    conn_state
from input
