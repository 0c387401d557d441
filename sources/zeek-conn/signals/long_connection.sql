-- title: Connection to an outside address held open for hours
-- severity: medium
-- technique: T1071
-- Four hours or more: remote control that keeps its line open.
select
    src_endpoint['ip'] as entity,
    time,
    src_endpoint['ip'] || ' kept a connection to ' || dst_endpoint['ip'] || ' port ' || dst_endpoint['port'] || ' open for '
        || (duration / 60000) || ' minutes' as message,
    dst_endpoint['ip'] as dst_addr,
    dst_endpoint['port'] as dst_port,
    app_protocol_name as service,
    traffic['bytes_out'] as bytes_sent,
    traffic['bytes_in'] as bytes_received,
    duration / 1000.0 as duration_seconds,
    metadata['uid'] as uid,
    _row
from output
where connection_info['direction_id'] = 2
    and duration >= 14400000
