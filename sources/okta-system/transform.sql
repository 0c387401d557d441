-- One row per event: actor, client, outcome and the first target as columns, all targets as a list.
with events as (
    select *, target[1] as first_target, _file, _row
    from input
)

select
    published as event_time,
    uuid as event_id,
    eventType as event_type,
    displayMessage as event_message,
    severity,
    lower(outcome.result) as outcome,
    outcome.reason as outcome_reason,
    actor.id as actor_id,
    actor.type as actor_type,
    actor.alternateId as actor_login,
    actor.displayName as actor_name,
    client.ipAddress as source_ip,
    client.geographicalContext.country as source_country,
    client.geographicalContext.state as source_state,
    client.geographicalContext.city as source_city,
    client.geographicalContext.geolocation.lat as source_latitude,
    client.geographicalContext.geolocation.lon as source_longitude,
    client.zone as source_zone,
    securityContext.asNumber as source_as_number,
    securityContext.asOrg as source_as_org,
    securityContext.isProxy as source_is_proxy,
    client.device as client_device,
    client.userAgent.os as client_os,
    client.userAgent.browser as client_browser,
    client.userAgent.rawUserAgent as user_agent,
    first_target.id as target_id,
    first_target.type as target_type,
    first_target.alternateId as target_login,
    first_target.displayName as target_name,
    target as targets,
    authenticationContext.credentialType as credential_type,
    authenticationContext.externalSessionId as session_id,
    transaction.type as transaction_type,
    transaction.id as transaction_id,
    debugContext.debugData['requestUri'] as request_uri,
    cast(debugContext.debugData['threatSuspected'] = 'true' as boolean) as threat_suspected,
    debugContext.debugData as debug_data,
    now() as processed_at,
    _file,
    _row
from events
