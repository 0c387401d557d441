-- title: Large upload to an outside address
-- severity: high
-- technique: T1048
-- 1 GiB or more in one connection from an inside address to an outside one.
select
    src_endpoint['ip'] as entity,
    time,
    src_endpoint['ip'] || ' sent ' || (traffic['bytes_out'] / 1048576) || ' MiB to ' || dst_endpoint['ip'] || ' port '
        || dst_endpoint['port'] || ' in ' || (coalesce(duration, 0) / 1000) || ' s' as message,
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
    and traffic['bytes_out'] >= 1073741824
