-- title: Google calls a login suspicious
-- severity: high
-- technique: T1078.004
-- description: Google's own judgement of a login, of a password that leaked, or of an attack by a government.
select
    coalesce(evidences[1]['user']['name'], "user"['name']) as entity,
    time,
    concat_ws(' ', metadata.event_code, 'for', coalesce(evidences[1]['user']['name'], "user"['name'])) as message,
    metadata.event_code as event,
    coalesce(evidences[1]['src_endpoint']['ip'], src_endpoint.ip) as source_ip,
    _row
from output
where metadata.event_code in (
        'suspicious_login',
        'suspicious_login_less_secure_app',
        'suspicious_programmatic_login',
        'gov_attack_warning',
        'account_disabled_password_leak',
        'account_disabled_hijacked'
    )
    or (class_uid = 3002 and json_text(unmapped, 'parameters.is_suspicious') = 'true')
