-- One row per incident as it was when it was fetched, or per alert. What happened lies in an alert's first event.
with records as (
    select
        *,
        case when alert_id is not null then 2004 when incident_id is not null then 2005 else 0 end as class_uid,
        coalesce(nullif(manual_description, ''), description) as about,
        case when cast(array_length(hosts) as bigint) = 1 and strpos(hosts[1], chr(10)) = 0 then hosts[1] end as only_host,
        case when cast(array_length(users) as bigint) = 1 then users[1] end as only_user,
        case when alert_id is not null then {
            'actor_path': json_text(events, '[0].actor_process_image_path'), 'actor_name': json_text(events, '[0].actor_process_image_name'),
            'actor_cmd': json_text(events, '[0].actor_process_command_line'), 'actor_sha256': json_text(events, '[0].actor_process_image_sha256'),
            'actor_pid': json_text(events, '[0].actor_process_os_pid'), 'user': coalesce(user_name, json_text(events, '[0].user_name')),
            'file_path': json_text(events, '[0].action_file_path'), 'file_name': json_text(events, '[0].action_file_name'), 'file_sha256': json_text(events, '[0].action_file_sha256'),
            'local_ip': json_text(events, '[0].action_local_ip'), 'local_port': json_text(events, '[0].action_local_port'),
            'remote_ip': json_text(events, '[0].action_remote_ip'), 'remote_port': json_text(events, '[0].action_remote_port'),
            'remote_host': json_text(events, '[0].action_external_hostname'), 'rule': json_text(events, '[0].fw_rule')
        } end as e,
        regexp_match(coalesce(mitre_technique_id_and_name, ''), '(T\d{4}(?:\.\d{3})?)(?: - ([^",\]]+)|)') as technique,
        regexp_match(coalesce(mitre_tactic_id_and_name, ''), '(TA\d{4})(?: - ([^",\]]+)|)') as tactic,
        -- BLOCKED, DETECTED_4, "Prevented (Blocked)", "Detected (Reported)", …
        lower(concat_ws(' ', action_pretty, action)) as outcome,
        _rest, _raw, _file, _row
    from input
),

rated as (
    select
        *,
        case
            when class_uid = 2005 and status like 'resolved%' then 3
            when class_uid = 2005 and modification_time <> creation_time then 2
            when class_uid = 0 then 0
            else 1
        end as activity_id,
        case when class_uid = 2005 then case
            when status = 'new' then 1
            when status = 'under_investigation' then 2
            when status like 'resolved%' then 4
            when status is null then 0
            else 99
        end end as status_id,
        case when class_uid = 2005 then case status
            when 'resolved_false_positive' then 1
            when 'resolved_true_positive' then 2
            when 'resolved_threat_handled' then 2
            when 'resolved_known_issue' then 3
            when 'resolved_security_testing' then 6
            when 'resolved_duplicate' then 10
            when 'resolved_duplicate_incident' then 10
            else case when status like 'resolved%' then 99 end
        end end as verdict_id,
        case
            when class_uid <> 2004 then null
            when regexp_like(outcome, 'block|prevent') then 2
            when regexp_like(outcome, 'detect|report') then 15
            when outcome <> '' then 99
        end as disposition_id
    from records
)

select
    parse_time(case when class_uid = 2005 then coalesce(modification_time, creation_time) else coalesce(detection_timestamp, local_insert_ts, creation_time) end) as time,
    class_uid,
    activity_id,
    coalesce(ocsf_severity_id(coalesce(nullif(manual_severity, ''), severity)), 0) as severity_id,
    status_id,
    case when status_id = 99 then status end as status,
    status as status_detail,
    verdict_id,
    case when verdict_id = 99 then status end as verdict,
    coalesce(case when class_uid = 2004 then name else nullif(incident_name, '') end, about, _raw) as message,
    resolve_comment as comment,
    case when class_uid = 2005 then about end as "desc",
    case when class_uid = 2005 then [{
        'uid': incident_id,
        'title': coalesce(nullif(incident_name, ''), about),
        'desc': about,
        'src_url': xdr_url,
        'data_sources': incident_sources,
        'related_events_count': alert_count,
        'created_time': parse_time(creation_time),
        'modified_time': parse_time(modification_time),
        'first_seen_time': parse_time(detection_time),
        'tags': array_compact([
            case when cast(array_length(hosts) as bigint) > 0 then {'name': 'hosts', 'values': hosts} end,
            case when cast(array_length(users) as bigint) > 0 then {'name': 'users', 'values': users} end
        ])
    }] end as finding_info_list,
    case when class_uid = 2005 then {'name': coalesce(nullif(assigned_user_mail, ''), 'Unassigned'), 'email_addr': assigned_user_mail, 'full_name': assigned_user_pretty_name} end as assignee,
    case when class_uid = 2005 then xdr_url end as src_url,
    cast(coalesce(manual_score, rule_based_score) as int) as risk_score,
    case when class_uid = 2004 then {
        'uid': alert_id,
        'title': coalesce(name, 'alert'),
        'desc': about,
        'types': [category],
        'data_sources': [source],
        'created_time': parse_time(local_insert_ts),
        'analytic': {'name': coalesce(e['rule'], name), 'category': category, 'type': source, 'type_id': 0},
        'related_events': case when coalesce(case_id, incident_id) is not null then [{'uid': coalesce(case_id, incident_id), 'type': 'incident'}] end,
        'attacks': case when technique[1] is not null or tactic[1] is not null then [{
            'technique': {'uid': technique[1], 'name': technique[2]},
            'tactic': {'uid': tactic[1], 'name': tactic[2]}
        }] end
    } end as finding_info,
    case when class_uid = 2004 and coalesce(e['actor_name'], e['actor_path'], e['file_name'], e['local_ip'], e['remote_ip'], e['remote_host'], e['user']) is not null then [{
        'process': case when coalesce(e['actor_name'], e['actor_path']) is not null then {'name': e['actor_name'], 'cmd_line': e['actor_cmd'], 'pid': try_cast(e['actor_pid'] as bigint),
            'file': {'name': coalesce(e['actor_name'], ocsf_file(e['actor_path'])['name']), 'path': e['actor_path'], 'type_id': 1, 'hashes': array_compact([ocsf_hash(e['actor_sha256'])])}} end,
        'file': case when coalesce(e['file_name'], e['file_path']) is not null then {'name': coalesce(e['file_name'], ocsf_file(e['file_path'])['name']), 'path': e['file_path'], 'type_id': 1,
            'hashes': array_compact([ocsf_hash(e['file_sha256'])])} end,
        'src_endpoint': ocsf_endpoint(e['local_ip'], e['local_port']),
        'dst_endpoint': ocsf_endpoint(coalesce(e['remote_ip'], e['remote_host']), e['remote_port']),
        'user': ocsf_user(e['user'])
    }] end as evidences,
    case when disposition_id = 2 then 2 when disposition_id = 15 then 3 when disposition_id = 99 then 99 end as action_id,
    case when disposition_id = 99 then coalesce(action_pretty, action) end as action,
    disposition_id,
    case when disposition_id = 99 then coalesce(action_pretty, action) end as disposition,
    {'user': ocsf_user(coalesce(only_user, e['user']))} as actor,
    case
        when host_name is not null or only_host is not null then {
            'hostname': ocsf_endpoint(coalesce(host_name, split_part(only_host, ':', 1)))['hostname'],
            'ip': ocsf_endpoint(coalesce(json_text(host_ip, '[0]'), host_ip, split_part(only_host, ':', 1)))['ip'],
            'uid': coalesce(endpoint_id, nullif(nullif(split_part(only_host, ':', 2), ''), 'null')),
            'type_id': 0
        }
    end as device,
    {'uid': coalesce(alert_id, incident_id), 'log_name': case class_uid when 2004 then 'alerts' when 2005 then 'incidents' end,
        'original_time': case when class_uid = 2005 then modification_time else detection_timestamp end} as metadata,
    case when class_uid = 2004 then events end as raw_data,
    _rest as unmapped,
    _file,
    _row
from rated
