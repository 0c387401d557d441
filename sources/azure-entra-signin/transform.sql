-- One row per sign-in. What is no sign-in is a base event.
with signins as (
    select
        *,
        properties as p,
        case when category like '%SignInLogs' then 3002 else 0 end as class,
        coalesce(
            cast(properties['status']['errorCode'] as text), case when resultType in ('Success', '0') then '0' end, resultType
        ) as code,
        coalesce(properties['userPrincipalName'], properties['servicePrincipalName']) as who,
        properties['userPrincipalName'] is null and properties['servicePrincipalId'] <> '' as is_app,
        nullif(nullif(properties['authenticationProtocol'], 'none'), '') as protocol,
        nullif(properties['deviceDetail']['deviceId'], '') as device_id,
        nullif(properties['deviceDetail']['displayName'], '') as device_name,
        properties['authenticationDetails'] as steps,
        -- Managed identities have no address.
        ocsf_endpoint(coalesce(nullif(properties['ipAddress'], ''), callerIpAddress), null)['ip'] as ip,
        _file,
        _row,
        _rest,
        _raw
    from input
),

factors as (
    select
        *,
        -- Names of methods are those of the portal; what is not known keeps its own word.
        [
            {'factor_type_id': case
                when steps[1]['authenticationMethod'] = 'Password' then 11 when steps[1]['authenticationMethod'] = 'Text message' then 1
                when steps[1]['authenticationMethod'] like 'Mobile app%' then 5 when steps[1]['authenticationMethod'] like 'OATH%' then 7
                when steps[1]['authenticationMethod'] like 'Phone call%' then 3 when steps[1]['authenticationMethod'] like '%FIDO2%' then 10
                else 99 end, 'factor_type': case when not steps[1]['authenticationMethod'] ~ '^(Password|Text message|Mobile app|OATH|Phone call|.*FIDO2)' then steps[1]['authenticationMethod'] end},
            {'factor_type_id': case
                when steps[2]['authenticationMethod'] = 'Password' then 11 when steps[2]['authenticationMethod'] = 'Text message' then 1
                when steps[2]['authenticationMethod'] like 'Mobile app%' then 5 when steps[2]['authenticationMethod'] like 'OATH%' then 7
                when steps[2]['authenticationMethod'] like 'Phone call%' then 3 when steps[2]['authenticationMethod'] like '%FIDO2%' then 10
                else 99 end, 'factor_type': case when not steps[2]['authenticationMethod'] ~ '^(Password|Text message|Mobile app|OATH|Phone call|.*FIDO2)' then steps[2]['authenticationMethod'] end}
        ] as both
    from signins
)

select
    coalesce(p['createdDateTime'], "time") as time,
    class as class_uid,
    case when class = 3002 then 1 else 0 end as activity_id,
    case p['riskLevelDuringSignIn'] when 'low' then 2 when 'medium' then 3 when 'high' then 4 else 1 end as severity_id,
    case
        when class = 0 then null
        when code = '0' then 1
        -- Something is asked for first: a second factor, consent, to stay signed in.
        when code in ('50058', '50072', '50074', '50076', '50079', '50097', '50125', '50140', '65001') then 99
        when code is not null then 2
        else 0
    end as status_id,
    case when class = 3002 and code in ('50058', '50072', '50074', '50076', '50079', '50097', '50125', '50140', '65001') then 'Interrupted' end as status,
    code as status_code,
    coalesce(nullif(p['status']['failureReason'], 'Other.'), p['status']['additionalDetails'], resultDescription) as status_detail,
    case when class = 3002 then concat_ws(' ', coalesce(who, 'somebody'), case when code = '0' then 'signed in to' else 'did not sign in to' end, coalesce(p['resourceDisplayName'], p['appDisplayName'])) else operationName end as message,
    {
        'uid': p['id'], 'event_code': operationName, 'log_name': category, 'correlation_uid': correlationId,
        'tenant_uid': tenantId, 'logged_time': "time"
    } as metadata,
    {'provider': 'Azure', 'org': {'uid': tenantId}} as cloud,
    case when class = 3002 then {
        'name': case when is_app then p['servicePrincipalName'] else coalesce(who, 'unknown') end,
        'uid': coalesce(nullif(p['userId'], ''), p['servicePrincipalId']),
        'email_addr': case when who like '%@%' then who end,
        'full_name': p['userDisplayName'],
        'type_id': case when is_app or category like 'ServicePrincipal%' or category like 'ManagedIdentity%' then 4 else 1 end,
        'risk_level_id': case p['riskLevelAggregated'] when 'none' then 0 when 'low' then 1 when 'medium' then 2 when 'high' then 3 end
    } end as "user",
    case when class = 3002 then {'app_name': p['appDisplayName'], 'app_uid': p['appId']} end as actor,
    case when class = 3002 then {
        'name': coalesce(nullif(p['resourceDisplayName'], ''), nullif(p['appDisplayName'], ''), 'Microsoft Entra ID'), 'uid': p['resourceId']
    } end as service,
    case when class = 3002 and ip is not null then {
        'ip': ip,
        'location': {
            'city': p['location']['city'], 'region': p['location']['state'], 'country': p['location']['countryOrRegion'],
            'lat': case when p['location']['countryOrRegion'] <> '' then p['location']['geoCoordinates']['latitude'] end,
            'long': case when p['location']['countryOrRegion'] <> '' then p['location']['geoCoordinates']['longitude'] end
        },
        'autonomous_system': {'number': p['autonomousSystemNumber']}
    } end as src_endpoint,
    case when class = 3002 then {'user_agent': p['userAgent']} end as http_request,
    case when class = 3002 and coalesce(device_id, device_name) is not null then {
        'uid': device_id, 'hostname': device_name, 'type_id': 0,
        'is_managed': p['deviceDetail']['isManaged'], 'is_compliant': p['deviceDetail']['isCompliant'],
        'os': {'name': p['deviceDetail']['operatingSystem'], 'type_id': case
            when p['deviceDetail']['operatingSystem'] ilike 'windows%' then 100 when p['deviceDetail']['operatingSystem'] ilike 'mac%' then 300
            when p['deviceDetail']['operatingSystem'] ilike 'ios%' then 301 when p['deviceDetail']['operatingSystem'] ilike 'android%' then 201
            when p['deviceDetail']['operatingSystem'] ilike 'linux%' then 200 when p['deviceDetail']['operatingSystem'] <> '' then 99 end}
    } end as device,
    case when class = 3002 then {
        'uid': coalesce(nullif(p['sessionId'], ''), p['uniqueTokenIdentifier']), 'issuer': p['tokenIssuerName'],
        'credential_uid': p['servicePrincipalCredentialKeyId']
    } end as session,
    case when class = 3002 then case p['authenticationRequirement'] when 'multiFactorAuthentication' then true when 'singleFactorAuthentication' then false end end as is_mfa,
    case when class = 3002 then true end as is_remote,
    case when class = 3002 then case lower(protocol) when 'oauth2' then 6 when 'saml20' then 5 else case when protocol is not null then 99 end end end as auth_protocol_id,
    case when class = 3002 and lower(protocol) not in ('oauth2', 'saml20') then protocol end as auth_protocol,
    case when class = 3002 then case p['isInteractive'] when true then 2 when false then 99 end end as logon_type_id,
    case when class = 3002 and not p['isInteractive'] then 'Non-interactive' end as logon_type,
    case when class = 3002 and steps[1]['authenticationMethod'] <> '' then
        array_slice(both, 1, case when steps[2]['authenticationMethod'] <> '' then 2 else 1 end) end as auth_factors,
    case when class = 3002 then case p['riskLevelDuringSignIn'] when 'none' then 0 when 'low' then 1 when 'medium' then 2 when 'high' then 3 end end as risk_level_id,
    case when class = 3002 then nullif(p['riskDetail'], 'none') end as risk_details,
    case when class = 3002 then case p['conditionalAccessStatus'] when 'success' then 1 when 'failure' then 2 when 'notApplied' then 16 end end as disposition_id,
    case when class = 0 then _raw end as raw_data,
    -- All properties: most have no place in the schema, and nobody knows all of them.
    case when class = 0 then _rest
        else '{' || concat_ws(',', '"properties":' || case when left(json_text(_raw, 'properties'), 1) in ('{', '[') then json_text(_raw, 'properties') end, nullif(substr(_rest, 2, length(_rest) - 2), '')) || '}'
    end as unmapped,
    _file,
    _row
from factors
