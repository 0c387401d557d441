-- One row per event of UniFi's SIEM export.
with parsed as (
    select
        *,
        coalesce(name, '') || ' ' || coalesce(UNIFIsubCategory, '') as words,
        coalesce(src, UNIFIclientIp) as source,
        coalesce(dst, UNIFIdstClientHostname, UNIFIdstClientAlias) as target,
        ocsf_endpoint(coalesce(UNIFIdeviceIp, syslog['hostname']), null) as host,
        _raw, _rest, _file, _row
    from input
),

classified as (
    select
        *,
        case
            when UNIFIsubCategory = 'Intrusion Prevention' or UNIFIipsSignature is not null or name like 'Threat %' then 2004
            when UNIFIadmin is not null and regexp_like(words, '(?i)accessed|log(?:ged)? ?(?:in|out)') then 3002
            when regexp_like(words, '(?i)firewall|blocked') and coalesce(src, dst) is not null then 4001
            when UNIFIadmin is not null then 3004
            else 0
        end as class_uid,
        case when regexp_like(coalesce(act, name), '(?i)block') then 'denied' when regexp_like(act, '(?i)allow|accept') then 'allowed' end as verdict
    from parsed
)

select
    coalesce(parse_time(UNIFIutcTime), syslog['timestamp']) as time,
    class_uid,
    case class_uid
        when 2004 then 1
        when 3002 then case when regexp_like(words, '(?i)logged ?out') then 2 else 1 end
        when 4001 then case verdict when 'denied' then 5 else 6 end
        when 3004 then case
            when regexp_like(name, '(?i)created|added') then 1 when regexp_like(name, '(?i)deleted|removed') then 4
            when regexp_like(name, '(?i)changed|updated|modified|edited') then 3 else 99
        end
        else 0
    end as activity_id,
    case when class_uid = 3004 and not regexp_like(name, '(?i)created|added|deleted|removed|changed|updated|modified|edited') then name end as activity_name,
    case
        when try_cast(severity as int) >= 9 then 5 when try_cast(severity as int) >= 7 then 4
        when try_cast(severity as int) >= 4 then 3 when try_cast(severity as int) >= 2 then 2
        when try_cast(severity as int) >= 0 then 1 else 0
    end as severity_id,
    case when class_uid = 3002 then case when regexp_like(words, '(?i)fail') then 2 else 1 end end as status_id,
    coalesce(msg, name, message) as message,
    case when class_uid = 2004 then {
        'uid': coalesce(UNIFIipsSessionId, device_event_class_id), 'title': coalesce(UNIFIipsSignature, UNIFIpolicyName, name), 'desc': msg,
        'analytic': {'uid': UNIFIipsSignatureId, 'name': coalesce(UNIFIipsSignature, UNIFIpolicyName, name), 'type_id': 1, 'category': coalesce(UNIFIpolicyType, UNIFIsubCategory)}
    } end as finding_info,
    case when class_uid = 2004 and coalesce(src, dst) is not null then [{
        'src_endpoint': case when coalesce(src, UNIFIsrcClientHostname, UNIFIsrcClientAlias) is not null then {
            'ip': ocsf_endpoint(src, null)['ip'], 'port': ocsf_endpoint(src, spt)['port'], 'hostname': UNIFIsrcClientHostname, 'name': UNIFIsrcClientAlias, 'mac': UNIFIsrcClientMac, 'zone': UNIFIsrcZone
        } end,
        'dst_endpoint': case when target is not null then {
            'ip': ocsf_endpoint(dst, null)['ip'], 'port': try_cast(dpt as int), 'hostname': UNIFIdstClientHostname, 'name': UNIFIdstClientAlias, 'mac': UNIFIdstClientMac, 'zone': UNIFIdstZone
        } end,
        'connection_info': ocsf_connection(proto, UNIFIdirection)
    }] end as evidences,
    case when class_uid = 2004 then true end as is_alert,
    case when class_uid = 2004 then case lower(UNIFIrisk) when 'low' then 1 when 'medium' then 2 when 'high' then 3 when 'critical' then 4 end end as risk_level_id,
    case when class_uid in (3002, 4001, 3004) and coalesce(source, UNIFIsrcClientHostname, UNIFIclientHostname) is not null then {
        'ip': ocsf_endpoint(source, null)['ip'], 'port': ocsf_endpoint(source, spt)['port'], 'hostname': coalesce(UNIFIsrcClientHostname, UNIFIclientHostname),
        'mac': coalesce(UNIFIsrcClientMac, smac), 'zone': UNIFIsrcZone, 'interface_name': deviceInboundInterface, 'location': {'country': UNIFIsrcRegion}
    } end as src_endpoint,
    case when class_uid = 4001 and target is not null then {
        'ip': ocsf_endpoint(dst, null)['ip'], 'port': try_cast(dpt as int), 'hostname': UNIFIdstClientHostname,
        'mac': coalesce(UNIFIdstClientMac, dmac), 'zone': UNIFIdstZone, 'interface_name': deviceOutboundInterface, 'location': {'country': UNIFIdstRegion}
    } end as dst_endpoint,
    case when class_uid = 4001 then ocsf_connection(proto, UNIFIdirection) end as connection_info,
    case when class_uid = 4001 then {
        'bytes_out': try_cast(UNIFIbytesSent as bigint), 'bytes_in': try_cast(UNIFIbytesReceived as bigint),
        'packets_out': try_cast(UNIFIpacketsSent as bigint), 'packets_in': try_cast(UNIFIpacketsReceived as bigint)
    } end as traffic,
    case when class_uid = 4001 then app end as app_name,
    case when class_uid in (2004, 4001) then case verdict when 'denied' then 2 when 'allowed' then 1 else 0 end end as action_id,
    case when class_uid in (2004, 4001) then case verdict when 'denied' then 2 when 'allowed' then 1 else 0 end end as disposition_id,
    case when class_uid in (2004, 4001) then {'name': UNIFIpolicyName, 'type': UNIFIpolicyType} end as firewall_rule,
    case when class_uid = 3002 then {'name': UNIFIadmin, 'type_id': 2} end as "user",
    case when class_uid = 3002 then {'name': coalesce(device_product, 'UniFi') || coalesce(' ' || UNIFIaccessMethod, '')} end as service,
    case when class_uid = 3004 then {'name': coalesce(UNIFIdeviceName, UNIFIhost, name), 'type': UNIFIsubCategory} end as entity,
    {'app_name': coalesce(device_product, 'UniFi'), 'user': {'name': case when class_uid <> 3002 then UNIFIadmin end}} as actor,
    {
        'ip': host['ip'], 'hostname': host['hostname'], 'name': coalesce(UNIFIdeviceName, UNIFIhost), 'mac': UNIFIdeviceMac, 'model': UNIFIdeviceModel,
        'type_id': case when coalesce(host['ip'], host['hostname'], UNIFIdeviceName, UNIFIhost) is not null then 0 end
    } as device,
    {'event_code': device_event_class_id, 'log_name': UNIFIcategory, 'log_provider': UNIFIsubCategory, 'log_version': device_version,
        'log_level': severity, 'original_time': UNIFIutcTime} as metadata,
    case when class_uid in (0, 3004) then _raw end as raw_data,
    _rest as unmapped,
    _file,
    _row
from classified
