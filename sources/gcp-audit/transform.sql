-- One row per log entry. Long operations have two: the first with the request, the last with what came of it.
with entries as (
    select
        *,
        protoPayload['methodName'] as method,
        protoPayload['request'] as request,
        protoPayload['response'] as response,
        protoPayload['serviceData'] as service_data,
        protoPayload['authenticationInfo'] as caller,
        nullif(json_text(protoPayload['authenticationInfo'], 'principalEmail'), '') as email,
        nullif(json_text(protoPayload['authenticationInfo'], 'principalSubject'), '') as principal,
        try_cast(json_text(protoPayload['status'], 'code') as int) as code,
        json_text(protoPayload['status'], 'message') as problem,
        json_text(protoPayload['authorizationInfo'], '[0].permission') as permission,
        nullif(coalesce(json_text(protoPayload['requestMetadata'], 'callerIp'), json_text(protoPayload['requestMetadata'], 'callerIP')), '') as address,
        json_text(resource, 'type') as resource_type,
        nullif(json_text(resource, 'labels.project_id'), '') as project,
        -- `create` of `v1.compute.disks.create`, `CreateServiceAccountKey` of `google.iam.admin.v1.CreateServiceAccountKey`
        lower(regexp_replace(protoPayload['methodName'], '^.*\.', '')) as verb,
        -- The first change, or the second where the first takes away and the second gives.
        case
            when json_text(protoPayload['serviceData'], 'policyDelta.bindingDeltas[0].action') = 'REMOVE'
                and json_text(protoPayload['serviceData'], 'policyDelta.bindingDeltas[1].action') = 'ADD'
                then json_text(protoPayload['serviceData'], 'policyDelta.bindingDeltas[1]')
            else json_text(protoPayload['serviceData'], 'policyDelta.bindingDeltas[0]')
        end as delta,
        _file,
        _row,
        _rest,
        _raw
    from input
),

changes as (
    select
        *, json_text(delta, 'role') as role, json_text(delta, 'action') as role_action, json_text(delta, 'member') as member
    from entries
),

classed as (
    select
        *,
        case
            when method is null then 0
            when verb in ('loginsuccess', 'loginfailure', 'loginchallenge', 'loginverification', 'logout') then 3002
            when verb in ('createserviceaccount', 'deleteserviceaccount', 'disableserviceaccount', 'enableserviceaccount') then 3001
            when verb like '%setiampolicy' and role is not null and member is not null then 3005
            else 6003
        end as class,
        coalesce(email, principal) as who,
        -- Whose account or role it is: `user:ann@example.com`, `serviceAccount:…`
        coalesce(
            regexp_replace(member, '^[A-Za-z]+:', ''), json_text(response, 'email'), nullif(json_text(resource, 'labels.email_id'), ''),
            json_text(request, 'account_id'), regexp_replace(protoPayload['resourceName'], '^.*/', '')
        ) as subject
    from changes
),

acted as (
    select
        *,
        case
            when class = 0 then 0
            when class = 3002 then case when verb = 'logout' then 2 else 1 end
            when class = 3001 then case when verb like 'create%' then 1 when verb like 'enable%' then 2 when verb like 'disable%' then 5 else 6 end
            when class = 3005 then case role_action when 'ADD' then 1 when 'REMOVE' then 2 else 0 end
            when verb ~ '^(create|insert|add|generate|import|upload|batchcreate)' then 1
            when verb ~ '^(get|list|read|search|query|describe|test|check|lookup|aggregatedlist|batchget|export|download)' then 2
            when verb ~ '^(update|patch|set|modify|replace|enable|disable|start|stop|reset|resize|attach|detach|move|restore|undelete)' then 3
            when verb ~ '^(delete|remove|destroy|purge|batchdelete)' then 4
            else 99
        end as activity
    from classed
)

select
    coalesce("timestamp", receiveTimestamp) as time,
    class as class_uid,
    activity as activity_id,
    case when activity = 99 then method end as activity_name,
    case severity when 'WARNING' then 2 when 'ERROR' then 3 when 'CRITICAL' then 5 when 'ALERT' then 5 when 'EMERGENCY' then 6 else 1 end as severity_id,
    case when class = 0 then null when code > 0 or verb = 'loginfailure' then 2 else 1 end as status_id,
    cast(code as text) as status_code,
    problem as status_detail,
    case when class = 0 then textPayload else concat_ws(' ', who, method, protoPayload['resourceName']) end as message,
    {
        'uid': insertId, 'event_code': method, 'log_name': logName, 'log_level': severity, 'logged_time': receiveTimestamp
    } as metadata,
    {
        'provider': 'GCP',
        'account': {
            'uid': project,
            'type_id': case when project is not null then 11 end
        },
        'region': coalesce(json_text(resource, 'labels.location'), json_text(resource, 'labels.region')),
        'zone': json_text(resource, 'labels.zone')
    } as cloud,
    case when class <> 0 then {
        'user': {
            'name': coalesce(who, 'unknown'),
            'uid': principal,
            'email_addr': case when email like '%@%' then email end,
            'type_id': case when who like '%.gserviceaccount.com' or who like 'system:serviceaccount:%' then 4 when who like '%@%' then 1 else 0 end
        },
        'session': {'credential_uid': json_text(caller, 'serviceAccountKeyName')},
        -- The first permission that was asked for; what was not granted has no `granted`.
        'authorizations': case when permission is not null then [{
            'decision': case when json_text(protoPayload['authorizationInfo'], '[0].granted') = 'true' then 'granted' else 'denied' end,
            'policy': {'name': permission}
        }] end
    } end as actor,
    case when class in (3001, 3002, 3005) then {
        'name': case when class = 3002 then coalesce(who, 'unknown') else subject end,
        'email_addr': case when class = 3002 and who like '%@%' then who when class <> 3002 and subject like '%@%' then subject end,
        'type_id': case when class = 3001 or subject like '%.gserviceaccount.com' then 4 when class = 3002 or member like 'user:%' then 1 else 0 end
    } end as "user",
    case when class = 3005 then [role] end as privileges,
    case when class = 3002 then {'name': protoPayload['serviceName']} end as service,
    case when class <> 0 then {
        'operation': method,
        'service': {'name': protoPayload['serviceName']},
        'request': {'uid': insertId, 'data': case when insertId is not null then request end},
        'response': {'code': code, 'message': problem, 'data': response}
    } end as api,
    case when class <> 0 then {
        'ip': ocsf_endpoint(address, null)['ip'],
        -- `private` and `gce-internal-ip` stand for addresses inside Google.
        'name': case when ocsf_endpoint(address, null)['ip'] is null then coalesce(address, 'unknown') end
    } end as src_endpoint,
    case when class <> 0 then {'user_agent': json_text(protoPayload['requestMetadata'], 'callerSuppliedUserAgent')} end as http_request,
    case when class in (3005, 6003) and protoPayload['resourceName'] <> '' then [{
        'uid': protoPayload['resourceName'],
        'name': regexp_replace(protoPayload['resourceName'], '^.*/', ''),
        'type': resource_type
    }] end as resources,
    -- Only objects and lists: a text would be no JSON without its quotes.
    '{' || nullif(concat_ws(',',
        '"protoPayload":' || case when class = 0 and left(json_text(_raw, 'protoPayload'), 1) = '{' then json_text(_raw, 'protoPayload') end,
        '"metadata":' || case when left(protoPayload['metadata'], 1) in ('{', '[') then protoPayload['metadata'] end, '"serviceData":' || case when left(service_data, 1) in ('{', '[') then service_data end,
        '"authenticationInfo":' || case when left(caller, 1) in ('{', '[') then caller end, '"authorizationInfo":' || case when left(protoPayload['authorizationInfo'], 1) in ('{', '[') then protoPayload['authorizationInfo'] end,
        '"requestMetadata":' || case when left(protoPayload['requestMetadata'], 1) in ('{', '[') then protoPayload['requestMetadata'] end, '"status":' || case when code > 0 then protoPayload['status'] end,
        '"resourceLocation":' || case when left(protoPayload['resourceLocation'], 1) in ('{', '[') then protoPayload['resourceLocation'] end, '"policyViolationInfo":' || case when left(protoPayload['policyViolationInfo'], 1) in ('{', '[') then protoPayload['policyViolationInfo'] end,
        '"resource":' || case when left(resource, 1) in ('{', '[') then resource end, nullif(substr(_rest, 2, length(_rest) - 2), '')
    ), '') || '}' as unmapped,
    _file,
    _row
from acted
