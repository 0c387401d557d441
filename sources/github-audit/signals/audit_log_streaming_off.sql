-- title: Audit log streaming deleted or paused
-- severity: critical
-- technique: T1562.008
-- description: Events after this one do not arrive any more.
select
    actor['user']['name'] as entity,
    time,
    actor['user']['name'] || ' turned the streaming of the audit log of ' || coalesce(resources[1]['name'], 'an enterprise') || ' off' as message,
    src_endpoint.ip as source_ip,
    metadata.event_code as action,
    _row
from output
where metadata.event_code in ('audit_log_streaming.destroy', 'audit_log_streaming.disabled')
    or (metadata.event_code = 'audit_log_streaming.update' and json_text(unmapped, 'audit_log_stream_enabled') = 'false')
