-- title: Administrator role granted
-- severity: high
-- technique: T1098.003
-- description: Somebody became administrator of the directory, of Exchange or of a site.
select
    "user"['name'] as entity,
    time,
    concat_ws(' ', actor['user']['name'], 'gave', coalesce(privileges[1], "group"['name']), 'to', coalesce("user"['name'], 'somebody')) as message,
    actor['user']['name'] as actor_name,
    coalesce(privileges[1], "group"['name']) as role,
    src_endpoint.ip as source_ip,
    _row
from output
where (metadata.event_code in ('Add member to role', 'Add eligible member to role') and regexp_like(privileges[1], 'Admin'))
    or metadata.event_code = 'SiteCollectionAdminAdded'
    or (metadata.event_code = 'Add-RoleGroupMember' and regexp_like("group"['name'], 'Management|Admin'))
