-- title: A login succeeds after many that failed from the same address
-- severity: high
-- technique: T1110.001
-- key: entity, address
-- entity: entity
-- every: 15m
-- lookback: 1h
-- false_positives: a user who mistypes five times and comes in at last
with logins as (
    select
        lower(coalesce(user['email_addr'], user['name'], user['uid'])) as entity,
        src_endpoint['ip'] as address,
        time,
        status_id,
        _table,
        _arrived
    from ocsf.authentication
    where status_id in (1, 2)
),

failed as (
    select entity, address, min(time) as first_time, max(time) as last_time, count(*) as failures
    from logins
    where status_id = 2
        and entity is not null
        and address is not null
    group by entity, address
    having count(*) >= 5
)

select
    failed.entity,
    failed.address,
    min(logins.time) as time,
    max(failed.failures) as failures,
    array_to_string(array_sort(array_agg(distinct logins._table)), ', ') as sources,
    failed.entity || ' logged in from ' || failed.address || ' after ' || max(failed.failures) || ' failures' as message
from failed
join logins on failed.entity = logins.entity and failed.address = logins.address
where logins.status_id = 1
    and logins.time > failed.first_time
group by failed.entity, failed.address
having max(logins._arrived) >= window_start()
