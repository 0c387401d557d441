-- title: Secrets listed by a service account
-- severity: high
-- technique: T1552.007
-- description: A workload's own account read all secrets of a namespace or of the cluster
-- false_positives: operators that manage secrets, such as external-secrets and cert-manager
-- The controllers of kube-system do this all day.
select
    actor['user']['name'] as entity,
    time,
    actor['user']['name'] || ' listed the secrets of '
        || coalesce('namespace ' || resources[1]['namespace'], 'all namespaces') as message,
    src_endpoint['ip'] as source_ip,
    resources[1]['namespace'] as namespace,
    http_request['user_agent'] as user_agent,
    _row
from output
where class_uid = 6003
    and resources[1]['type'] = 'secrets'
    and api['operation'] = 'list'
    and actor['user']['name'] like 'system:serviceaccount:%'
    and actor['user']['name'] not like 'system:serviceaccount:kube-system:%'
    and status_id = 1
