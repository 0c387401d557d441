-- title: Access key created for another user
-- severity: high
-- technique: T1098.001
-- A key for someone else outlives a password reset of the account that made it.
select
    coalesce(actor_name, actor_arn) as entity,
    event_time as time,
    coalesce(actor_name, actor_arn, 'someone') || ' created an access key for '
        || regexp_match(request_parameters, '"userName"\s*:\s*"([^"]+)"')[1]
        || ' from ' || coalesce(source_ip, source_service, 'an unknown address') as message,
    regexp_match(request_parameters, '"userName"\s*:\s*"([^"]+)"')[1] as key_owner,
    actor_arn,
    source_ip,
    account_id,
    _row
from output
where event_name = 'CreateAccessKey'
    and outcome = 'success'
    and regexp_match(request_parameters, '"userName"\s*:\s*"([^"]+)"')[1] <> coalesce(actor_name, '')
