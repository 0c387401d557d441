-- title: Deploy key with write access or token with administrative scope created
-- severity: medium
-- technique: T1098.001
-- description: A credential that outlives its maker's session and can change code, members or settings.
with credentials as (
    select
        *,
        coalesce(json_text(unmapped, 'token_scopes'), json_text(unmapped, 'scopes'), json_text(unmapped, 'permissions')) as scopes
    from output
    where metadata.event_code in (
        'public_key.create',
        'oauth_access.create',
        'oauth_access.regenerate',
        'personal_access_token.access_granted'
    )
)

select
    actor['user']['name'] as entity,
    time,
    actor['user']['name'] || ' made a ' || case when metadata.event_code = 'public_key.create' then 'deploy key with write access' else 'token with ' || scopes end
        || coalesce(' for ' || resources[1]['name'], '') as message,
    src_endpoint.ip as source_ip,
    metadata.event_code as action,
    scopes,
    _row
from credentials
where (metadata.event_code = 'public_key.create'
        and resources[1]['type'] = 'repository'
        and json_text(unmapped, 'read_only') = 'false')
    or (metadata.event_code <> 'public_key.create'
        and regexp_like(scopes, '(^|[^a-z])(admin:(org|enterprise|repo_hook|org_hook)|site_admin|delete_repo)|"(organization_)?administration"\s*:\s*"(write|admin)"'))
