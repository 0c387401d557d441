-- transform.sql in the dialect of chDB (ClickHouse): the same rows.
-- One row per event. CloudTrail delivers one more than once now and then: the first of each eventID stays.
with events as (
    select
        eventTime as at,
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
        JSONExtract(ifNull(requestParameters, ''), 'Tuple(
            userName Nullable(String), roleName Nullable(String), principalId Nullable(String), groupName Nullable(String),
            policyArn Nullable(String), policyName Nullable(String), permissionSetArn Nullable(String), roleArn Nullable(String)
        )') as asked,
        responseElements as response,
        insightDetails as insight,
        JSONExtract(ifNull(insightDetails, ''), 'Tuple(
            state Nullable(String), insightType Nullable(String), eventSource Nullable(String), eventName Nullable(String)
        )') as found,
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
        coalesce(intDiv(kind, 100), case when name is not null then 6003 when insight is not null then 2004 else 0 end) as class,
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
            when insight is not null then case found.state when 'Start' then 1 when 'End' then 3 else 0 end
            else 0
        end as activity,
        case when toIPv6OrNull(address) is null then coalesce(address, case when name is not null then 'unknown' end) end as service_address,
        -- Whom it was done to, and with what.
        case when kind < 300200 or kind > 300500
            then coalesce(asked.userName, asked.roleName, asked.principalId) end as target,
        case when kind < 300200 or kind > 300500
            then coalesce(asked.policyArn, asked.policyName, asked.permissionSetArn) end as policy,
        case when kind = 300207 then asked.roleArn end as role_arn
    from kinds
)

select
    at as time,
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
    cast(
        (id, event_type, category, version, shared_id),
        'Tuple(uid Nullable(String), event_code Nullable(String), log_name Nullable(String), log_version Nullable(String),
            correlation_uid Nullable(String))'
    ) as metadata,
    cast(('AWS', region, tuple(account)), 'Tuple(provider String, region Nullable(String), account Tuple(uid Nullable(String)))') as cloud,
    cast(
        (
            (
                actor_type,
                actor_name,
                coalesce(
                    arn, principal, JSONExtract(on_behalf_of, 'userId', 'Nullable(String)'), invoked_by,
                    case when name is not null and actor_account is null then 'unknown' end
                ),
                principal,
                tuple(actor_account)
            ),
            (session_started, is_mfa, issuer, access_key, source_identity),
            tuple(coalesce(provider, JSONExtract(federation, 'federatedProvider', 'Nullable(String)'))),
            invoked_by
        ),
        'Tuple(
            user Tuple(
                type Nullable(String), name Nullable(String), uid Nullable(String), uid_alt Nullable(String), account Tuple(uid Nullable(String))
            ),
            session Tuple(
                created_time Nullable(DateTime64(6, \'UTC\')), is_mfa Nullable(Bool), issuer Nullable(String),
                credential_uid Nullable(String), uid_alt Nullable(String)
            ),
            idp Tuple(name Nullable(String)),
            invoked_by Nullable(String)
        )'
    ) as actor,
    cast(
        (
            coalesce(
                name, found.eventName, case when coalesce(request_id, request, response, error) is not null then 'unknown' end
            ),
            tuple(coalesce(service_name, found.eventSource)),
            api_version,
            (coalesce(request_id, case when request is not null then coalesce(id, 'unknown') end), request),
            (error, error_message, response)
        ),
        'Tuple(
            operation Nullable(String), service Tuple(name Nullable(String)), version Nullable(String),
            request Tuple(uid Nullable(String), data Nullable(String)),
            response Tuple(error Nullable(String), error_message Nullable(String), data Nullable(String))
        )'
    ) as api,
    -- Calls that AWS makes on someone's behalf carry the service's name in place of an address.
    cast(
        (nullif(address, service_address), service_address, vpc_endpoint),
        'Tuple(ip Nullable(String), svc_name Nullable(String), uid Nullable(String))'
    ) as src_endpoint,
    cast(tuple(agent), 'Tuple(user_agent Nullable(String))') as http_request,
    case when class = 3002 then cast(
        (
            coalesce(extract(role_arn, '[^/]*$'), actor_name),
            coalesce(role_arn, arn, principal, case when actor_account is null and account is null then 'unknown' end),
            case when role_arn is null then actor_type else 'Role' end,
            tuple(coalesce(actor_account, account))
        ),
        'Tuple(name Nullable(String), uid Nullable(String), type Nullable(String), account Tuple(uid Nullable(String)))'
    ) when class = 3001 or class = 3005 or (class = 3006 and target is not null) then cast(
        (
            coalesce(target, actor_name),
            case when target is null then arn end,
            case when name like '%Role%' then 'Role' end,
            tuple(account)
        ),
        'Tuple(name Nullable(String), uid Nullable(String), type Nullable(String), account Tuple(uid Nullable(String)))'
    ) end as "user",
    case when class = 3002 then cast(tuple(service_name), 'Tuple(name Nullable(String))') end as service,
    cast(case when class = 3002 and name = 'ConsoleLogin'
        then JSONExtract(rest, 'additionalEventData', 'MFAUsed', 'Nullable(String)') = 'Yes' end as boolean) as is_mfa,
    if(class = 3001 and policy is not null, [cast(
        (case when policy like 'arn:%' then policy end, extract(policy, '[^/]*$')), 'Tuple(uid Nullable(String), name Nullable(String))'
    )], []) as policies,
    if(class in (3005, 3006) and policy is not null, [policy], []) as privileges,
    case when class = 3006 then cast(tuple(coalesce(asked.groupName, 'unknown')), 'Tuple(name Nullable(String))') end as "group",
    if(class in (6003, 3005), arrayMap(
        r -> cast(
            (coalesce(r.ARN, r.ARNPrefix, r.type), r.type, tuple(tuple(r.accountId))),
            'Tuple(uid Nullable(String), type Nullable(String), owner Tuple(account Tuple(uid Nullable(String))))'
        ),
        arrayMap(
            r -> JSONExtract(
                ifNull(r, ''), 'Tuple(ARN Nullable(String), ARNPrefix Nullable(String), type Nullable(String), accountId Nullable(String))'
            ),
            arraySlice(resources, 1, 2)
        )
    ), []) as resources,
    case when class = 2004 then cast(
        (
            coalesce(shared_id, id),
            arrayStringConcat([found.insightType, found.eventSource, found.eventName], ' '),
            [found.insightType]
        ),
        'Tuple(uid Nullable(String), title Nullable(String), types Array(Nullable(String)))'
    ) end as finding_info,
    if(class = 2004, [cast(tuple(insight), 'Tuple(data Nullable(String))')], []) as evidences,
    case
        when coalesce(federation, on_behalf_of, in_scope_of, role_delivery) is null and length(resources) < 3 then rest
        else '{' || arrayStringConcat([
            '"webIdFederationData":' || federation, '"onBehalfOf":' || on_behalf_of, '"inScopeOf":' || in_scope_of,
            '"ec2RoleDelivery":"' || role_delivery || '"',
            if(empty(resources), null, '"resources":[' || arrayStringConcat(arraySlice(resources, 3), ',') || ']'),
            nullif(substr(rest, 2, length(rest) - 2), '')
        ], ',') || '}'
    end as unmapped,
    _file,
    _row
from classed
