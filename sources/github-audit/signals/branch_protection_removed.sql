-- title: Branch protection removed
-- severity: high
-- technique: T1562.001
-- description: A protected branch or a ruleset was deleted, so that code can be pushed without review.
-- false_positives: A branch that nobody uses any more was cleaned up.
select
    resources[1]['name'] as entity,
    time,
    actor['user']['name'] || ' removed the protection of a branch of ' || coalesce(resources[1]['name'], 'a repository') as message,
    actor['user']['name'] as actor_name,
    src_endpoint.ip as source_ip,
    metadata.event_code as action,
    json_text(unmapped, 'name') as branch,
    _row
from output
where metadata.event_code in (
    'protected_branch.destroy',
    'repository_ruleset.destroy',
    'repository_branch_protection_evaluation.disable'
)
