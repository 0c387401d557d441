-- title: Large upload to an outside address
-- severity: high
-- technique: T1048
-- 1 GiB or more from one inside address to one outside address within one file.
select
    src_addr as entity,
    min(start_time) as time,
    src_addr || ' sent ' || (sum(bytes) / 1048576) || ' MiB to ' || dst_addr || ' in ' || count(*) || ' flows' as message,
    dst_addr,
    sum(bytes) as bytes,
    sum(packets) as packets,
    count(*) as flows,
    max(end_time) as last_time,
    min(_row) as _row
from output
where action = 'ACCEPT'
    and direction = 'outbound'
group by src_addr, dst_addr
having sum(bytes) >= 1073741824
