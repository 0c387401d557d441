-- title: MFA factor reset or deactivated
-- severity: high
-- technique: T1556.006
select
    coalesce(target_login, target_name, actor_login) as entity,
    event_time as time,
    coalesce(actor_login, 'someone') || ' removed a factor of ' || coalesce(target_login, target_name, 'an unknown user')
        || ' from ' || coalesce(source_ip, 'an unknown address') as message,
    actor_login,
    source_ip,
    source_country,
    event_type,
    outcome_reason,
    _row
from output
where event_type in ('user.mfa.factor.deactivate', 'user.mfa.factor.reset_all', 'system.mfa.factor.deactivate')
    and outcome = 'success'
