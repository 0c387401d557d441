-- title: SSH login succeeded after many failures
-- severity: high
-- technique: T1110.001
-- Five or more failed logins from one address, then a login from it that worked, within one file.
with logins as (
    select
        time,
        src_endpoint['ip'] as ip,
        "user"['name'] as user_name,
        status_id,
        _row,
        sum(case when status_id = 2 then coalesce(count, 1) else 0 end) over (
            partition by src_endpoint['ip'] order by time, _row rows between unbounded preceding and current row
        ) as failures
    from output
    where auth_protocol is not null
        and src_endpoint['ip'] is not null
)

select
    ip as entity,
    time,
    user_name || ' logged in from ' || ip || ' after ' || failures || ' failed logins from there' as message,
    user_name,
    failures,
    _row
from logins
where status_id = 1
    and failures >= 5
qualify row_number() over (partition by ip order by time, _row) = 1
