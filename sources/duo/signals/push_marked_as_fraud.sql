-- title: User says that a push was not theirs
-- severity: high
-- technique: T1621
-- description: Somebody has the password and asks for the second factor.
select
    "user"['name'] as entity,
    time,
    concat_ws(' ', "user"['name'], 'marked a request for', service.name, 'from', coalesce(src_endpoint.ip, 'an unknown address'), 'as fraud') as message,
    src_endpoint.ip as source_ip,
    service.name as application,
    _row
from output
where class_uid = 3002
    and (status_code = 'fraud' or status_detail = 'user_marked_fraud')
