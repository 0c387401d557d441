select
    rt as event_time,
    device_vendor,
    device_product,
    name,
    severity,
    src as source_ip,
    spt as source_port,
    dst as dest_ip,
    dpt as dest_port,
    act as action,
    suser as user_name,
    msg as message
from input
