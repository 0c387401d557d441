-- title: A critical threat was let through
-- severity: high
-- technique: T1190
-- description: The firewall recognised an exploit, malware or command and control of critical severity and did not stop it.
-- entity: target
-- false_positives: profiles that only alert while they are being tried
select
    coalesce(evidences[1]['dst_endpoint']['ip'], evidences[1]['src_endpoint']['ip']) as target,
    time,
    finding_info['title'] || ' from ' || evidences[1]['src_endpoint']['ip'] || ' to ' || evidences[1]['dst_endpoint']['ip'] || ' was not blocked' as message,
    finding_info['title'] as threat,
    evidences[1]['src_endpoint']['ip'] as source_ip,
    evidences[1]['user']['name'] as user_name,
    firewall_rule['name'] as rule_name,
    _row
from output
where class_uid = 2004
    and severity_id = 5
    and action_id = 1
