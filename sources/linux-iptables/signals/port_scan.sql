-- title: Port scan
-- severity: medium
-- technique: T1046
-- One address that knocked at fifteen ports or more of one address, within one file.
select
    src_endpoint['ip'] as entity,
    min(time) as time,
    src_endpoint['ip'] || ' tried ' || count(distinct dst_endpoint['port']) || ' ports of ' || dst_endpoint['ip'] as message,
    dst_endpoint['ip'] as target,
    count(distinct dst_endpoint['port']) as ports
from output
where class_uid = 4001
    and dst_endpoint['port'] is not null
group by src_endpoint['ip'], dst_endpoint['ip']
having count(distinct dst_endpoint['port']) >= 15
