-- title: Verbose audit log turned off
-- severity: high
-- technique: T1562.008
-- description: Without it commands in notebooks are not told any more
select
    actor['user']['name'] as entity,
    time,
    actor['user']['name'] || ' turned the verbose audit log of a workspace off' as message,
    src_endpoint['ip'] as source_ip,
    _row
from output
where class_uid = 6003
    and api['operation'] = 'workspaceConfEdit'
    and status_id <> 2
    and coalesce(json_text(api['request']['data'], 'workspaceConfKeys'), json_text(unmapped, 'requestParams.workspaceConfKeys')) = 'enableVerboseAuditLogs'
    and coalesce(json_text(api['request']['data'], 'workspaceConfValues'), json_text(unmapped, 'requestParams.workspaceConfValues')) = 'false'
