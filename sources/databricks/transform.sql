-- One row per action. Versions 2.0 and 2.1 write the time as milliseconds, system tables as text.
with actions as (
    select
        *,
        coalesce(nullif(userIdentity['email'], ''), userIdentity['subjectName'], json_text(requestParams, 'user')) as who,
        coalesce(
            json_text(requestParams, 'targetUserName'), json_text(requestParams, 'targetUserId'), json_text(requestParams, 'principal'),
            json_text(json_text(requestParams, 'changes'), '[0].principal'), json_text(requestParams, 'endpoint')
        ) as target,
        case
            when actionName is null then 0
            when actionName ~* '(login|logout)$' or actionName in ('tokenLogin', 'IpAccessDenied') then 3002
            when actionName ~ 'Princip?als?(To|From)Group$|UserToAdminGroup$|^(create|remove|update)Group$' then 3006
            when actionName in ('modifyUserRole', 'setAdmin', 'removeAdmin', 'changeDatabricksWorkspaceAcl', 'changeDatabricksSqlAcl', 'grantPrivilege', 'updatePermissions') then 3005
            when serviceName = 'accounts' and actionName in (
                'add', 'create', 'createUser', 'delete', 'deleteUser', 'activateUser', 'deactivateUser', 'changePassword', 'resetPassword', 'updateUser'
            ) then 3001
            else 6003
        end as class,
        _file,
        _row,
        _rest
    from input
),

acted as (
    select
        *,
        case
            when class = 0 then 0
            when class = 3002 then case when actionName ~* 'logout$' then 2 else 1 end
            when class = 3006 then case
                when actionName ~ 'ToGroup$|ToAdminGroup$' then 3 when actionName ~ 'FromGroup$' then 4
                when actionName = 'createGroup' then 6 when actionName = 'removeGroup' then 5 else 99 end
            when class = 3005 then case
                when actionName = 'removeAdmin' then 2
                when json_text(json_text(requestParams, 'changes'), '[0].remove[0]') is not null
                    and json_text(json_text(requestParams, 'changes'), '[0].add[0]') is null then 2
                else 1 end
            when class = 3001 then case
                when actionName ~ '^(add|create)' then 1 when actionName ~ '^delete' then 6 when actionName = 'activateUser' then 2
                when actionName = 'deactivateUser' then 5 when actionName = 'changePassword' then 3 when actionName = 'resetPassword' then 4
                else 99 end
            when actionName ~ '^(create|add|import|generate|mount|upload|clone)' then 1
            when actionName ~ '^(get|list|read|view|download|search|export)' then 2
            when actionName ~ '^(update|edit|modify|set|change|rename|move|start|restart|resize|enable|disable|workspaceConfEdit|undelete|restore)' then 3
            when actionName ~ '^(delete|drop|remove|trash|purge|terminate|permanentDelete)' then 4
            else 99
        end as activity
    from actions
)

select
    parse_time("timestamp") as time,
    class as class_uid,
    activity as activity_id,
    case when activity = 99 then actionName end as activity_name,
    case when class = 0 then null when actionName = 'IpAccessDenied' or response['statusCode'] >= 400 then 2 when response['statusCode'] is not null then 1 else 0 end as status_id,
    cast(response['statusCode'] as text) as status_code,
    response['errorMessage'] as status_detail,
    concat_ws(' ', who, serviceName, actionName) as message,
    {
        'uid': requestId, 'event_code': concat_ws('.', serviceName, actionName), 'log_name': serviceName, 'log_level': auditLevel,
        'log_version': version, 'tenant_uid': coalesce(accountId, json_text(_rest, 'workspaceId')), 'original_time': "timestamp"
    } as metadata,
    case when class <> 0 then {
        'user': {
            'name': coalesce(who, 'unknown'),
            'email_addr': case when who like '%@%' then who end,
            'type_id': case when who = 'System-User' then 3 when who like '%@%' then 1 when who ~ '^[0-9a-f]{8}-' then 4 else 0 end
        },
        'session': {'uid': sessionId}
    } end as actor,
    case when class in (3001, 3002, 3005, 3006) then {
        'name': case when class = 3002 then coalesce(who, 'unknown') when class = 3006 then target else coalesce(target, 'unknown') end,
        'email_addr': case when class = 3002 and who like '%@%' then who when class <> 3002 and target like '%@%' then target end
    } end as "user",
    case when class = 3006 then {
        'name': coalesce(
            json_text(requestParams, 'targetGroupName'), json_text(requestParams, 'targetGroupId'),
            case when actionName = 'addUserToAdminGroup' then 'admins' end, 'unknown'
        )
    } end as "group",
    case when class = 3005 then [coalesce(
        json_text(requestParams, 'role'), json_text(requestParams, 'privilege'), json_text(requestParams, 'aclPermissionSet'),
        json_text(requestParams, 'changes'), case when actionName in ('setAdmin', 'removeAdmin') then 'admin' end, 'unknown'
    )] end as privileges,
    case when class = 3002 then {'name': 'Databricks', 'uid': json_text(_rest, 'workspaceId')} end as service,
    case when class = 6003 then {
        'operation': actionName,
        'service': {'name': serviceName},
        'request': {'uid': requestId, 'data': case when requestId is not null then requestParams end},
        'response': {'code': response['statusCode'], 'error_message': response['errorMessage'], 'data': response['result']}
    } end as api,
    case when class <> 0 then {
        'ip': ocsf_endpoint(sourceIPAddress, null)['ip'],
        'name': case when class = 6003 and ocsf_endpoint(sourceIPAddress, null)['ip'] is null then 'unknown' end
    } end as src_endpoint,
    case when class <> 0 then {'user_agent': userAgent} end as http_request,
    case when class = 6003 then {'code': response['statusCode']} end as http_response,
    case when requestParams like '{%' and (class <> 6003 or requestId is null)
        then '{' || concat_ws(',', '"requestParams":' || requestParams, nullif(substr(_rest, 2, length(_rest) - 2), '')) || '}'
        else _rest end as unmapped,
    _file,
    _row
from acted
