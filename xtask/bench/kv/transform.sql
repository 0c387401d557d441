select
    eventtime as event_time,
    srcip as source_ip,
    srcport as source_port,
    dstip as dest_ip,
    dstport as dest_port,
    "user" as user_name,
    action,
    service,
    devname as device,
    policyid as policy_id,
    sentbyte as bytes_sent,
    rcvdbyte as bytes_received
from input
