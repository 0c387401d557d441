-- title: Auditing turned off
-- severity: critical
-- technique: T1562.008
-- description: The unified audit log, the auditing of a mailbox or of the whole organisation was turned off, or an account was exempted.
select
    actor['user']['name'] as entity,
    time,
    actor['user']['name'] || ' turned auditing off: ' || metadata.event_code || coalesce(' ' || resources[1]['name'], '') as message,
    metadata.event_code as action,
    resources[1]['name'] as target,
    src_endpoint.ip as source_ip,
    _row
from output
where (metadata.event_code = 'Set-AdminAuditLogConfig'
        and regexp_like(api.request.data, '"(UnifiedAuditLogIngestionEnabled|AdminAuditLogEnabled)"\s*,\s*"Value"\s*:\s*"False"'))
    or (metadata.event_code = 'Set-Mailbox'
        and regexp_like(api.request.data, '"AuditEnabled"\s*,\s*"Value"\s*:\s*"False"'))
    or (metadata.event_code in ('Set-MailboxAuditBypassAssociation', 'Set-OrganizationConfig')
        and regexp_like(api.request.data, '"(AuditBypassEnabled|AuditDisabled)"\s*,\s*"Value"\s*:\s*"True"'))
