-- title: Repository made public
-- severity: high
-- technique: T1567.001
-- description: A repository that was private or internal can be read by everybody now.
select
    resources[1]['name'] as entity,
    time,
    actor['user']['name'] || ' made ' || coalesce(resources[1]['name'], 'a repository') || ' public' as message,
    actor['user']['name'] as actor_name,
    src_endpoint.ip as source_ip,
    json_text(unmapped, 'previous_visibility') as previous_visibility,
    _row
from output
where metadata.event_code = 'repo.access'
    and json_text(unmapped, 'visibility') = 'public'
