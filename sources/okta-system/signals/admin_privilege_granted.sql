-- title: Administrator privilege granted
-- severity: medium
-- technique: T1098.003
select
    coalesce(target_login, target_name, target_id) as entity,
    event_time as time,
    coalesce(actor_login, 'someone') || ' granted ' || coalesce(debug_data['privilegeGranted'], 'a privilege')
        || ' to ' || coalesce(target_login, target_name, 'an unknown target') as message,
    actor_login,
    source_ip,
    debug_data['privilegeGranted'] as privilege,
    event_type,
    _row
from output
where event_type in ('user.account.privilege.grant', 'group.privilege.grant')
    and outcome = 'success'
