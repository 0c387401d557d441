-- title: Port scan turned away
-- severity: medium
-- technique: T1046
-- One source, 20 or more different ports rejected within one file.
select
    src_endpoint['ip'] as entity,
    min(start_time) as time,
    src_endpoint['ip'] || ' was rejected on ' || count(distinct dst_endpoint['port']) || ' ports of '
        || count(distinct dst_endpoint['ip']) || ' hosts' as message,
    count(distinct dst_endpoint['port']) as ports,
    count(distinct dst_endpoint['ip']) as hosts,
    count(*) as flows,
    min(dst_endpoint['port']) as port_min,
    max(dst_endpoint['port']) as port_max,
    max(end_time) as last_time,
    min(_row) as _row
from output
where action_id = 2
    and connection_info['protocol_num'] in (6, 17)
group by src_endpoint['ip']
having count(distinct dst_endpoint['port']) >= 20
