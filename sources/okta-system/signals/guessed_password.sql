-- title: Login succeeded after many failures
-- severity: high
-- technique: T1110.003
-- Five or more failed logins from one address, then a login from it that worked, within one file.
with logins as (
    select
        time,
        src_endpoint['ip'] as source_ip,
        actor['user']['name'] as actor_login,
        status_id,
        _row,
        count(*) filter (where status_id = 2) over (
            partition by src_endpoint['ip'] order by time, _row rows between unbounded preceding and current row
        ) as failures
    from output
    where metadata['event_code'] = 'user.session.start'
        and src_endpoint['ip'] is not null
)

select
    source_ip as entity,
    time,
    coalesce(actor_login, 'someone') || ' logged in from ' || source_ip || ' after ' || failures
        || ' failed logins from there' as message,
    actor_login,
    failures,
    _row
from logins
where status_id = 1
    and failures >= 5
qualify row_number() over (partition by source_ip order by time, _row) = 1
