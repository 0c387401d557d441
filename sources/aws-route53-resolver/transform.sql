-- One row per query with its answers. A list cannot be renamed item by item, so the first eight answers are written out;
-- records with more keep all of them in `raw_data`.
select
    parse_time(query_timestamp) as time,
    6 as activity_id,
    case when rcode = 'NOERROR' then 1 when rcode is not null then 2 end as status_id,
    rcode as status_code,
    {'hostname': regexp_replace(query_name, '(.)\.$', '\1'), 'type': query_type, 'class': query_class} as query,
    array_slice(
        [
            {'rdata': answers[1]['Rdata'], 'type': answers[1]['Type'], 'class': answers[1]['Class']},
            {'rdata': answers[2]['Rdata'], 'type': answers[2]['Type'], 'class': answers[2]['Class']},
            {'rdata': answers[3]['Rdata'], 'type': answers[3]['Type'], 'class': answers[3]['Class']},
            {'rdata': answers[4]['Rdata'], 'type': answers[4]['Type'], 'class': answers[4]['Class']},
            {'rdata': answers[5]['Rdata'], 'type': answers[5]['Type'], 'class': answers[5]['Class']},
            {'rdata': answers[6]['Rdata'], 'type': answers[6]['Type'], 'class': answers[6]['Class']},
            {'rdata': answers[7]['Rdata'], 'type': answers[7]['Type'], 'class': answers[7]['Class']},
            {'rdata': answers[8]['Rdata'], 'type': answers[8]['Type'], 'class': answers[8]['Class']}
        ],
        1, cast(coalesce(cardinality(answers), 0) as bigint)
    ) as answers,
    case when cardinality(answers) > 8 then _raw end as raw_data,
    case rcode
        when 'NOERROR' then 0
        when 'FORMERR' then 1
        when 'SERVFAIL' then 2
        when 'NXDOMAIN' then 3
        when 'NOTIMP' then 4
        when 'REFUSED' then 5
        when 'YXDOMAIN' then 6
        when 'YXRRSET' then 7
        when 'NXRRSET' then 8
        when 'NOTAUTH' then 9
        when 'NOTZONE' then 10
        else case when rcode is not null then 99 end
    end as rcode_id,
    case
        when rcode not in (
            'NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED', 'YXDOMAIN', 'YXRRSET', 'NXRRSET',
            'NOTAUTH', 'NOTZONE'
        ) then rcode
    end as rcode,
    {
        'ip': srcaddr,
        'port': srcport,
        'vpc_uid': vpc_id,
        'instance_uid': srcids.instance,
        'interface_uid': srcids.resolver_network_interface
    } as src_endpoint,
    {'svc_name': 'Route 53 Resolver', 'uid': srcids.resolver_endpoint} as dst_endpoint,
    ocsf_connection(transport) as connection_info,
    case upper(firewall_rule_action)
        when 'ALLOW' then 1
        when 'ALERT' then 3
        when 'BLOCK' then 2
        else case when firewall_rule_action is not null then 99 end
    end as action_id,
    case upper(firewall_rule_action)
        when 'ALLOW' then 1
        when 'ALERT' then 19
        when 'BLOCK' then 2
        else case when firewall_rule_action is not null then 99 end
    end as disposition_id,
    case when upper(firewall_rule_action) not in ('ALLOW', 'ALERT', 'BLOCK') then firewall_rule_action end as action,
    case when upper(firewall_rule_action) not in ('ALLOW', 'ALERT', 'BLOCK') then firewall_rule_action end as disposition,
    case when upper(firewall_rule_action) in ('ALERT', 'BLOCK') then true end as is_alert,
    {'uid': firewall_rule_group_id, 'match_location': firewall_domain_list_id} as firewall_rule,
    {'provider': 'AWS', 'region': region, 'account': {'uid': account_id}} as cloud,
    {'log_version': version, 'original_time': query_timestamp, 'log_name': 'query log'} as metadata,
    _rest as unmapped,
    _file,
    _row
from input
