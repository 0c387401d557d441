-- One row per change. What is no change of the directory (sign-ins, say) is a base event.
with changes as (
    select
        *,
        properties as p,
        properties['initiatedBy']['user'] as person,
        properties['initiatedBy']['app'] as app,
        lower(coalesce(properties['activityDisplayName'], operationName)) as activity,
        properties['targetResources'][1] as t1,
        properties['targetResources'][2] as t2,
        properties['targetResources'][3] as t3,
        _file,
        _row,
        _rest,
        _raw
    from input
),

parts as (
    select
        *,
        coalesce(person['userPrincipalName'], nullif(person['displayName'], ''), app['displayName'], app['servicePrincipalName']) as who,
        -- Members of roles and groups are users, devices or service principals; roles and groups are told by their type.
        case when t1['type'] in ('User', 'ServicePrincipal') then t1 when t2['type'] in ('User', 'ServicePrincipal') then t2
            when t3['type'] in ('User', 'ServicePrincipal') then t3 end as member,
        coalesce(
            case when t1['type'] = 'Role' then t1['displayName'] when t2['type'] = 'Role' then t2['displayName'] when t3['type'] = 'Role' then t3['displayName'] end,
            (regexp_match(t1['modifiedProperties'], '"Role\.DisplayName"[^}]*"newValue":\s*"\\"([^"\\]+)'))[1],
            (regexp_match(t1['modifiedProperties'], '"Role\.DisplayName"[^}]*"oldValue":\s*"\\"([^"\\]+)'))[1],
            (regexp_match(p['additionalDetails'], '"key":\s*"RoleName",\s*"value":\s*"([^"]+)"'))[1],
            case when activity like 'user has elevated their access to user access administrator%' then 'User Access Administrator' end
        ) as role,
        coalesce(
            case when t1['type'] = 'Group' then t1['displayName'] when t2['type'] = 'Group' then t2['displayName'] end,
            (regexp_match(t1['modifiedProperties'], '"Group\.DisplayName"[^}]*"newValue":\s*"\\"([^"\\]+)'))[1]
        ) as group_name,
        case when t1['type'] = 'Group' then t1['id'] when t2['type'] = 'Group' then t2['id'] end as group_id
    from changes
),

classed as (
    select
        *,
        case
            when coalesce(p['activityDisplayName'], p['loggedByService']) is null then 0
            when activity ~ '(member|assignment).*role|role assignment|^user has elevated their access' then 3005
            when activity ~ 'group' and coalesce(group_name, group_id) is not null then 3006
            when activity ~ '(^| )(user|account|password|security info)( |$|\()' and activity !~ 'consent|policy|application|domain' then 3001
            else 3004
        end as class
    from parts
),

acted as (
    select
        *,
        case
            when class = 0 then 0
            when class = 3005 then case when activity ~ ' requested' then 99 when activity ~ 'remove|delete|expire|deactivat' then 2 else 1 end
            when class = 3006 then case
                when activity ~ '^add (member|owner)' then 3 when activity ~ '^remove (member|owner)' then 4
                when activity = 'add group' then 6 when activity ~ 'delete group' then 5 else 99 end
            when class = 3001 then case
                when activity ~ '^(add|invite|create)' then 1 when activity ~ 'delete user|^delete.*account' then 6
                when activity ~ '^enable' then 2 when activity ~ '^disable' then 5
                when activity ~ 'reset.*password' then 4 when activity ~ 'change.*password' then 3
                when activity ~ 'deleted security info' then 11 when activity ~ 'registered.*security info' then 10 else 99 end
            -- What the directory says itself: new credentials of an application are an update of it.
            when p['operationType'] = 'Add' then 1 when p['operationType'] = 'Update' then 3 when p['operationType'] = 'Delete' then 4
            when activity ~ '^(add|create|invite|consent)' then 1
            when activity ~ '^(update|set|change|restore)' then 3
            when activity ~ '^(delete|remove|hard delete)' then 4
            when activity ~ '^enable' then 8
            when activity ~ '^disable' then 9
            else 99
        end as activity_number
    from classed
)

select
    coalesce(p['activityDateTime'], "time") as time,
    class as class_uid,
    activity_number as activity_id,
    case when activity_number = 99 then coalesce(p['activityDisplayName'], operationName) end as activity_name,
    case when class = 0 then null else coalesce(ocsf_status_id(coalesce(p['result'], result)), 0) end as status_id,
    case when ocsf_status_id(coalesce(p['result'], result)) = 99 then coalesce(p['result'], result) end as status,
    coalesce(nullif(p['resultReason'], ''), resultDescription) as status_detail,
    concat_ws(' ', who, coalesce(p['activityDisplayName'], operationName), coalesce(t1['userPrincipalName'], nullif(t1['displayName'], ''), t1['id'])) as message,
    {
        'uid': p['id'], 'event_code': coalesce(p['activityDisplayName'], operationName), 'log_name': category,
        'log_provider': p['loggedByService'], 'correlation_uid': correlationId, 'tenant_uid': tenantId, 'logged_time': "time"
    } as metadata,
    {'provider': 'Azure', 'org': {'uid': tenantId}} as cloud,
    case when class <> 0 then {
        'user': {
            'name': coalesce(person['userPrincipalName'], nullif(person['displayName'], '')),
            'uid': person['id'],
            'email_addr': case when person['userPrincipalName'] like '%@%' then person['userPrincipalName'] end,
            'full_name': case when person['userPrincipalName'] is not null then person['displayName'] end
        },
        'app_name': coalesce(app['displayName'], app['servicePrincipalName']),
        'app_uid': coalesce(nullif(app['appId'], ''), app['servicePrincipalId'])
    } end as actor,
    case when class <> 0 then {'ip': ocsf_endpoint(coalesce(nullif(person['ipAddress'], ''), callerIpAddress), null)['ip']} end as src_endpoint,
    case when class in (3001, 3005, 3006) then {
        'name': coalesce(
            member['userPrincipalName'], nullif(member['displayName'], ''), case when member is null and class = 3001 then coalesce(t1['displayName'], 'unknown') end,
            case when activity like 'user has elevated%' then who end, case when class = 3005 and member['id'] is null then 'unknown' end
        ),
        'uid': coalesce(member['id'], case when class = 3001 then t1['id'] when activity like 'user has elevated%' then person['id'] end),
        'email_addr': case when member['userPrincipalName'] like '%@%' then member['userPrincipalName'] end,
        'type_id': case when member['type'] = 'User' then 1 when member['type'] = 'ServicePrincipal' then 4 end
    } end as "user",
    case when class = 3005 then [coalesce(role, 'unknown')] end as privileges,
    case when class = 3006 then {'name': group_name, 'uid': group_id} end as "group",
    case when class = 3004 then {
        'name': coalesce(nullif(t1['displayName'], ''), t1['userPrincipalName'], case when t1['id'] is null then p['loggedByService'] end),
        'uid': t1['id'],
        'type': coalesce(t1['type'], p['category'])
    } end as entity,
    case when class <> 0 then {
        'operation': coalesce(operationName, p['activityDisplayName']),
        'service': {'name': p['loggedByService']},
        'request': {'uid': coalesce(p['id'], correlationId), 'data': t1['modifiedProperties']}
    } end as api,
    case when class = 0 then _raw end as raw_data,
    -- All properties: targets beyond the first, what they were changed from and to, and what has no place in the schema.
    case when class = 0 then _rest
        else '{' || concat_ws(',', '"properties":' || case when left(json_text(_raw, 'properties'), 1) in ('{', '[') then json_text(_raw, 'properties') end, nullif(substr(_rest, 2, length(_rest) - 2), '')) || '}'
    end as unmapped,
    _file,
    _row
from acted
