-- title: Privileged pod created
-- severity: high
-- technique: T1610, T1611
-- description: A pod was made whose container is as good as its node
-- false_positives: agents for networks, storage and monitoring, mostly in kube-system
-- Needs a policy of level Request or more for pods. The first container is looked at.
select
    actor['user']['name'] as entity,
    time,
    actor['user']['name'] || ' created the privileged pod ' || coalesce(resources[1]['namespace'], '?') || '/'
        || coalesce(resources[1]['name'], json_text(api['request']['data'], 'metadata.name'), '?') as message,
    src_endpoint['ip'] as source_ip,
    resources[1]['namespace'] as namespace,
    json_text(api['request']['data'], 'spec.containers[0].image') as image,
    _row
from output
where class_uid = 6003
    and resources[1]['type'] = 'pods'
    and api['operation'] = 'create'
    and status_id = 1
    and resources[1]['namespace'] <> 'kube-system'
    and (
        json_text(api['request']['data'], 'spec.containers[0].securityContext.privileged') = 'true'
        or json_text(api['request']['data'], 'spec.hostPID') = 'true'
        or json_text(api['request']['data'], 'spec.hostNetwork') = 'true'
    )
