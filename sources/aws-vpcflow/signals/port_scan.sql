-- title: Port scan turned away
-- severity: medium
-- technique: T1046
-- One source, 20 or more different ports rejected within one file.
select
    src_addr as entity,
    min(start_time) as time,
    src_addr || ' was rejected on ' || count(distinct dst_port) || ' ports of '
        || count(distinct dst_addr) || ' hosts' as message,
    count(distinct dst_port) as ports,
    count(distinct dst_addr) as hosts,
    count(*) as flows,
    min(dst_port) as port_min,
    max(dst_port) as port_max,
    max(end_time) as last_time,
    min(_row) as _row
from output
where action = 'REJECT'
    and protocol in (6, 17)
group by src_addr
having count(distinct dst_port) >= 20
