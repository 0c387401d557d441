-- title: Access key created for another user
-- severity: high
-- technique: T1098.001
-- A key for someone else outlives a password reset of the account that made it.
with keys as (
    select
        *,
        coalesce(actor['user']['name'], actor['user']['uid']) as who,
        json_text(api['request']['data'], 'userName') as key_owner
    from output
    where api['operation'] = 'CreateAccessKey'
        and status_id = 1
)

select
    who as entity,
    time,
    coalesce(who, 'someone') || ' created an access key for ' || key_owner
        || ' from ' || coalesce(src_endpoint['ip'], src_endpoint['svc_name'], 'an unknown address') as message,
    key_owner,
    actor['user']['uid'] as actor_arn,
    src_endpoint['ip'] as source_ip,
    cloud['account']['uid'] as account_id,
    _row
from keys
where key_owner <> coalesce(actor['user']['name'], '')
