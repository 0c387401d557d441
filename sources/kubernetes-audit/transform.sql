-- One row per event, that is one for each stage of a request that the cluster's policy writes. The event is the record
-- itself, or JSON in the `message` of an envelope of CloudWatch Logs.
with events as (
    select
        *,
        coalesce(apiVersion, json_text(message, 'apiVersion')) as version,
        coalesce(auditID, json_text(message, 'auditID')) as audit_id,
        lower(coalesce(verb, json_text(message, 'verb'))) as operation,
        coalesce(level, json_text(message, 'level')) as audit_level,
        coalesce(stage, json_text(message, 'stage')) as audit_stage,
        coalesce(requestURI, json_text(message, 'requestURI')) as uri,
        coalesce(userAgent, json_text(message, 'userAgent')) as agent,
        coalesce(
            requestReceivedTimestamp, parse_time(json_text(message, 'requestReceivedTimestamp')), stageTimestamp, "timestamp"
        ) as received,
        coalesce("user"['username'], json_text(message, 'user.username')) as user_name,
        coalesce("user"['uid'], json_text(message, 'user.uid')) as user_uid,
        coalesce("user"['extra'], json_text(message, 'user.extra')) as extra,
        coalesce(objectRef, json_text(message, 'objectRef')) as object,
        coalesce(responseStatus, json_text(message, 'responseStatus')) as response,
        -- Lists of names and addresses, which hold neither quotes nor commas.
        coalesce(sourceIPs, string_to_array(regexp_replace(json_text(message, 'sourceIPs'), '[\[\]"\s]', '', 'g'), ',')) as addresses,
        coalesce("user"['groups'], string_to_array(regexp_replace(json_text(message, 'user.groups'), '[\[\]"\s]', '', 'g'), ',')) as groups,
        coalesce(annotations, json_text(message, 'annotations')) as notes,
        coalesce(impersonatedUser, json_text(message, 'impersonatedUser')) as impersonated,
        coalesce(stageTimestamp, parse_time(json_text(message, 'stageTimestamp'))) as staged,
        _file,
        _row,
        _rest
    from input
),

parts as (
    select
        *,
        coalesce(version like 'audit.k8s.io/%' and coalesce(kind, 'Event') = 'Event', false) as is_audit,
        json_text(notes, '["authorization.k8s.io/decision"]') as decision,
        json_text(notes, '["authorization.k8s.io/reason"]') as reason,
        split_part(uri, '?', 1) as path,
        try_cast(json_text(response, 'code') as int) as code,
        -- `pods`, `pods/exec`
        concat_ws('/', json_text(object, 'resource'), json_text(object, 'subresource')) as object_type,
        case
            when operation is null then 0
            when operation in ('create', 'post') then 1
            when operation in ('get', 'list', 'watch', 'head', 'options') then 2
            when operation in ('update', 'patch', 'put') then 3
            when operation in ('delete', 'deletecollection') then 4
            else 99
        end as activity
    from events
)

select
    received as time,
    staged as end_time,
    case when is_audit then 6003 else 0 end as class_uid,
    case when is_audit then activity else 0 end as activity_id,
    case when activity = 99 then operation end as activity_name,
    case when audit_stage = 'Panic' then 4 else 1 end as severity_id,
    case when audit_stage = 'Panic' or code >= 400 then 2 when code is not null then 1 end as status_id,
    cast(code as text) as status_code,
    json_text(response, 'message') as status_detail,
    -- Other streams of the cluster's log group have plain text.
    case
        when is_audit then concat_ws(' ', user_name, operation, nullif(object_type, ''), json_text(object, 'namespace'),
            json_text(object, 'name'), case when object is null then path end)
        else message
    end as message,
    {
        'uid': audit_id, 'event_code': audit_stage, 'log_name': 'audit', 'log_level': audit_level, 'log_version': version
    } as metadata,
    case when is_audit then {
        'user': {
            'name': user_name,
            'uid': user_uid,
            'uid_alt': json_text(extra, 'arn[0]'),
            'type_id': case when user_name like 'system:serviceaccount:%' then 4 when user_name like 'system:%' then 3 when user_name is not null then 1 end,
            'groups': array_slice([
                {'name': groups[1]}, {'name': groups[2]}, {'name': groups[3]}, {'name': groups[4]},
                {'name': groups[5]}, {'name': groups[6]}, {'name': groups[7]}, {'name': groups[8]}
            ], 1, cast(array_length(groups) as bigint))
        },
        'session': {'credential_uid': json_text(extra, 'accessKeyId[0]')},
        'authorizations': case when decision is not null then [{
            'decision': decision,
            'policy': {'desc': reason, 'type': nullif(split_part(reason, ':', 1), '')}
        }] end
    } end as actor,
    case when is_audit then {
        -- A request for no resource, such as /healthz, may come without a verb.
        'operation': coalesce(operation, 'unknown'),
        'version': json_text(object, 'apiVersion'),
        'group': {'name': json_text(object, 'apiGroup')},
        'request': {'uid': audit_id, 'data': coalesce(requestObject, json_text(message, 'requestObject'))},
        'response': {
            'code': code, 'error': json_text(response, 'reason'), 'message': json_text(response, 'message'),
            'data': coalesce(responseObject, json_text(message, 'responseObject'))
        }
    } end as api,
    case when is_audit then {
        'ip': ocsf_endpoint(addresses[1], null)['ip'],
        'name': case when ocsf_endpoint(addresses[1], null)['ip'] is null then coalesce(addresses[1], 'unknown') end,
        'intermediate_ips': array_slice(addresses, 2, 100)
    } end as src_endpoint,
    case when is_audit then {
        'user_agent': agent, 'url': {'path': path, 'query_string': nullif(split_part(uri, '?', 2), '')}
    } end as http_request,
    case when is_audit and object_type <> '' then [{
        'uid': coalesce(json_text(object, 'uid'), path),
        'name': json_text(object, 'name'),
        'namespace': json_text(object, 'namespace'),
        'type': object_type,
        'version': json_text(object, 'apiVersion')
    }] end as resources,
    '{' || nullif(concat_ws(',',
        '"impersonatedUser":' || case when left(impersonated, 1) in ('{', '[') then impersonated end,
        '"userExtra":' || case when left(extra, 1) in ('{', '[') then extra end,
        -- When there are more than those of the decision.
        '"annotations":' || case when regexp_count(notes, '"[a-z0-9.-]+/[A-Za-z0-9_.-]+"\s*:')
            > cast(decision is not null as int) + cast(reason is not null as int) and left(notes, 1) = '{' then notes end,
        substr(_rest, 2, length(_rest) - 2)), '') || '}' as unmapped,
    _file,
    _row
from parts
