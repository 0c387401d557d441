-- One row per line of Apache's or nginx' error log; a line that is none of ModSecurity is base_event.
with parsed as (
    select
        line,
        coalesce(
            regexp_match(line, '^\[([A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d:.]+ \d{4})\]')[1],
            replace(regexp_match(line, '^(\d{4}/\d\d/\d\d [\d:]+)')[1], '/', '-')
        ) as logged,
        regexp_match(line, 'ModSecurity: (.*?)\.? *\[file "')[1] as verdict,
        regexp_match(line, '\[id "([^"]*)"\]')[1] as id,
        regexp_match(line, '\[msg "((?:[^"\\]|\\.)*)"\]')[1] as msg,
        regexp_match(line, '\[data "((?:[^"\\]|\\.)*)"\]')[1] as data,
        regexp_match(line, '\[severity "([^"]*)"\]')[1] as severity,
        regexp_match(line, '\[ver "([^"]*)"\]')[1] as ver,
        regexp_match(line, '\[file "([^"]*)"\]')[1] as rules,
        regexp_match(line, '\[hostname "([^"]*)"\]')[1] as host,
        regexp_match(line, '\[uri "((?:[^"\\]|\\.)*)"\]')[1] as uri,
        regexp_match(line, '\[unique_id "([^"]*)"\]')[1] as unique_id,
        regexp_match(line, '\[tag "(attack-[^"]*)"\]')[1] as attack,
        regexp_match(line, '\[(?:client|remote) ([0-9A-Fa-f.:]+?):(\d+)\]') as client,
        regexp_match(line, '\[client ([0-9A-Fa-f.:]+)\] ModSecurity')[1] as address,
        regexp_match(line, 'with code (\d{3})')[1] as code,
        _file, _row
    from input
),

rated as (
    select
        *,
        id is not null and line like '%ModSecurity: %' as is_finding,
        line like '%ModSecurity: Access denied%' as is_denied,
        coalesce(severity, '') as word
    from parsed
)

select
    parse_time(logged) as time,
    case when is_finding then 2004 else 0 end as class_uid,
    case when is_finding then 1 else 0 end as activity_id,
    case
        when word in ('EMERGENCY', '0') then 6
        when word in ('ALERT', 'CRITICAL', '1', '2') then 5
        when word in ('ERROR', '3') then 4
        when word in ('WARNING', '4') then 3
        when word in ('NOTICE', '5') then 2
        when word in ('INFO', 'DEBUG', '6', '7') then 1
        else 0
    end as severity_id,
    coalesce(msg, verdict, line) as message,
    case when is_finding then {
        'uid': coalesce(unique_id || '-', '') || id,
        'title': coalesce(msg, verdict, 'rule ' || id),
        'desc': data,
        'types': case when attack is not null then [attack] end,
        'analytic': {'uid': id, 'name': msg, 'type_id': 1, 'category': attack, 'version': ver}
    } end as finding_info,
    case when is_finding then [{
        'src_endpoint': ocsf_endpoint(coalesce(address, client[1]), case when client[1] = coalesce(address, client[1]) then nullif(client[2], '0') end),
        'url': {'path': uri, 'hostname': host},
        'http_response': {'code': cast(code as int)}
    }] end as evidences,
    case when is_finding then true end as is_alert,
    case when is_finding then case when is_denied then 2 else 3 end end as action_id,
    case when is_finding then case when is_denied then 2 else 15 end end as disposition_id,
    case when is_finding then {'uid': id, 'name': msg, 'category': regexp_match(rules, '([^/]+)$')[1], 'match_details': case when verdict is not null then [verdict] end} end as firewall_rule,
    {'correlation_uid': unique_id, 'event_code': id, 'log_level': severity, 'original_time': logged} as metadata,
    line as raw_data,
    _file,
    _row
from rated
