-- title: Login or sign-up with a password from a breach
-- severity: high
-- technique: T1110.004
select
    coalesce(evidences[1]['user']['name'], evidences[1]['src_endpoint']['ip']) as entity,
    time,
    message,
    evidences[1]['src_endpoint']['ip'] as source_ip,
    metadata.event_code as code,
    _row
from output
where metadata.event_code in ('pwd_leak', 'signup_pwd_leak', 'reset_pwd_leak')
