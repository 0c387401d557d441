-- title: One address fails to log in as many users
-- severity: high
-- technique: T1110.003
-- key: entity
-- every: 15m
-- lookback: 1h
-- false_positives: the address of an office or a proxy after a change of a directory
select
    src_endpoint['ip'] as entity,
    max(time) as time,
    count(*) as failures,
    count(distinct lower(user['name'])) as users,
    array_to_string(array_sort(array_agg(distinct _table)), ', ') as sources,
    src_endpoint['ip'] || ' failed to log in as ' || count(distinct lower(user['name'])) || ' users at '
    || array_to_string(array_sort(array_agg(distinct _table)), ', ') as message
from ocsf.authentication
where status_id = 2
    and src_endpoint['ip'] is not null
group by src_endpoint['ip']
having count(distinct lower(user['name'])) >= 10
    and max(_arrived) >= window_start()
