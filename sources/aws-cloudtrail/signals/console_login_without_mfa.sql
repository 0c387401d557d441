-- title: Console login without MFA
-- severity: high
-- technique: T1078.004
-- Only users of IAM itself: for federated logins the second factor is the identity provider's.
select
    coalesce(actor['user']['name'], actor['user']['uid'], cloud['account']['uid']) as entity,
    time,
    coalesce(actor['user']['name'], actor['user']['type'], 'someone') || ' logged in to the console of account '
        || coalesce(cloud['account']['uid'], 'unknown') || ' without a second factor from '
        || coalesce(src_endpoint['ip'], 'an unknown address') as message,
    src_endpoint['ip'] as source_ip,
    cloud['account']['uid'] as account_id,
    actor['user']['type'] as actor_type,
    http_request['user_agent'] as user_agent,
    _row
from output
where api['operation'] = 'ConsoleLogin'
    and actor['user']['type'] in ('IAMUser', 'Root')
    and json_text(api['response']['data'], 'ConsoleLogin') = 'Success'
    and json_text(unmapped, 'additionalEventData.MFAUsed') = 'No'
