-- title: Login succeeded after many failures
-- severity: high
-- technique: T1110.003
-- Five or more failed logins from one address, then a login from it that worked, within one file.
with logins as (
    select
        event_time,
        source_ip,
        actor_login,
        outcome,
        _row,
        count(*) filter (where outcome = 'failure') over (
            partition by source_ip order by event_time, _row rows between unbounded preceding and current row
        ) as failures
    from output
    where event_type = 'user.session.start'
        and source_ip is not null
)

select
    source_ip as entity,
    event_time as time,
    coalesce(actor_login, 'someone') || ' logged in from ' || source_ip || ' after ' || failures
        || ' failed logins from there' as message,
    actor_login,
    failures,
    _row
from logins
where outcome = 'success'
    and failures >= 5
qualify row_number() over (partition by source_ip order by event_time, _row) = 1
