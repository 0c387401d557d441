-- title: Command started inside a pod
-- severity: medium
-- technique: T1609
-- description: Somebody opened a shell in a running container, or attached to it
-- false_positives: engineers who debug with kubectl exec
-- An exec answers with 101 (the connection goes on) or 200 and is written at up to two stages: the first one counts.
select
    actor['user']['name'] as entity,
    time,
    actor['user']['name'] || ' ran a command in pod ' || coalesce(resources[1]['namespace'], '?') || '/'
        || coalesce(resources[1]['name'], '?') as message,
    src_endpoint['ip'] as source_ip,
    resources[1]['namespace'] as namespace,
    resources[1]['name'] as pod,
    http_request['url']['query_string'] as command,
    http_request['user_agent'] as user_agent,
    _row
from output
where class_uid = 6003
    and resources[1]['type'] in ('pods/exec', 'pods/attach')
    and status_id = 1
qualify metadata['uid'] is null or row_number() over (partition by metadata['uid'] order by _row) = 1
