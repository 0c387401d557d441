-- title: MFA factor reset or deactivated
-- severity: high
-- technique: T1556.006
select
    coalesce("user"['name'], "user"['display_name'], resources[1]['name'], actor['user']['name']) as entity,
    time,
    coalesce(actor['user']['name'], 'someone') || ' removed a factor of '
        || coalesce("user"['name'], "user"['display_name'], resources[1]['name'], 'an unknown user')
        || ' from ' || coalesce(src_endpoint['ip'], 'an unknown address') as message,
    actor['user']['name'] as actor_login,
    src_endpoint['ip'] as source_ip,
    src_endpoint['location']['country'] as source_country,
    metadata['event_code'] as event_type,
    status_detail as outcome_reason,
    _row
from output
where metadata['event_code'] in ('user.mfa.factor.deactivate', 'user.mfa.factor.reset_all', 'system.mfa.factor.deactivate')
    and status_id = 1
