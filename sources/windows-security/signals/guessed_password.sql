-- title: Logon after many failed ones
-- severity: high
-- technique: T1110.001
-- description: Five or more failed logons from one address or workstation, then one that worked, within one file
-- entity: source
-- key: source
-- false_positives: A person who forgot a password, or a device that kept an old one
with logons as (
    select
        coalesce(src_endpoint['ip'], src_endpoint['hostname']) as source,
        time,
        status_id,
        "user"['name'] as user_name,
        device['hostname'] as host,
        _row,
        count(*) filter (where status_id = 2) over (
            partition by coalesce(src_endpoint['ip'], src_endpoint['hostname'])
            order by time, _row rows between unbounded preceding and current row
        ) as failures
    from output
    where class_uid = 3002
        and activity_id = 1
        and coalesce(src_endpoint['ip'], src_endpoint['hostname']) is not null
)

select
    source,
    time,
    coalesce(user_name, 'somebody') || ' logged on to ' || host || ' from ' || source || ' after ' || failures || ' failed logons' as message,
    user_name,
    host,
    failures,
    _row
from logons
where status_id = 1
    and failures >= 5
qualify row_number() over (partition by source order by time, _row) = 1
