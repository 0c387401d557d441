-- title: Two-factor, SAML or address requirement turned off
-- severity: high
-- technique: T1556.006
-- description: Members can sign in with less than before.
select
    resources[1]['name'] as entity,
    time,
    actor['user']['name'] || ' did ' || metadata.event_code || ' for ' || coalesce(resources[1]['name'], 'an organisation') as message,
    actor['user']['name'] as actor_name,
    src_endpoint.ip as source_ip,
    metadata.event_code as action,
    _row
from output
where metadata.event_code in (
    'org.disable_two_factor_requirement',
    'business.disable_two_factor_requirement',
    'org.disable_saml',
    'org.saml_disabled',
    'business.disable_saml',
    'ip_allow_list.disable'
)
