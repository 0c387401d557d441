-- title: Anonymous request allowed
-- severity: high
-- technique: T1190
-- description: The API server answered somebody who did not log in, on a path that is not open by default
-- Health checks and the version are open to everybody by the role system:public-info-viewer.
select
    coalesce(src_endpoint['ip'], src_endpoint['name']) as entity,
    time,
    'an anonymous request from ' || coalesce(src_endpoint['ip'], 'an unknown address') || ' got '
        || coalesce(http_request['url']['path'], 'an unknown path') as message,
    api['operation'] as verb,
    http_request['url']['path'] as path,
    http_request['user_agent'] as user_agent,
    _row
from output
where class_uid = 6003
    and actor['user']['name'] = 'system:anonymous'
    and actor['authorizations'][1]['decision'] = 'allow'
    and not coalesce(regexp_like(http_request['url']['path'], '^/(healthz|livez|readyz|version)(/|$)'), false)
