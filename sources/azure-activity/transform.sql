-- One row per event. An operation has several: when it starts, is accepted, and has come to an end.
with events as (
    select
        *,
        coalesce(json_text(operationName, 'value'), operationName, operation_name['value']) as operation,
        coalesce(json_text(category, 'value'), category) as kind,
        coalesce(resourceId, resource_id) as resource,
        coalesce(resultType, status['value']) as result,
        nullif(coalesce(callerIpAddress, json_text(httpRequest, 'clientIpAddress'), json_text(http_request, 'client_ip_address')), '') as address,
        coalesce(json_text(identity, 'claims'), claims) as said,
        coalesce(json_text(properties, 'requestbody'), json_text(properties, 'requestBody')) as body,
        _file,
        _row,
        _rest
    from input
),

parts as (
    select
        *,
        regexp_replace(lower(operation), '^.*/', '') as verb,
        coalesce(
            caller, json_text(said, '["http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"]'),
            json_text(said, '["http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"]'),
            json_text(said, '["http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"]'), json_text(said, 'name'), json_text(said, 'appid'), json_text(identity, 'tokenHash')
        ) as who,
        coalesce(json_text(body, 'Properties.PrincipalId'), json_text(body, 'properties.principalId')) as principal,
        coalesce(json_text(body, 'Properties.RoleDefinitionId'), json_text(body, 'properties.roleDefinitionId')) as role
    from events
),

classed as (
    select
        *,
        case
            when operation is null or kind in ('ServiceHealth', 'ResourceHealth', 'Alert', 'Autoscale', 'Recommendation', 'Security') then 0
            when lower(operation) = 'microsoft.authorization/roleassignments/write' and principal is not null and role is not null then 3005
            else 6003
        end as class,
        case
            when verb = 'delete' or kind = 'StorageDelete' then 4
            when verb = 'read' or kind = 'StorageRead' or lower(operation) ~ '/(list|get)[^/]*/action$' then 2
            when verb = 'write' and (json_text(properties, 'statusCode') in ('Created', '201') or resultSignature like '%Created%' or statusCode = 201) then 1
            when verb = 'write' or kind = 'StorageWrite' then 3
            else 99
        end as activity
    from parts
)

select
    coalesce("time", eventTimestamp, event_timestamp) as time,
    class as class_uid,
    case class when 0 then 0 when 3005 then 1 else activity end as activity_id,
    case when class = 6003 and activity = 99 then operation end as activity_name,
    case lower(level) when 'warning' then 2 when 'error' then 3 when 'critical' then 5 else 1 end as severity_id,
    case
        when class = 0 then null
        when lower(result) in ('success', 'succeeded') then 1
        when lower(result) in ('failure', 'failed') or statusCode >= 400 then 2
        when statusCode is not null then 1
        when result is not null then 99
    end as status_id,
    -- Started and accepted operations are neither.
    case when class <> 0 and lower(result) not in ('success', 'succeeded', 'failure', 'failed') then result end as status,
    coalesce(cast(statusCode as text), resultSignature, json_text(properties, 'statusCode')) as status_code,
    coalesce(statusText, resultDescription, json_text(properties, 'statusMessage')) as status_detail,
    case when class = 0 then coalesce(json_text(properties, 'title'), operation) else concat_ws(' ', who, operation, resource) end as message,
    {
        'uid': coalesce(eventDataId, event_data_id), 'event_code': operation, 'log_name': kind, 'log_level': level,
        'correlation_uid': coalesce(correlationId, correlation_id), 'tenant_uid': coalesce(tenantId, tenant_id)
    } as metadata,
    {
        'provider': 'Azure',
        'account': {
            'uid': (regexp_match(lower(resource), '^/subscriptions/([^/]+)'))[1],
            'type_id': case when lower(resource) like '/subscriptions/%' then 13 end
        },
        'org': {'uid': coalesce(tenantId, tenant_id)},
        'region': location
    } as cloud,
    case when class <> 0 then {
        'user': {
            'name': coalesce(nullif(who, ''), 'unknown'),
            'uid': json_text(said, '["http://schemas.microsoft.com/identity/claims/objectidentifier"]'),
            'email_addr': case when who like '%@%' then who end,
            'type_id': case when json_text(said, 'idtyp') = 'app' then 4 when who like '%@%' then 1 else 0 end
        },
        'app_uid': json_text(said, 'appid'),
        'session': {'uid': json_text(said, 'uti'), 'issuer': json_text(said, 'iss')}
    } end as actor,
    case when class = 3005 then {'uid': principal} end as "user",
    case when class = 3005 then [role] end as privileges,
    case when class <> 0 then {
        'operation': operation,
        'service': {'name': case when operation like '%/%' then split_part(operation, '/', 1) else json_text(properties, 'serviceType') end},
        'request': {'uid': coalesce(correlationId, correlation_id), 'data': case when coalesce(correlationId, correlation_id) is not null then body end},
        'response': {'code': statusCode, 'data': properties}
    } end as api,
    case when class <> 0 then {
        'ip': ocsf_endpoint(address, null)['ip'],
        'port': ocsf_endpoint(address, null)['port'],
        'name': case when ocsf_endpoint(address, null)['ip'] is null then coalesce(address, 'unknown') end
    } end as src_endpoint,
    case when class <> 0 then {
        'user_agent': json_text(properties, 'userAgentHeader'),
        'http_method': upper(coalesce(json_text(httpRequest, 'method'), json_text(http_request, 'method')))
    } end as http_request,
    case when class <> 0 and resource is not null then [{
        'uid': coalesce(json_text(properties, 'objectKey'), resource),
        'name': regexp_replace(coalesce(json_text(properties, 'objectKey'), resource), '^.*/', ''),
        'type': case when operation like '%/%' then regexp_replace(operation, '(/[^/]+/action|/[^/]+)$', '') else json_text(properties, 'serviceType') end,
        'group': {'name': (regexp_match(resource, '(?i)/resourcegroups/([^/]+)'))[1]}
    }] end as resources,
    '{' || nullif(concat_ws(',', '"properties":' || case when class = 0 and left(properties, 1) in ('{', '[') then properties end, '"identity":' || case when left(identity, 1) in ('{', '[') then identity end, '"claims":' || case when left(claims, 1) in ('{', '[') then claims end,
        '"httpRequest":' || case when left(coalesce(httpRequest, http_request), 1) in ('{', '[') then coalesce(httpRequest, http_request) end, substr(_rest, 2, length(_rest) - 2)), '') || '}' as unmapped,
    _file,
    _row
from classed
