-- title: Wrong passwords of many users from one address
-- severity: high
-- technique: T1110.003
-- key: entity
-- description: Five users or more whose password was wrong, from one address within one file
-- 50126 is a wrong name or password, 50053 a locked account.
select
    src_endpoint['ip'] as entity,
    min(time) as time,
    src_endpoint['ip'] || ' tried the passwords of ' || count(distinct "user"['name']) || ' users' as message,
    count(distinct "user"['name']) as users,
    count(*) as failures,
    max(time) as last_time,
    min(_row) as _row
from output
where class_uid = 3002
    and status_code in ('50126', '50053')
    and src_endpoint['ip'] is not null
group by src_endpoint['ip']
having count(distinct "user"['name']) >= 5
