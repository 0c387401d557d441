-- title: Sign-in of high risk succeeded
-- severity: high
-- technique: T1078.004
-- description: Microsoft held the sign-in for one of somebody else, and it was let through
select
    "user"['name'] as entity,
    time,
    "user"['name'] || ' signed in to ' || service['name'] || ' from ' || coalesce(src_endpoint['ip'], 'an unknown address')
        || ' with high risk' as message,
    src_endpoint['ip'] as source_ip,
    src_endpoint['location']['country'] as country,
    risk_details,
    _row
from output
where class_uid = 3002
    and status_id = 1
    and risk_level_id = 3
