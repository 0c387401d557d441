-- One row per event: of the audit log logins and changes, then alerts, and everything else is traffic through the proxy.
with classed as (
    select
        *,
        case
            when audit_log_event ~* '^(login|logout|log ?off|admin log)' and "user" is not null then 3002
            when audit_log_event ~* '^(created|added|new|updated|edited|modified|deleted|removed) .*\b(admin|user)$' and supporting_data.data_type = 'user' then 3001
            when audit_log_event is not null then 3004
            when (alert = 'yes' or type = 'alert' or alert_type is not null) and _id is not null then 2004
            when url is not null or app is not null then 4002
            else 3004
        end as class_uid,
        {'name': "user", 'email_addr': case when "user" like '%@%.%' then "user" end} as who,
        regexp_match(supporting_data.data_values[1], '^[0-9a-fA-F]*[.:][0-9a-fA-F.:]+$')[1] as admin_ip,
        -- What was changed: an address before it is the administrator's, a status and a method are those of the API.
        case when audit_log_event ilike 'rest api%' then supporting_data.data_values[3]
            when supporting_data.data_values[1] ~ '^[0-9a-fA-F]*[.:][0-9a-fA-F.:]+$' then supporting_data.data_values[2]
            else supporting_data.data_values[1] end as object_name,
        lower(coalesce(action, '')) as verdict,
        _file, _row, _rest
    from input
),

events as (
    select
        *,
        case
            when class_uid = 3002 then case when audit_log_event ~* 'log ?(out|off)' then 2 else 1 end
            when class_uid = 2004 then 1
            when class_uid = 4002 then 99
            when class_uid = 3001 then case when audit_log_event ~* '^(created|added|new)' then 1 when audit_log_event ~* '^(deleted|removed)' then 6 else 99 end
            when audit_log_event ~* '^(created|added|new)' then 1
            when audit_log_event ~* '^(updated|edited|modified|changed|enabled|disabled|applied|reset)' then 3
            when audit_log_event ~* '^(deleted|removed|revoked)' then 4
            else 99
        end as activity_id
    from classed
)

select
    class_uid,
    activity_id,
    case when activity_id = 99 then coalesce(audit_log_event, activity, type, 'unknown') end as activity_name,
    parse_time("timestamp") as time,
    {'uid': _id, 'event_code': coalesce(audit_log_event, alert_type, activity), 'log_name': type, 'original_time': "timestamp"} as metadata,
    concat_ws(' ', "user", coalesce(audit_log_event, alert_name, activity), array_to_string(supporting_data.data_values, ' ')) as message,
    coalesce(ocsf_severity_id(severity), case when class_uid = 2004 then 3 else 1 end) as severity_id,
    case when class_uid = 3002 then case when audit_log_event ~* 'fail|invalid|denied' then 2 else 1 end end as status_id,
    {'user': who} as actor,
    case class_uid when 3002 then who
        when 3001 then {'name': coalesce(object_name, 'unknown'), 'email_addr': case when object_name like '%@%.%' then object_name end} end as user,
    case class_uid when 4002 then ocsf_endpoint(srcip, NULL) when 2004 then NULL else ocsf_endpoint(admin_ip, NULL) end as src_endpoint,
    case when class_uid = 3002 then {'name': 'Netskope'} end as service,
    case when class_uid = 3004 then {'name': coalesce(object_name, audit_log_event, type, 'unknown'), 'type': supporting_data.data_type} end as entity,
    case when class_uid = 4002 then {'url': ocsf_url(url), 'user_agent': useragent} end as http_request,
    case when class_uid = 4002 then ocsf_endpoint(coalesce(dstip, dsthost), dstport) end as dst_endpoint,
    case when class_uid = 4002 then app end as app_name,
    case when class_uid = 4002 then {'bytes': numbytes, 'bytes_out': client_bytes, 'bytes_in': server_bytes} end as traffic,
    case when class_uid in (2004, 4002) and hostname is not null then {'hostname': hostname, 'os': {'name': os, 'type_id': case when os ilike 'windows%' then 100 when os ilike 'mac%' then 300 when os ilike 'linux%' then 200 else 0 end}, 'type_id': 0} end as device,
    case when class_uid in (2004, 4002) then case when verdict ~ 'block|deny|quarantine' then 2 when verdict ~ 'allow|bypass|proceed' then 1 when verdict <> '' then 99 end end as action_id,
    case when class_uid in (2004, 4002) and verdict !~ 'block|deny|quarantine|allow|bypass|proceed' then action end as action,
    case when class_uid in (2004, 4002) then {'name': policy} end as policy,
    case when class_uid = 2004 then {'uid': _id, 'title': coalesce(alert_name, alert_type), 'types': case when alert_type is not null then [alert_type] end} end as finding_info,
    case when class_uid = 2004 then true end as is_alert,
    case when class_uid = 2004 then [{
        'user': who, 'src_endpoint': ocsf_endpoint(srcip, NULL), 'dst_endpoint': ocsf_endpoint(coalesce(dstip, dsthost), dstport), 'url': ocsf_url(url),
        'file': case when md5 is not null and object is not null then {'name': object, 'type_id': 1, 'hashes': [ocsf_hash(md5)]} end
    }] end as evidences,
    _rest as unmapped,
    _file,
    _row
from events
