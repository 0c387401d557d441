-- title: Member added to a group of administrators
-- severity: high
-- technique: T1098.007
-- description: Somebody is now in Administrators of a host, or in Domain, Enterprise or Schema Admins
-- entity: member
-- key: group_name, member
-- references: https://learn.microsoft.com/en-us/windows-server/identity/ad-ds/manage/understand-security-groups
-- false_positives: Changes that administrators make and have announced
select
    coalesce("user"['name'], "user"['uid']) as member,
    time,
    coalesce(actor['user']['name'], 'somebody') || ' added ' || coalesce("user"['name'], "user"['uid'], 'a member') || ' to '
        || coalesce("group"['name'], "group"['uid']) || ' on ' || device['hostname'] as message,
    "group"['name'] as group_name,
    actor['user']['name'] as changed_by,
    device['hostname'] as host,
    _row
from output
where class_uid = 3006
    and activity_id = 3
    -- By identifier: names differ by language.
    and regexp_like("group"['uid'], '^S-1-5-32-544$|^S-1-5-21-.*-(512|518|519)$')
