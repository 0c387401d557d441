-- One row per event. The class is chosen by what the event has and by the words of its name and category.
with parsed as (
    select
        *,
        concat_ws(' ', name, cat, device_event_class_id) as words,
        ocsf_endpoint(coalesce(dvchost, dvc, syslog['hostname']), null) as host,
        _raw, _rest, _file, _row
    from input
),

classified as (
    select
        *,
        case
            when coalesce(duser, suser) is not null
                and regexp_like(words, '(?i)\blog[- ]?(?:in|on|out|off)\b|logged (?:in|on|out|off)|\bsign[- ]?in|authenticat') then 3002
            when device_event_class_id is not null
                and regexp_like(words, '(?i)threat|malware|virus|trojan|intrusion|exploit|attack|phish|\bip[sd]s?\b|\bids\b|ransom|botnet|\balert') then 2004
            when requestMethod is not null and request is not null then 4002
            when coalesce(src, dst) is not null and coalesce(proto, dpt, spt, "in", "out", act) is not null then 4001
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
    coalesce(parse_time(coalesce(rt, "end", "start")), syslog['timestamp']) as time,
    class_uid,
    case class_uid
        when 3002 then case when regexp_like(words, '(?i)log[- ]?(?:out|off)|logged (?:out|off)') then 2 else 1 end
        when 2004 then 1
        when 4002 then ocsf_http_activity_id(requestMethod)
        when 4001 then case when verdict = 'denied' then 5 else 6 end
        else 0
    end as activity_id,
    case
        when try_cast(severity as int) >= 9 then 5
        when try_cast(severity as int) >= 7 then 4
        when try_cast(severity as int) >= 4 then 3
        when try_cast(severity as int) >= 0 then 2
        when lower(severity) = 'very-high' then 5
        else coalesce(ocsf_severity_id(severity), 0)
    end as severity_id,
    case when class_uid in (3002, 4001, 4002, 0) then coalesce(
        ocsf_status_id(outcome),
        case when class_uid = 3002 and regexp_like(words, '(?i)fail|denied|invalid|unsuccessful|error') then 2 when class_uid = 3002 and regexp_like(words, '(?i)success') then 1 end
    ) end as status_id,
    case when class_uid <> 2004 and ocsf_status_id(outcome) = 99 then outcome end as status,
    reason as status_detail,
    coalesce(msg, name, message) as message,
    cast(cnt as int) as count,
    case when class_uid in (3002, 4001, 4002) and coalesce(src, shost, deviceInboundInterface) is not null then {
        'ip': ocsf_endpoint(src, null)['ip'], 'hostname': shost, 'port': ocsf_endpoint(src, spt)['port'], 'mac': smac, 'interface_name': deviceInboundInterface
    } end as src_endpoint,
    case when class_uid in (3002, 4001, 4002) and coalesce(dst, dhost, deviceOutboundInterface) is not null then {
        'ip': ocsf_endpoint(dst, null)['ip'], 'hostname': dhost, 'port': ocsf_endpoint(dst, dpt)['port'], 'mac': dmac, 'interface_name': deviceOutboundInterface
    } end as dst_endpoint,
    case when class_uid in (4001, 4002) then ocsf_connection(proto, case deviceDirection when '0' then 'inbound' when '1' then 'outbound' end) end as connection_info,
    case when class_uid in (4001, 4002) then {'bytes_in': try_cast("in" as bigint), 'bytes_out': try_cast("out" as bigint)} end as traffic,
    case when class_uid in (4001, 4002) then app end as app_name,
    case when class_uid = 4002 then {'http_method': case when upper(requestMethod) in ('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'CONNECT', 'TRACE') then upper(requestMethod) end,
        'url': ocsf_url(request), 'user_agent': requestClientApplication} end as http_request,
    case when class_uid = 3002 then {'name': coalesce(duser, suser), 'uid': coalesce(duid, suid), 'domain': coalesce(dntdom, sntdom)} end as "user",
    case when class_uid = 3002 then {'name': coalesce(app, device_product, 'unknown')} end as service,
    case when class_uid = 2004 then {
        'uid': coalesce(externalId, device_event_class_id), 'title': name, 'desc': msg,
        'analytic': {'uid': device_event_class_id, 'name': name, 'type_id': 1, 'category': cat}
    } end as finding_info,
    case when class_uid = 2004 and coalesce(src, shost, dst, dhost, fname, filePath, suser, duser) is not null then [{
        'src_endpoint': case when coalesce(src, shost) is not null then {'ip': ocsf_endpoint(src, null)['ip'], 'hostname': shost, 'port': ocsf_endpoint(src, spt)['port']} end,
        'dst_endpoint': case when coalesce(dst, dhost) is not null then {'ip': ocsf_endpoint(dst, null)['ip'], 'hostname': dhost, 'port': ocsf_endpoint(dst, dpt)['port']} end,
        'file': {'name': coalesce(fname, filePath), 'path': filePath, 'type_id': case when coalesce(fname, filePath) is not null then 0 end},
        'user': {'name': coalesce(duser, suser)}
    }] end as evidences,
    case when act is not null then case verdict when 'denied' then 2 when 'allowed' then 1 else 99 end end as action_id,
    case when act is not null and verdict = 'other' then act end as action,
    case when act is not null then case verdict when 'denied' then 2 when 'allowed' then 1 else 99 end end as disposition_id,
    case when act is not null and verdict = 'other' then act end as disposition,
    {'app_name': coalesce(app, device_product), 'user': {'name': case when class_uid <> 3002 then suser end, 'uid': case when class_uid <> 3002 then suid end}} as actor,
    {
        'ip': coalesce(host['ip'], ocsf_endpoint(dvc, null)['ip']), 'hostname': host['hostname'], 'vendor_name': case when coalesce(host['ip'], host['hostname']) is not null then device_vendor end,
        'type_id': case when coalesce(host['ip'], host['hostname'], ocsf_endpoint(dvc, null)['ip']) is not null then 0 end
    } as device,
    {'uid': externalId, 'event_code': device_event_class_id, 'log_provider': concat_ws(' ', device_vendor, device_product), 'log_version': device_version,
        'log_level': severity, 'log_name': cat, 'original_time': rt} as metadata,
    case when class_uid = 0 then _raw end as raw_data,
    _rest as unmapped,
    _file,
    _row
from classified
