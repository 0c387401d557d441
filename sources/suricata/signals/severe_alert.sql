-- title: Suricata alert of the highest severity
-- severity: high
-- description: A rule of severity 1 matched: an attempt to gain privileges, a trojan, or what the rules' author ranks with them.
-- key: rule_id, source_ip, target_ip
-- false_positives: Scanners of your own
-- One signal for each rule and pair of addresses within a file.
select
    evidences[1]['src_endpoint']['ip'] as entity,
    min(time) as time,
    finding_info['title'] || ' from ' || evidences[1]['src_endpoint']['ip'] || ' to ' || evidences[1]['dst_endpoint']['ip']
        || case when max(coalesce(action_id, 0)) = 2 and min(coalesce(action_id, 0)) = 2 then ' (blocked)' else '' end as message,
    finding_info['analytic']['uid'] as rule_id,
    evidences[1]['src_endpoint']['ip'] as source_ip,
    evidences[1]['dst_endpoint']['ip'] as target_ip,
    count(*) as alerts,
    min(_row) as _row
from output
where class_uid = 2004
    and severity_id = 4
group by
    finding_info['title'], finding_info['analytic']['uid'], evidences[1]['src_endpoint']['ip'], evidences[1]['dst_endpoint']['ip']
