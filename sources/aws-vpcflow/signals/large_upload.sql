-- title: Large upload to an outside address
-- severity: high
-- technique: T1048
-- 1 GiB or more from one inside address to one outside address within one file.
select
    src_endpoint['ip'] as entity,
    min(start_time) as time,
    src_endpoint['ip'] || ' sent ' || (sum(traffic['bytes']) / 1048576) || ' MiB to ' || dst_endpoint['ip']
        || ' in ' || count(*) || ' flows' as message,
    dst_endpoint['ip'] as dst_addr,
    sum(traffic['bytes']) as bytes,
    sum(traffic['packets']) as packets,
    count(*) as flows,
    max(end_time) as last_time,
    min(_row) as _row
from output
where action_id = 1
    and connection_info['direction_id'] = 2
group by src_endpoint['ip'], dst_endpoint['ip']
having sum(traffic['bytes']) >= 1073741824
