-- transform.sql in the dialect of chDB (ClickHouse): the same rows.
-- One row per event. What happened to users, their privileges and groups, and logins, have classes of their own; all else
-- is what somebody did in Okta. What is not named here is in `_rest`. A column whose name stands anywhere in this file counts
-- as read and is not in `_rest`: hence the names in two parts, which are for `_rest` alone.
with events as (
    select
        uuid, published, eventType, severity, displayMessage, actor, client, securityContext, outcome,
        arraySlice(JSONExtract(
            ifNull(_rest, ''), 'tar' || 'get',
            'Array(Tuple(id Nullable(String), type Nullable(String), alternateId Nullable(String), displayName Nullable(String)))'
        ), 1, 3) as objects,
        JSONExtractRaw(_rest, 'debug' || 'Context', 'debugData') as debug_data,
        JSONExtract(_rest, 'trans' || 'action', 'id', 'Nullable(String)') as correlation,
        JSONExtract(_rest, 'authentication' || 'Context', 'externalSessionId', 'Nullable(String)') as session,
        -- Class and activity in one number, as in `type_uid`.
        case
            when eventType like 'user.authentication.%' then case when eventType = 'user.authentication.slo' then 300202 else 300201 end
            when eventType like 'user.session.impersonation.%' then 300207
            when eventType like 'user.mfa.factor.%' then case splitByChar('.', ifNull(eventType, ''))[4]
                when 'activate' then 300110 when 'unsuspend' then 300110
                when 'deactivate' then 300111 when 'reset_all' then 300111 when 'suspend' then 300111 else 300199 end
            when eventType like 'user.account.privilege.%' then case splitByChar('.', ifNull(eventType, ''))[4] when 'grant' then 300501 when 'revoke' then 300502 else 300599 end
            when eventType like 'user.account.%' then case splitByChar('.', ifNull(eventType, ''))[3]
                when 'update_password' then 300103 when 'reset_password' then 300104 when 'expire_password' then 300104
                when 'lock' then 300109 when 'unlock' then 300112 when 'unlock_by_admin' then 300112 else 300199 end
            when eventType like 'user.lifecycle.%' then case splitByChar('.', ifNull(eventType, ''))[3]
                when 'create' then 300101 when 'activate' then 300102 when 'reactivate' then 300102 when 'unsuspend' then 300102
                when 'deactivate' then 300105 when 'suspend' then 300105 when 'delete' then 300106 else 300199 end
            when eventType like 'group.%' then case eventType
                when 'group.privilege.grant' then 300601 when 'group.privilege.revoke' then 300602
                when 'group.user_membership.add' then 300603 when 'group.user_membership.remove' then 300604
                when 'group.lifecycle.delete' then 300605 when 'group.lifecycle.create' then 300606 else 300699 end
            else case eventType
                when 'user.session.start' then 300201 when 'user.session.end' then 300202 when 'user.session.clear' then 300202
                when 'policy.evaluate_sign_on' then 300206 when 'user.mfa.attempt_bypass' then 300299
                when 'application.user_membership.add' then 300501 when 'application.user_membership.remove' then 300502
                else case splitByChar('.', ifNull(eventType, ''))[-1]
                    when 'create' then 600301 when 'add' then 600301 when 'generate' then 600301
                    when 'access_admin_app' then 600302 when 'download' then 600302 when 'view' then 600302 when 'export' then 600302
                    when 'update' then 600303 when 'activate' then 600303 when 'deactivate' then 600303 when 'enable' then 600303 when 'disable' then 600303
                    when 'delete' then 600304 when 'remove' then 600304 when 'revoke' then 600304
                    else 600399
                end
            end
        end as kind,
        _rest, _file, _row
    from input
),

classed as (
    select
        *,
        intDiv(kind, 100) as class,
        kind % 100 as activity,
        if(
            arrayExists(o -> o.type = 'User', objects),
            arrayFirst(o -> o.type = 'User', objects),
            arrayFirst(o -> o.type = 'AppUser', arraySlice(objects, 1, 1))
        ) as user_object,
        kind < 600000 and user_object.type is not null as has_user,
        -- A group, or the application.
        arrayFirst(o -> o.type in ('UserGroup', 'AppInstance'), objects) as other_object,
        case when kind in (300501, 300502, 300601, 300602) then coalesce(
            JSONExtract(debug_data, 'privilegeGranted', 'Nullable(String)'), JSONExtract(debug_data, 'privilegeRevoked', 'Nullable(String)')
        ) end as privilege,
        coalesce(nullif(actor.alternateId, 'unknown'), actor.id, 'unknown') as login
    from events
)

select
    published as time,
    class as class_uid,
    activity as activity_id,
    case when activity = 99 then coalesce(eventType, 'unknown') end as activity_name,
    case lower(severity) when 'debug' then 1 when 'info' then 1 when 'warn' then 3 when 'error' then 4 end as severity_id,
    case when outcome.result in ('SUCCESS', 'ALLOW') then 1 when outcome.result in ('FAILURE', 'DENY') then 2 when outcome.result is null then 0 else 99 end
        as status_id,
    case when outcome.result not in ('SUCCESS', 'ALLOW', 'FAILURE', 'DENY') then outcome.result end as status,
    outcome.result as status_code,
    outcome.reason as status_detail,
    displayMessage as message,
    cast(
        (uuid, eventType, severity, correlation),
        'Tuple(uid Nullable(String), event_code Nullable(String), log_level Nullable(String), correlation_uid Nullable(String))'
    ) as metadata,
    cast(
        (
            (
                actor.id, actor.type, login, actor.displayName,
                case when actor.alternateId like '%_@_%' then actor.alternateId end
            ),
            tuple(session),
            client.id
        ),
        'Tuple(
            user Tuple(uid Nullable(String), type Nullable(String), name Nullable(String), display_name Nullable(String), email_addr Nullable(String)),
            session Tuple(uid Nullable(String)),
            app_uid Nullable(String)
        )'
    ) as actor,
    case
        when class = 3002 or (class in (3001, 3005) and not has_user) then cast(
            (actor.id, actor.type, login, actor.displayName, case when actor.alternateId like '%_@_%' then actor.alternateId end),
            'Tuple(uid Nullable(String), type Nullable(String), name Nullable(String), display_name Nullable(String), email_addr Nullable(String))'
        )
        when has_user then cast(
            (
                user_object.id, user_object.type, nullif(user_object.alternateId, 'unknown'), user_object.displayName,
                case when user_object.alternateId like '%_@_%' then user_object.alternateId end
            ),
            'Tuple(uid Nullable(String), type Nullable(String), name Nullable(String), display_name Nullable(String), email_addr Nullable(String))'
        )
    end as "user",
    case when class = 3002 then cast(
        (coalesce(other_object.displayName, 'Okta'), other_object.id), 'Tuple(name Nullable(String), uid Nullable(String))'
    ) end as service,
    case when eventType = 'user.authentication.auth_via_mfa' then true end as is_mfa,
    case when class = 3006 then cast(
        (coalesce(other_object.displayName, 'unknown'), other_object.id), 'Tuple(name Nullable(String), uid Nullable(String))'
    ) end as "group",
    multiIf(
        class = 3005, splitByString(', ', coalesce(privilege, other_object.displayName, 'unknown')),
        class = 3006 and privilege is not null, splitByString(', ', ifNull(privilege, '')),
        []
    ) as privileges,
    case when class = 6003 then cast(
        (coalesce(eventType, 'unknown'), tuple('Okta')), 'Tuple(operation Nullable(String), service Tuple(name Nullable(String)))'
    ) end as api,
    if(class = 6003, cast(
        arrayMap(o -> (o.id, o.type, o.displayName), objects),
        'Array(Tuple(uid Nullable(String), type Nullable(String), name Nullable(String)))'
    ), []) as resources,
    cast(
        (
            client.ipAddress,
            case when client.ipAddress is null and class = 6003 then 'unknown' end,
            nullif(client.zone, 'null'),
            nullif(client.device, 'Unknown'),
            case client.device when 'Computer' then 2 when 'Mobile' then 5 when 'Tablet' then 4 end,
            (
                nullif(client.userAgent.os, 'Unknown'),
                case
                    when client.userAgent.os in ('Unknown', '') then null
                    when client.userAgent.os like 'Windows%' then 100
                    when client.userAgent.os like 'Mac%' then 300
                    when client.userAgent.os = 'Linux' then 200
                    when client.userAgent.os like 'Android%' then 201
                    when client.userAgent.os like 'iOS%' then 301
                    when client.userAgent.os is not null then 99
                end
            ),
            (
                client.geographicalContext.city, client.geographicalContext.state, client.geographicalContext.country,
                client.geographicalContext.postalCode, client.geographicalContext.geolocation.lat, client.geographicalContext.geolocation.lon
            ),
            (securityContext.asNumber, securityContext.asOrg),
            securityContext.isp,
            securityContext.domain
        ),
        'Tuple(
            ip Nullable(String), name Nullable(String), zone Nullable(String), type Nullable(String), type_id Nullable(Int64),
            os Tuple(name Nullable(String), type_id Nullable(Int64)),
            location Tuple(
                city Nullable(String), region Nullable(String), country Nullable(String), postal_code Nullable(String),
                lat Nullable(Float64), long Nullable(Float64)
            ),
            autonomous_system Tuple(number Nullable(Int64), name Nullable(String)),
            isp Nullable(String), domain Nullable(String)
        )'
    ) as src_endpoint,
    cast(
        (client.userAgent.rawUserAgent, tuple(splitByChar('?', JSONExtractString(debug_data, 'requestUri'))[1])),
        'Tuple(user_agent Nullable(String), url Tuple(path Nullable(String)))'
    ) as http_request,
    case when securityContext.isProxy is null and actor.detailEntry is null then _rest
        else '{' || arrayStringConcat([
            '"securityContext":{"isProxy":' || toString(securityContext.isProxy) || '}',
            '"actor":{"detailEntry":' || actor.detailEntry || '}',
            nullif(substr(_rest, 2, length(_rest) - 2), '')
        ], ',') || '}'
    end as unmapped,
    _file,
    _row
from classed
