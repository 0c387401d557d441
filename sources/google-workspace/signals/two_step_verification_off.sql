-- title: Two-step verification turned off
-- severity: high
-- technique: T1556.006
-- description: For a user, by the user or an administrator, or no longer required of an organisational unit.
select
    coalesce("user"['name'], json_text(unmapped, 'parameters.ORG_UNIT_NAME'), actor['user']['name']) as entity,
    time,
    concat_ws(' ', actor['user']['name'], 'turned two-step verification off for',
        coalesce("user"['name'], json_text(unmapped, 'parameters.ORG_UNIT_NAME'), 'the domain')) as message,
    actor['user']['name'] as actor_name,
    metadata.event_code as action,
    src_endpoint.ip as source_ip,
    _row
from output
where metadata.event_code in ('2sv_disable', 'TURN_OFF_2_STEP_VERIFICATION')
    or (metadata.event_code in ('ENFORCE_STRONG_AUTHENTICATION', 'ALLOW_STRONG_AUTHENTICATION')
        and json_text(unmapped, 'parameters.NEW_VALUE') = 'false')
