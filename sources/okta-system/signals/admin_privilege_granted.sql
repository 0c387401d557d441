-- title: Administrator privilege granted
-- severity: medium
-- technique: T1098.003
select
    coalesce("user"['name'], "user"['display_name'], "group"['name'], "user"['uid']) as entity,
    time,
    coalesce(actor['user']['name'], 'someone') || ' granted ' || coalesce(array_to_string(privileges, ', '), 'a privilege')
        || ' to ' || coalesce("user"['name'], "user"['display_name'], "group"['name'], 'an unknown target') as message,
    actor['user']['name'] as actor_login,
    src_endpoint['ip'] as source_ip,
    array_to_string(privileges, ', ') as privilege,
    metadata['event_code'] as event_type,
    _row
from output
where metadata['event_code'] in ('user.account.privilege.grant', 'group.privilege.grant')
    and status_id = 1
