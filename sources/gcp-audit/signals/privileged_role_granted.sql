-- title: Owner, editor or a role that acts as others granted
-- severity: high
-- technique: T1098.003
-- description: A binding was added for a role with which one can take over the project or its service accounts
-- All changes of the policy are looked at, not only the first, which is in `privileges`.
select
    actor['user']['name'] as entity,
    time,
    actor['user']['name'] || ' granted a privileged role on ' || coalesce(resources[1]['uid'], 'an unknown resource') as message,
    src_endpoint['ip'] as source_ip,
    json_text(unmapped, 'serviceData.policyDelta.bindingDeltas') as changes,
    resources[1]['uid'] as resource,
    _row
from output
where class_uid = 3005
    and status_id = 1
    and regexp_like(
        json_text(unmapped, 'serviceData.policyDelta.bindingDeltas'),
        '"ADD"[^}]*"roles/(owner|editor|iam\.serviceAccountTokenCreator|iam\.serviceAccountKeyAdmin|resourcemanager\.organizationAdmin)"'
            || '|"roles/(owner|editor|iam\.serviceAccountTokenCreator|iam\.serviceAccountKeyAdmin|resourcemanager\.organizationAdmin)"[^}]*"ADD"'
    )
