-- title: Bypass code made for a user
-- severity: medium
-- technique: T1556.006
-- description: Whoever has the code logs in without the second factor.
-- false_positives: A help desk at work.
select
    "user"['name'] as entity,
    time,
    concat_ws(' ', actor['user']['name'], 'made a bypass code for', "user"['name']) as message,
    actor['user']['name'] as actor_name,
    src_endpoint.ip as source_ip,
    _row
from output
where metadata.event_code = 'bypass_create'
