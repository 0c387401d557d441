select
    "start" as event_time,
    "account-id" as account_id,
    "interface-id" as interface_id,
    srcaddr as source_ip,
    dstaddr as dest_ip,
    srcport as source_port,
    dstport as dest_port,
    protocol,
    packets,
    bytes,
    action
from input
