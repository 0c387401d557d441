-- title: Large upload to an outside address
-- severity: high
-- technique: T1048
-- 1 GiB or more in one connection from an inside address to an outside one.
select
    src_addr as entity,
    start_time as time,
    src_addr || ' sent ' || (bytes_sent / 1048576) || ' MiB to ' || dst_addr || ' port ' || dst_port || ' in '
        || cast(coalesce(duration_seconds, 0) as bigint) || ' s' as message,
    dst_addr,
    dst_port,
    service,
    bytes_sent,
    bytes_received,
    duration_seconds,
    uid,
    _row
from output
where direction = 'outbound'
    and bytes_sent >= 1073741824
