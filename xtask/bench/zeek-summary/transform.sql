select
    min(ts) as event_time,
    "id.orig_h" as source_ip,
    "id.resp_h" as dest_ip,
    "id.resp_p" as dest_port,
    proto as protocol,
    count(*) as connections,
    count(distinct uid) as ids,
    cast(sum(orig_bytes) as bigint) as bytes_sent,
    cast(sum(resp_bytes) as bigint) as bytes_received,
    max(duration) as longest,
    min(conn_state) as first_state
from input
group by "id.orig_h", "id.resp_h", "id.resp_p", proto
