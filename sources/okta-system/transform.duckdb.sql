-- transform.sql in DuckDB's dialect: the same rows.
-- One row per event. What happened to users, their privileges and groups, and logins, have classes of their own; all else
-- is what somebody did in Okta. What is not named here is in `_rest`. A column whose name stands anywhere in this file counts
-- as read and is not in `_rest`: hence the names in two parts, which are for `_rest` alone.
with events as (
    select
        uuid, published, eventType, severity, displayMessage, actor, client, securityContext, outcome,
        from_json(
            _rest -> ('$.tar' || 'get'), '[{"id":"VARCHAR","type":"VARCHAR","alternateId":"VARCHAR","displayName":"VARCHAR"}]'
        )[:3] as objects,
        _rest -> ('$.debug' || 'Context.debugData') as debug_data,
        _rest ->> ('$.trans' || 'action.id') as correlation,
        _rest ->> ('$.authentication' || 'Context.externalSessionId') as session,
        -- Class and activity in one number, as in `type_uid`.
        case
            when eventType like 'user.authentication.%' then case when eventType = 'user.authentication.slo' then 300202 else 300201 end
            when eventType like 'user.session.impersonation.%' then 300207
            when eventType like 'user.mfa.factor.%' then case split_part(eventType, '.', 4)
                when 'activate' then 300110 when 'unsuspend' then 300110
                when 'deactivate' then 300111 when 'reset_all' then 300111 when 'suspend' then 300111 else 300199 end
            when eventType like 'user.account.privilege.%' then case split_part(eventType, '.', 4) when 'grant' then 300501 when 'revoke' then 300502 else 300599 end
            when eventType like 'user.account.%' then case split_part(eventType, '.', 3)
                when 'update_password' then 300103 when 'reset_password' then 300104 when 'expire_password' then 300104
                when 'lock' then 300109 when 'unlock' then 300112 when 'unlock_by_admin' then 300112 else 300199 end
            when eventType like 'user.lifecycle.%' then case split_part(eventType, '.', 3)
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
                else case split_part(eventType, '.', -1)
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
        kind // 100 as class,
        kind % 100 as activity,
        case when kind < 600000 then coalesce(
            list_filter(objects, lambda o: o.type = 'User')[1], list_filter(objects[:1], lambda o: o.type = 'AppUser')[1]
        ) end as user_object,
        -- A group, or the application.
        case when kind < 600000 then list_filter(objects, lambda o: o.type in ('UserGroup', 'AppInstance'))[1] end as other_object,
        case when kind in (300501, 300502, 300601, 300602) then coalesce(
            debug_data ->> 'privilegeGranted', debug_data ->> 'privilegeRevoked'
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
    {
        'uid': uuid, 'event_code': eventType, 'log_level': severity, 'correlation_uid': correlation
    } as metadata,
    {
        'user': {
            'uid': actor.id,
            'type': actor.type,
            'name': login,
            'display_name': actor.displayName,
            'email_addr': case when actor.alternateId like '%_@_%' then actor.alternateId end
        },
        'session': {'uid': session},
        'app_uid': client.id
    } as actor,
    case
        when class = 3002 or (class in (3001, 3005) and user_object is null) then {
            'uid': actor.id, 'type': actor.type, 'name': login, 'display_name': actor.displayName,
            'email_addr': case when actor.alternateId like '%_@_%' then actor.alternateId end
        }
        when user_object is not null then {
            'uid': user_object.id, 'type': user_object.type,
            'name': nullif(user_object.alternateId, 'unknown'), 'display_name': user_object.displayName,
            'email_addr': case when user_object.alternateId like '%_@_%' then user_object.alternateId end
        }
    end as "user",
    case when class = 3002 then {'name': coalesce(other_object.displayName, 'Okta'), 'uid': other_object.id} end as service,
    case when eventType = 'user.authentication.auth_via_mfa' then true end as is_mfa,
    case when class = 3006 then {
        'name': coalesce(other_object.displayName, 'unknown'), 'uid': other_object.id
    } end as "group",
    case
        when class = 3005 then string_split(coalesce(privilege, other_object.displayName, 'unknown'), ', ')
        when class = 3006 then string_split(privilege, ', ')
    end as privileges,
    case when class = 6003 then {'operation': coalesce(eventType, 'unknown'), 'service': {'name': 'Okta'}} end as api,
    case when class = 6003 then list_transform(
        objects, lambda o: {'uid': o.id, 'type': o.type, 'name': o.displayName}
    ) end as resources,
    {
        'ip': client.ipAddress,
        'name': case when client.ipAddress is null and class = 6003 then 'unknown' end,
        'zone': nullif(client.zone, 'null'),
        'type': nullif(client.device, 'Unknown'),
        'type_id': case client.device when 'Computer' then 2 when 'Mobile' then 5 when 'Tablet' then 4 end,
        'os': {
            'name': nullif(client.userAgent.os, 'Unknown'),
            'type_id': case
                when client.userAgent.os in ('Unknown', '') then null
                when client.userAgent.os like 'Windows%' then 100
                when client.userAgent.os like 'Mac%' then 300
                when client.userAgent.os = 'Linux' then 200
                when client.userAgent.os like 'Android%' then 201
                when client.userAgent.os like 'iOS%' then 301
                when client.userAgent.os is not null then 99
            end
        },
        'location': {
            'city': client.geographicalContext.city,
            'region': client.geographicalContext.state,
            'country': client.geographicalContext.country,
            'postal_code': client.geographicalContext.postalCode,
            'lat': client.geographicalContext.geolocation.lat,
            'long': client.geographicalContext.geolocation.lon
        },
        'autonomous_system': {'number': securityContext.asNumber, 'name': securityContext.asOrg},
        'isp': securityContext.isp,
        'domain': securityContext.domain
    } as src_endpoint,
    {
        'user_agent': client.userAgent.rawUserAgent,
        'url': {'path': split_part(debug_data ->> 'requestUri', '?', 1)}
    } as http_request,
    case when securityContext.isProxy is null and actor.detailEntry is null then _rest
        else '{' || concat_ws(',',
            '"securityContext":{"isProxy":' || cast(securityContext.isProxy as text) || '}',
            '"actor":{"detailEntry":' || actor.detailEntry || '}',
            nullif(substr(_rest, 2, length(_rest) - 2), '')
        ) || '}'
    end as unmapped,
    _file,
    _row
from classed
