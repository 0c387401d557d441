-- title: Connection to an outside address held open for hours
-- severity: medium
-- technique: T1071
-- Four hours or more: remote control that keeps its line open.
select
    src_addr as entity,
    start_time as time,
    src_addr || ' kept a connection to ' || dst_addr || ' port ' || dst_port || ' open for '
        || cast(duration_seconds / 60 as bigint) || ' minutes' as message,
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
    and duration_seconds >= 14400
