-- title: Somebody was made administrator of a cluster
-- severity: high
-- technique: T1098.006
-- description: A role binding to cluster-admin was made or changed
-- false_positives: set-up of a new cluster
-- Needs a policy of level Request or more for role bindings: at Metadata the role is not in the event.
select
    actor['user']['name'] as entity,
    time,
    actor['user']['name'] || ' bound ' || coalesce(json_text(api['request']['data'], 'subjects[0].name'), 'somebody')
        || ' to cluster-admin' as message,
    src_endpoint['ip'] as source_ip,
    json_text(api['request']['data'], 'subjects[0].kind') as subject_kind,
    json_text(api['request']['data'], 'subjects[0].name') as subject,
    coalesce(resources[1]['name'], json_text(api['request']['data'], 'metadata.name')) as binding,
    _row
from output
where class_uid = 6003
    and resources[1]['type'] in ('clusterrolebindings', 'rolebindings')
    and activity_id in (1, 3)
    and json_text(api['request']['data'], 'roleRef.name') = 'cluster-admin'
    and status_id = 1
