-- One row per log entry. Long operations have two: the first with the request, the last with what came of it.
with entries as (
    select
        *,
        protoPayload['methodName'] as method,
        protoPayload['request'] as request,
        protoPayload['response'] as response,
        protoPayload['serviceData'] as service_data,
        protoPayload['authenticationInfo'] as caller,
        coalesce(protoPayload['requestMetadata']['callerIp'], protoPayload['requestMetadata']['callerIP']) as address,
        -- `create` of `v1.compute.disks.create`, `CreateServiceAccountKey` of `google.iam.admin.v1.CreateServiceAccountKey`
        lower(regexp_replace(protoPayload['methodName'], '^.*\.', '')) as verb,
        json_text(protoPayload['serviceData'], 'policyDelta.bindingDeltas[0].role') as role,
        json_text(protoPayload['serviceData'], 'policyDelta.bindingDeltas[0].action') as role_action,
        json_text(protoPayload['serviceData'], 'policyDelta.bindingDeltas[0].member') as member,
        _file,
        _row,
        _rest
    from input
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
        coalesce(caller['principalEmail'], caller['principalSubject']) as who,
        -- Whose account or role it is: `user:ann@example.com`, `serviceAccount:…`
        coalesce(
            regexp_replace(member, '^[A-Za-z]+:', ''), json_text(response, 'email'), nullif(resource['labels']['email_id'], ''),
            json_text(request, 'account_id'), regexp_replace(protoPayload['resourceName'], '^.*/', '')
        ) as subject
    from entries
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
    case when class = 0 then null when protoPayload['status']['code'] > 0 or verb = 'loginfailure' then 2 else 1 end as status_id,
    cast(protoPayload['status']['code'] as text) as status_code,
    protoPayload['status']['message'] as status_detail,
    case when class = 0 then textPayload else concat_ws(' ', who, method, protoPayload['resourceName']) end as message,
    {
        'uid': insertId, 'event_code': method, 'log_name': logName, 'log_level': severity, 'logged_time': receiveTimestamp
    } as metadata,
    {
        'provider': 'GCP',
        'account': {
            'uid': resource['labels']['project_id'],
            'type_id': case when resource['labels']['project_id'] <> '' then 11 end
        },
        'region': coalesce(resource['labels']['location'], resource['labels']['region']),
        'zone': resource['labels']['zone']
    } as cloud,
    case when class <> 0 then {
        'user': {
            'name': coalesce(who, 'unknown'),
            'uid': caller['principalSubject'],
            'email_addr': case when caller['principalEmail'] like '%@%' then caller['principalEmail'] end,
            'type_id': case when who like '%.gserviceaccount.com' or who like 'system:serviceaccount:%' then 4 when who like '%@%' then 1 else 0 end
        },
        'session': {'credential_uid': caller['serviceAccountKeyName']},
        -- The first permission that was asked for; what was not granted has no `granted`.
        'authorizations': case when protoPayload['authorizationInfo'][1]['permission'] is not null then [{
            'decision': case when protoPayload['authorizationInfo'][1]['granted'] = 'true' then 'granted' else 'denied' end,
            'policy': {'name': protoPayload['authorizationInfo'][1]['permission']}
        }] end
    } end as actor,
    case when class in (3001, 3002, 3005) then {
        'name': case when class = 3002 then coalesce(who, 'unknown') else subject end,
        'email_addr': case when class = 3002 and who like '%@%' then who when class <> 3002 and subject like '%@%' then subject end,
        'type_id': case when class = 3001 or subject like '%.gserviceaccount.com' then 4 when class = 3002 then 1 else 0 end
    } end as "user",
    case when class = 3005 then [role] end as privileges,
    case when class = 3002 then {'name': protoPayload['serviceName']} end as service,
    case when class <> 0 then {
        'operation': method,
        'service': {'name': protoPayload['serviceName']},
        'request': {'uid': insertId, 'data': case when insertId is not null then request end},
        'response': {'code': protoPayload['status']['code'], 'message': protoPayload['status']['message'], 'data': response}
    } end as api,
    case when class <> 0 then {
        'ip': ocsf_endpoint(address, null)['ip'],
        -- `private` and `gce-internal-ip` stand for addresses inside Google.
        'name': case when ocsf_endpoint(address, null)['ip'] is null then coalesce(address, 'unknown') end
    } end as src_endpoint,
    case when class <> 0 then {'user_agent': protoPayload['requestMetadata']['callerSuppliedUserAgent']} end as http_request,
    case when class in (3005, 6003) and protoPayload['resourceName'] <> '' then [{
        'uid': protoPayload['resourceName'],
        'name': regexp_replace(protoPayload['resourceName'], '^.*/', ''),
        'type': resource['type']
    }] end as resources,
    case
        when coalesce(protoPayload['metadata'], service_data, caller['serviceAccountDelegationInfo']) is null then _rest
        else '{' || concat_ws(',',
            '"metadata":' || protoPayload['metadata'], '"serviceData":' || service_data,
            '"serviceAccountDelegationInfo":' || caller['serviceAccountDelegationInfo'],
            nullif(substr(_rest, 2, length(_rest) - 2), '')
        ) || '}'
    end as unmapped,
    _file,
    _row
from acted
