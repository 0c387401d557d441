-- transform.sql in DuckDB's dialect: the same rows.
-- One row per event. CloudTrail delivers one more than once now and then: the first of each eventID stays.
with events as (
    select
        eventTime as "at",
        eventID as id,
        eventName as name,
        eventSource as service_name,
        eventType as event_type,
        eventCategory as category,
        eventVersion as version,
        apiVersion as api_version,
        awsRegion as region,
        coalesce(recipientAccountId, userIdentity.accountId) as account,
        sourceIPAddress as address,
        userAgent as agent,
        errorCode as error,
        errorMessage as error_message,
        requestID as request_id,
        sharedEventID as shared_id,
        vpcEndpointId as vpc_endpoint,
        requestParameters as request,
        try_cast(requestParameters as json) as request_fields,
        responseElements as response,
        insightDetails as insight,
        try_cast(insightDetails as json) as insight_fields,
        userIdentity.type as actor_type,
        userIdentity.principalId as principal,
        userIdentity.arn as arn,
        userIdentity.accountId as actor_account,
        userIdentity.accessKeyId as access_key,
        coalesce(userIdentity.userName, userIdentity.sessionContext.sessionIssuer.userName) as actor_name,
        userIdentity.invokedBy as invoked_by,
        userIdentity.onBehalfOf as on_behalf_of,
        userIdentity.inScopeOf as in_scope_of,
        userIdentity.identityProvider as provider,
        userIdentity.sessionContext.webIdFederationData as federation,
        userIdentity.sessionContext.ec2RoleDelivery as role_delivery,
        userIdentity.sessionContext.sourceIdentity
            as source_identity,
        userIdentity.sessionContext.sessionIssuer.arn
            as issuer,
        userIdentity.sessionContext.attributes.creationDate as session_started,
        userIdentity.sessionContext.attributes.mfaAuthenticated = 'true' as is_mfa,
        resources,
        _rest as rest,
        _file,
        _row
    from input
    qualify id is null or row_number() over (partition by id order by _row) = 1
),

-- Class and activity in one number, as in `type_uid`.
kinds as (
    select
        *,
        case service_name
            when 'iam.amazonaws.com' then case name
                when 'CreateUser' then 300101 when 'DeleteUser' then 300106
                when 'CreateRole' then 300101 when 'DeleteRole' then 300106
                when 'ChangePassword' then 300103 when 'UpdateLoginProfile' then 300104
                when 'CreateLoginProfile' then 300199 when 'DeleteLoginProfile' then 300199
                when 'CreateAccessKey' then 300199 when 'UpdateAccessKey' then 300199 when 'DeleteAccessKey' then 300199
                when 'UpdateAssumeRolePolicy' then 300199
                when 'AttachUserPolicy' then 300107 when 'PutUserPolicy' then 300107
                when 'AttachRolePolicy' then 300107 when 'PutRolePolicy' then 300107
                when 'DetachUserPolicy' then 300108 when 'DeleteUserPolicy' then 300108
                when 'DetachRolePolicy' then 300108 when 'DeleteRolePolicy' then 300108
                when 'EnableMFADevice' then 300110 when 'DeactivateMFADevice' then 300111
                when 'AttachGroupPolicy' then 300601 when 'PutGroupPolicy' then 300601
                when 'DetachGroupPolicy' then 300602 when 'DeleteGroupPolicy' then 300602
                when 'AddUserToGroup' then 300603 when 'RemoveUserFromGroup' then 300604
                when 'DeleteGroup' then 300605 when 'CreateGroup' then 300606
            end
            when 'sts.amazonaws.com' then case name
                when 'AssumeRole' then 300207 when 'AssumeRoleWithSAML' then 300207
                when 'AssumeRoleWithWebIdentity' then 300207 when 'AssumeRoot' then 300207
                when 'GetSessionToken' then 300299 when 'GetFederationToken' then 300299
            end
            when 'signin.amazonaws.com' then case name
                when 'ConsoleLogin' then 300201 when 'UserAuthentication' then 300201 when 'ExternalIdPDirectoryLogin' then 300201
                when 'CheckMfa' then 300206 when 'CredentialChallenge' then 300206 when 'CredentialVerification' then 300206
                when 'SwitchRole' then 300207 when 'ExitRole' then 300207 when 'RenewRole' then 300299
                when 'GetSigninToken' then 300299
                when 'PasswordUpdated' then 300103 when 'PasswordRecoveryCompleted' then 300104
            end
            when 'sso.amazonaws.com' then case name
                when 'Authenticate' then 300201 when 'Federate' then 300201 when 'Logout' then 300202
                when 'CreateAccountAssignment' then 300501 when 'DeleteAccountAssignment' then 300502
            end
        end as kind
    from events
),

classed as (
    select
        *,
        coalesce(kind // 100, case when name is not null then 6003 when insight is not null then 2004 else 0 end) as class,
        case
            when kind is not null then kind % 100
            when name is not null then case substr(name, 1, 3)
                when 'Get' then 2 when 'Des' then 2 when 'Lis' then 2 when 'Hea' then 2 when 'Loo' then 2 when 'Sea' then 2
                when 'Que' then 2 when 'Sca' then 2 when 'Sel' then 2 when 'Vie' then 2 when 'Dec' then 2
                when 'Cre' then 1 when 'Put' then 1 when 'Run' then 1 when 'Imp' then 1 when 'Gen' then 1 when 'Reg' then 1
                when 'Upd' then 3 when 'Mod' then 3 when 'Set' then 3 when 'Tag' then 3 when 'Att' then 3 when 'Ena' then 3
                when 'Dis' then 3 when 'Det' then 3 when 'Add' then 3 when 'Aut' then 3 when 'Rev' then 3 when 'Sta' then 3
                when 'Sto' then 3 when 'Unt' then 3 when 'Ass' then 3 when 'Rep' then 3
                when 'Del' then 4 when 'Rem' then 4 when 'Ter' then 4
                else 99
            end
            when insight is not null then case insight_fields ->> 'state' when 'Start' then 1 when 'End' then 3 else 0 end
            else 0
        end as activity,
        case when not coalesce(regexp_full_match(address, '(\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*'), false)
            then coalesce(address, case when name is not null then 'unknown' end) end as service_address,
        -- Whom it was done to, and with what.
        case when kind < 300200 or kind > 300500
            then coalesce(request_fields ->> 'userName', request_fields ->> 'roleName', request_fields ->> 'principalId') end as target,
        case when kind < 300200 or kind > 300500
            then coalesce(request_fields ->> 'policyArn', request_fields ->> 'policyName', request_fields ->> 'permissionSetArn') end as policy,
        case when kind = 300207 then request_fields ->> 'roleArn' end as role_arn
    from kinds
)

select
    "at" as time,
    class as class_uid,
    activity as activity_id,
    case when activity = 99 then name end as activity_name,
    case when class = 2004 then 0 end as severity_id,
    -- A failed console login has a message and no code. Of an insight: New, Resolved.
    case
        when class = 2004 then case activity when 1 then 1 when 3 then 4 end
        when class = 0 then null
        when error is null and error_message is null then 1
        else 2
    end as status_id,
    error as status_code,
    error_message as status_detail,
    {
        'uid': id, 'event_code': event_type, 'log_name': category, 'log_version': version, 'correlation_uid': shared_id
    } as metadata,
    {'provider': 'AWS', 'region': region, 'account': {'uid': account}} as cloud,
    {
        'user': {
            'type': actor_type,
            'name': actor_name,
            'uid': coalesce(
                arn, principal, try_cast(on_behalf_of as json) ->> 'userId', invoked_by,
                case when name is not null and actor_account is null then 'unknown' end
            ),
            'uid_alt': principal,
            'account': {'uid': actor_account}
        },
        'session': {
            'created_time': session_started,
            'is_mfa': is_mfa,
            'issuer': issuer,
            'credential_uid': access_key,
            'uid_alt': source_identity
        },
        'idp': {'name': coalesce(provider, try_cast(federation as json) ->> 'federatedProvider')},
        'invoked_by': invoked_by
    } as actor,
    {
        'operation': coalesce(
            name, insight_fields ->> 'eventName', case when coalesce(request_id, request, response, error) is not null then 'unknown' end
        ),
        'service': {'name': coalesce(service_name, insight_fields ->> 'eventSource')},
        'version': api_version,
        'request': {'uid': coalesce(request_id, case when request is not null then coalesce(id, 'unknown') end), 'data': request},
        'response': {'error': error, 'error_message': error_message, 'data': response}
    } as api,
    -- Calls that AWS makes on someone's behalf carry the service's name in place of an address.
    {'ip': nullif(address, service_address), 'svc_name': service_address, 'uid': vpc_endpoint} as src_endpoint,
    {'user_agent': agent} as http_request,
    case when class = 3002 then {
        'name': coalesce(split_part(role_arn, '/', -1), actor_name),
        'uid': coalesce(role_arn, arn, principal, case when actor_account is null and account is null then 'unknown' end),
        'type': case when role_arn is null then actor_type else 'Role' end,
        'account': {'uid': coalesce(actor_account, account)}
    } when class = 3001 or class = 3005 or (class = 3006 and target is not null) then {
        'name': coalesce(target, actor_name),
        'uid': case when target is null then arn end,
        'type': case when name like '%Role%' then 'Role' end,
        'account': {'uid': account}
    } end as "user",
    case when class = 3002 then {'name': service_name} end as service,
    case when class = 3002 and name = 'ConsoleLogin' then (rest ->> '$.additionalEventData.MFAUsed') = 'Yes' end as is_mfa,
    case when class = 3001 and policy is not null then [{
        'uid': case when policy like 'arn:%' then policy end, 'name': split_part(policy, '/', -1)
    }] end as policies,
    case when class in (3005, 3006) then [policy] end as privileges,
    case when class = 3006 then {'name': coalesce(request_fields ->> 'groupName', 'unknown')} end as "group",
    case when class in (6003, 3005) then list_transform(list_transform(resources[:2], lambda r: try_cast(r as json)), lambda r: {
        'uid': coalesce(r ->> 'ARN', r ->> 'ARNPrefix', r ->> 'type'),
        'type': r ->> 'type',
        'owner': {'account': {'uid': r ->> 'accountId'}}
    }) end as resources,
    case when class = 2004 then {
        'uid': coalesce(shared_id, id),
        'title': concat_ws(' ', insight_fields ->> 'insightType', insight_fields ->> 'eventSource', insight_fields ->> 'eventName'),
        'types': [insight_fields ->> 'insightType']
    } end as finding_info,
    case when class = 2004 then [{'data': insight}] end as evidences,
    case
        when coalesce(federation, on_behalf_of, in_scope_of, role_delivery) is null and coalesce(len(resources), 0) < 3 then rest
        else '{' || concat_ws(',',
            '"webIdFederationData":' || federation, '"onBehalfOf":' || on_behalf_of, '"inScopeOf":' || in_scope_of,
            '"ec2RoleDelivery":"' || role_delivery || '"',
            '"resources":[' || array_to_string(resources[3:], ',') || ']',
            nullif(substr(rest, 2, length(rest) - 2), '')
        ) || '}'
    end as unmapped,
    _file,
    _row
from classed
