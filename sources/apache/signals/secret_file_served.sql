-- title: Secret file served to a client
-- severity: high
-- technique: T1552.001, T1190
-- description: A path that holds keys or passwords (.env, .git, .aws, .ssh, private keys, dumps) was answered with success.
-- entity: client
-- key: client, path
-- false_positives: a site that answers every path with a page of its own
select
    src_endpoint['ip'] as client,
    time,
    http_request['url']['path'] as path,
    http_response['code'] as code,
    http_request['user_agent'] as user_agent,
    src_endpoint['ip'] || ' was given ' || http_request['url']['path'] as message,
    _row
from output
where http_response['code'] between 200 and 299
    and regexp_like(
        lower(http_request['url']['path']),
        '/\.(env|git/(config|head)|aws/credentials|ssh/|htpasswd|docker/config\.json)|/(id_rsa|id_ed25519|wp-config\.php\.(bak|old|save)|[a-z0-9_-]*\.(pem|key|sql|sql\.gz|kdbx))$'
    )
