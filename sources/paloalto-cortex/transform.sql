-- One row per log.
with logs as (
    select
        *,
        upper(LogType) as kind,
        coalesce(Subtype, SubType, LogSubtype) as subtype_,
        upper(LogType) in ('TRAFFIC', 'THREAT', 'URL', 'DECRYPTION') as is_flow,
        ocsf_user(coalesce(nullif(SourceUserName, ''), nullif(SourceUser, ''), "User")) as who,
        ocsf_connection(Protocol) as protocol,
        -- The name, and the number in parentheses behind it.
        case when ThreatID is not null then regexp_match(ThreatID, '^(.*?)(?:\((\d+)\))?$') end as threat,
        ocsf_url(URL) as web,
        _rest, _raw, _file, _row
    from input
),

classified as (
    select
        *,
        case
            when kind = 'URL' or (kind = 'THREAT' and subtype_ = 'url') then 4002
            when kind = 'THREAT' then 2004
            when is_flow and coalesce(SourceAddress, DestinationAddress) is not null then 4001
            when kind = 'GLOBALPROTECT' then case when regexp_like(EventIDValue, '-(auth|login|logout)$') then 3002 else 4014 end
            when kind = 'USERID' and subtype_ in ('login', 'logout') then 3002
            else 0
        end as class_uid,
        case
            when Action in ('allow', 'continue', 'override', 'forward', 'wildfire-upload-success', 'wildfire-upload-skip') then 1
            when Action = 'alert' then 19
            when Action like '%drop%' then 6
            when Action like 'reset%' then 21
            when Action like 'block%' or Action in ('deny', 'sinkhole') then 2
            when Action is not null and is_flow then 99
        end as disposition_id,
        {
            'ip': ocsf_endpoint(coalesce(SourceAddress, nullif(PublicIPv4, ''), nullif(PublicIPv6, ''), SourceIP))['ip'],
            'port': SourcePort, 'name': EndpointDeviceName, 'zone': FromZone, 'interface_name': InboundInterface,
            'location': {'country': case when coalesce(SourceLocation, SourceRegion) > ':' then coalesce(SourceLocation, SourceRegion) end},
            'proxy_endpoint': case when NATSource not in ('0.0.0.0', '', SourceAddress) then {'ip': ocsf_endpoint(NATSource)['ip'], 'port': NATSourcePort} end
        } as src_point,
        {
            'ip': ocsf_endpoint(coalesce(DestinationAddress, case when kind = 'GLOBALPROTECT' then regexp_match(Description, '(?:Login to|Logout From): ([0-9A-Fa-f.:]+)')[1] end))['ip'],
            'port': DestinationPort, 'zone': ToZone, 'interface_name': OutboundInterface, 'owner': ocsf_user(DestinationUser),
            'location': {'country': case when DestinationLocation > ':' then DestinationLocation end},
            'proxy_endpoint': case when NATDestination not in ('0.0.0.0', '', DestinationAddress) then {'ip': ocsf_endpoint(NATDestination)['ip'], 'port': NATDestinationPort} end
        } as dst_point
    from logs
),

rated as (
    select
        *,
        coalesce(case class_uid
            when 4001 then case subtype_ when 'start' then 1 when 'end' then 2 when 'drop' then 5 when 'deny' then 5 else 6 end
            when 4002 then ocsf_http_activity_id(HTTPMethod)
            when 2004 then 1
            when 3002 then case when coalesce(EventIDValue, subtype_) like '%logout' then 2 else 1 end
            when 4014 then case EventIDValue when 'gateway-connected' then 1 when 'gateway-config-release' then 2 else 99 end
        end, 0) as activity_id
    from classified
)

select
    parse_time(coalesce(TimeGeneratedHighResolution, TimeGenerated, EventTime, TimeReceived)) as time,
    class_uid,
    activity_id,
    case when activity_id = 99 then coalesce(EventIDValue, HTTPMethod) end as activity_name,
    coalesce(ocsf_severity_id(VendorSeverity), case when class_uid in (0, 2004) then 0 end) as severity_id,
    ocsf_status_id(EventStatus) as status_id,
    case when ocsf_status_id(EventStatus) = 99 then EventStatus end as status,
    coalesce(ConnectionError, nullif(SessionEndReason, 'n/a')) as status_detail,
    case
        when is_flow then concat_ws(' ', Action, Application, subtype_, ThreatID, 'from', SourceAddress, 'to', DestinationAddress)
        else coalesce(EventDescription, nullif(concat_ws(' ', coalesce(EventIDValue, EventName, subtype_), who['name'], Description), ''), _raw)
    end as message,
    CountOfRepeats as count,
    parse_time(SessionStartTime) as start_time,
    SessionDuration * 1000 as duration,
    case when class_uid not in (0, 2004) then src_point end as src_endpoint,
    case when class_uid not in (0, 2004) then dst_point end as dst_endpoint,
    case when class_uid in (4001, 4002) then {'uid': SessionID, 'protocol_num': protocol['protocol_num'], 'protocol_name': protocol['protocol_name'], 'direction_id': 0} end as connection_info,
    case when class_uid = 4001 then {'bytes': Bytes, 'bytes_out': BytesSent, 'bytes_in': BytesReceived, 'packets': PacketsTotal, 'packets_out': PacketsSent,
        'packets_in': PacketsReceived} end as traffic,
    case when class_uid in (4001, 4002) then Application end as app_name,
    {'name': Rule, 'uid': RuleUUID} as firewall_rule,
    case when disposition_id in (1, 19) then 1 when disposition_id = 99 then 99 when disposition_id > 0 then 2 end as action_id,
    case when disposition_id = 99 then Action end as action,
    disposition_id,
    case when disposition_id = 99 then Action end as disposition,
    case when class_uid = 4002 then {
        'http_method': case when activity_id not in (0, 99) then upper(HTTPMethod) end, 'user_agent': UserAgent, 'referrer': Referer,
        'url': {'url_string': URL, 'scheme': web['scheme'], 'hostname': web['hostname'], 'port': web['port'], 'path': web['path'], 'query_string': web['query_string'],
            'domain': web['domain'], 'subdomain': web['subdomain'], 'categories': string_to_array(coalesce(URLCategoryList, URLCategory), ',')}
    } end as http_request,
    case when class_uid = 2004 then {
        'uid': concat_ws('-', coalesce(DeviceName, DeviceSN), SequenceNo, case when SequenceNo is null then coalesce(TimeGeneratedHighResolution, TimeGenerated) end),
        'title': coalesce(ThreatName, nullif(threat[1], ''), subtype_, 'threat'),
        'types': [subtype_],
        'analytic': {'uid': coalesce(threat[2], ThreatID), 'name': coalesce(ThreatName, nullif(threat[1], ''), subtype_), 'category': ThreatCategory, 'type_id': 1}
    } end as finding_info,
    case when class_uid = 2004 then [{
        'src_endpoint': src_point, 'dst_endpoint': dst_point, 'user': who,
        'file': case when FileName is not null then {'name': FileName, 'type': FileType, 'type_id': 1, 'hashes': array_compact([ocsf_hash(coalesce(FileSHA256, FileHash))])} end,
        'url': case when URL is not null then {'url_string': URL} end,
        'verdict_id': case Verdict when 'malicious' then 2 when 'phishing' then 2 when 'grayware' then 4 when 'benign' then 5 end
    }] end as evidences,
    case when class_uid = 3002 then {'name': coalesce(who['name'], 'unknown'), 'domain': who['domain'], 'email_addr': who['email_addr'], 'uid': who['uid']}
        when class_uid = 4014 then who end as "user",
    case when class_uid = 3002 then {'name': case kind when 'USERID' then 'User-ID' else 'GlobalProtect' end} end as service,
    case when class_uid = 3002 and AuthMethod not in ('SAML', 'Kerberos', 'RADIUS', 'LDAP') then AuthMethod end as auth_protocol,
    case when class_uid = 3002 and AuthMethod is not null then case AuthMethod when 'SAML' then 5 when 'Kerberos' then 2 when 'RADIUS' then 10 when 'LDAP' then 12 else 99 end end as auth_protocol_id,
    case when class_uid = 4014 then {'ip': ocsf_endpoint(coalesce(nullif(PrivateIPv4, ''), nullif(PrivateIPv6, '')))['ip']} end as tunnel_interface,
    case when class_uid = 4014 then TunnelType end as protocol_name,
    case when class_uid in (0, 4001, 4002) then {'user': who} end as actor,
    {'hostname': coalesce(DeviceName, LogSourceName), 'uid': DeviceSN, 'type_id': case when coalesce(DeviceName, LogSourceName, DeviceSN) is not null then 9 end} as device,
    {'uid': case when SequenceNo is not null then concat_ws('-', coalesce(DeviceName, DeviceSN), SequenceNo) end, 'log_name': concat_ws(' ', LogType, subtype_),
        'event_code': coalesce(EventIDValue, EventName, threat[2]), 'original_time': coalesce(TimeGeneratedHighResolution, TimeGenerated, EventTime)} as metadata,
    _rest as unmapped,
    _file,
    _row
from rated
