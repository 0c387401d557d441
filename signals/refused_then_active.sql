-- title: An address that was refused at one place works at another
-- severity: medium
-- technique: T1078
-- key: entity
-- every: 15m
-- lookback: 6h
-- false_positives: the address of an office, where some mistype passwords and others work
with refused as (
    select
        src_endpoint['ip'] as address,
        min(time) as first_time,
        count(*) as failures,
        count(distinct lower(user['name'])) as users,
        array_agg(distinct _table) as sources
    from ocsf.authentication
    where status_id = 2
        and src_endpoint['ip'] is not null
    group by src_endpoint['ip']
    having count(distinct lower(user['name'])) >= 3
)

select
    refused.address as entity,
    min(calls.time) as time,
    max(refused.failures) as failures,
    count(*) as calls,
    array_to_string(array_sort(array_agg(distinct calls._table)), ', ') as sources,
    array_to_string(array_sort(array_agg(distinct lower(calls.actor['user']['name']))), ', ') as users,
    refused.address || ' failed to log in as ' || max(refused.users) || ' users and then made ' || count(*)
    || ' calls at ' || array_to_string(array_sort(array_agg(distinct calls._table)), ', ') as message
from refused
join ocsf.api_activity as calls on calls.src_endpoint['ip'] = refused.address
where calls.time > refused.first_time
    and calls.status_id = 1
    and not array_has(refused.sources, calls._table)
group by refused.address
having max(calls._arrived) >= window_start()
