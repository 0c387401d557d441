-- title: Console login without MFA
-- severity: high
-- technique: T1078.004
-- Only users of IAM itself: for federated logins the second factor is the identity provider's.
select
    coalesce(actor_name, actor_arn, account_id) as entity,
    event_time as time,
    coalesce(actor_name, actor_type, 'someone') || ' logged in to the console of account '
        || coalesce(account_id, 'unknown') || ' without a second factor from '
        || coalesce(source_ip, 'an unknown address') as message,
    source_ip,
    account_id,
    actor_type,
    user_agent,
    _row
from output
where event_name = 'ConsoleLogin'
    and actor_type in ('IAMUser', 'Root')
    and regexp_like(response_elements, '"ConsoleLogin"\s*:\s*"Success"')
    and regexp_like(additional_event_data, '"MFAUsed"\s*:\s*"No"')
