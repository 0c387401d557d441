-- One row per event. The class is chosen by what the event has and by the words of its id and category.
with parsed as (
    select
        *,
        concat_ws(' ', event_id, cat, name) as words,
        ocsf_endpoint(coalesce(devName, syslog['hostname']), null) as host,
        action as act,
        _raw, _rest, _file, _row
    from input
),

classified as (
    select
        *,
        case
            when usrName is not null
                and regexp_like(words, '(?i)log[- ]?(?:in|on|out|off)\b|logged (?:in|on|out|off)|sign[- ]?in|authenticat') then 3002
            when event_id is not null
                and regexp_like(words, '(?i)threat|malware|virus|trojan|intrusion|exploit|attack|phish|\bip[sd]s?\b|\bids\b|ransom|botnet|\balert') then 2004
            when url is not null and method is not null then 4002
            when coalesce(src, dst) is not null and coalesce(proto, dstPort, srcPort, srcBytes, act) is not null then 4001
            else 0
        end as class_uid,
        case
            when regexp_like(act, '(?i)block|deny|denied|drop|reject|refus|prevent|quarantine|reset') then 'denied'
            when regexp_like(act, '(?i)allow|accept|permit|pass|forward') then 'allowed'
            when act is not null then 'other'
        end as verdict
    from parsed
)

select
    coalesce(parse_time(devTime), syslog['timestamp']) as time,
    class_uid,
    case class_uid
        when 3002 then case when regexp_like(words, '(?i)log[- ]?(?:out|off)|logged (?:out|off)') then 2 else 1 end
        when 2004 then 1
        when 4002 then ocsf_http_activity_id(method)
        when 4001 then case when verdict = 'denied' then 5 else 6 end
        else 0
    end as activity_id,
    case when sev >= 9 then 5 when sev >= 7 then 4 when sev >= 4 then 3 when sev >= 1 then 2 else 0 end as severity_id,
    case when class_uid = 3002 then case
        when regexp_like(words, '(?i)fail|denied|invalid|unsuccessful|error') then 2
        when regexp_like(words, '(?i)success') then 1
    end end as status_id,
    reason as status_detail,
    coalesce(msg, name, nullif(concat_ws(' ', device_product, event_id), ''), message) as message,
    case when class_uid in (3002, 4001, 4002) and coalesce(src, identHostName) is not null then {
        'ip': ocsf_endpoint(src, null)['ip'], 'hostname': coalesce(identHostName, ocsf_endpoint(src, null)['hostname']),
        'port': ocsf_endpoint(src, srcPort)['port'], 'mac': srcMAC
    } end as src_endpoint,
    case when class_uid in (3002, 4001, 4002) and dst is not null then {
        'ip': ocsf_endpoint(dst, null)['ip'], 'hostname': ocsf_endpoint(dst, null)['hostname'], 'port': ocsf_endpoint(dst, dstPort)['port'], 'mac': dstMAC
    } end as dst_endpoint,
    case when class_uid in (4001, 4002) then ocsf_connection(proto, null) end as connection_info,
    case when class_uid in (4001, 4002) then {
        'bytes_out': try_cast(srcBytes as bigint), 'bytes_in': try_cast(dstBytes as bigint),
        'packets_out': try_cast(srcPackets as bigint), 'packets_in': try_cast(dstPackets as bigint)
    } end as traffic,
    case when class_uid = 4002 then {'http_method': case when upper(method) in ('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'CONNECT', 'TRACE') then upper(method) end,
        'url': ocsf_url(url)} end as http_request,
    case when class_uid = 3002 then {'name': usrName, 'domain': domain} end as "user",
    case when class_uid = 3002 then {'name': coalesce(resource, device_product, 'unknown')} end as service,
    case when class_uid = 2004 then {
        'uid': event_id, 'title': coalesce(name, event_id), 'desc': msg, 'analytic': {'uid': event_id, 'name': name, 'type_id': 1, 'category': cat}
    } end as finding_info,
    case when class_uid = 2004 and coalesce(src, dst, usrName, url) is not null then [{
        'src_endpoint': case when src is not null then ocsf_endpoint(src, srcPort) end,
        'dst_endpoint': case when dst is not null then ocsf_endpoint(dst, dstPort) end,
        'user': {'name': usrName},
        'url': ocsf_url(url)
    }] end as evidences,
    case when act is not null then case verdict when 'denied' then 2 when 'allowed' then 1 else 99 end end as action_id,
    case when verdict = 'other' then act end as action,
    case when act is not null then case verdict when 'denied' then 2 when 'allowed' then 1 else 99 end end as disposition_id,
    case when verdict = 'other' then act end as disposition,
    {'name': policy} as firewall_rule,
    {'app_name': device_product, 'user': {'name': case when class_uid <> 3002 then usrName end}} as actor,
    {'ip': host['ip'], 'hostname': host['hostname'], 'vendor_name': case when coalesce(host['ip'], host['hostname']) is not null then device_vendor end,
        'type_id': case when coalesce(host['ip'], host['hostname']) is not null then 0 end} as device,
    {'event_code': event_id, 'log_provider': concat_ws(' ', device_vendor, device_product), 'log_version': device_version,
        'log_level': cast(sev as text), 'log_name': cat, 'original_time': devTime} as metadata,
    case when class_uid = 0 then _raw end as raw_data,
    _rest as unmapped,
    _file,
    _row
from classified
