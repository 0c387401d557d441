-- One row per record. Before FortiOS 5.4 the subtypes of utm were types.
with records as (
    select
        *,
        case when type in ('utm', 'event') then concat_ws(' ', type, subtype) when type in ('traffic') then type else concat_ws(' ', 'utm', type) end as kind,
        coalesce(logid, log_id) as code,
        lower(action) as verb,
        ocsf_user(coalesce(nullif("user", 'N/A'), nullif(xauthuser, 'N/A'), unauthuser)) as who,
        _rest, _raw, _file, _row
    from input
),

classified as (
    select
        *,
        case
            when kind in ('traffic', 'utm app-ctrl', 'utm ssl', 'utm ssh') and coalesce(srcip, dstip) is not null then 4001
            when kind = 'utm webfilter' then 4002
            when kind = 'utm dns' and coalesce(srcip, dstip) is not null then 4003
            when kind in ('utm emailfilter', 'utm spam') and coalesce("from", sender, "to", recipient) is not null then 4009
            when kind in ('utm ips', 'utm virus', 'utm anomaly', 'utm waf', 'utm dlp', 'utm file-filter', 'utm attack') then 2004
            when kind = 'event vpn' then case when verb like '%login%' then 3002 else 4014 end
            when type = 'event' and cfgpath is not null then 3004
            when kind = 'event system' and verb in ('login', 'logout') then 3002
            when kind = 'event user' and regexp_like(verb, 'auth|logon|logoff|login|logout') and coalesce("user", srcip) is not null then 3002
            else 0
        end as class_uid,
        -- https(192.0.2.1)
        coalesce(srcip, remip, case when ui like '%(%' then split_part(split_part(ui, '(', 2), ')', 1) end) as src,
        coalesce(dstip, locip) as dst,
        case when type = 'event' then null else coalesce(case when utmaction in ('block', 'blocked', 'reset', 'dropped') then utmaction end, verb) end as verdict
    from records
),

rated as (
    select
        *,
        coalesce(case class_uid
            when 4001 then case
                when kind <> 'traffic' then case when regexp_like(verdict, 'block|deny|drop|reset') then 5 else 6 end
                when verb = 'deny' then 5 when verb = 'start' then 1 when verb in ('close', 'timeout') then 2 when verb in ('client-rst', 'server-rst') then 3 when verb = 'ip-conn' then 4 else 6
            end
            when 4002 then ocsf_http_activity_id(httpmethod)
            when 4003 then case eventtype when 'dns-query' then 1 when 'dns-response' then 2 else 6 end
            when 4009 then 3
            when 2004 then 1
            when 3002 then case when regexp_like(verb, 'logout|logoff') then 2 else 1 end
            when 4014 then case when verb in ('tunnel-up', 'phase2-up') then 1 when verb in ('tunnel-down', 'phase2-down') then 2 else 99 end
            when 3004 then case verb when 'add' then 1 when 'edit' then 3 when 'delete' then 4 when 'move' then 5 else 99 end
        end, 0) as activity_id,
        case
            when verdict is null then null
            when verdict like 'drop%' then 6
            when verdict in ('reset', 'reset_client', 'reset_server', 'clear_session') then 21
            when verdict like 'block%' or verdict in ('deny', 'denied') then 2
            when verdict in ('detected', 'monitored') then 15
            when verdict like 'pass%' or verdict like 'exempt%' or verdict in ('accept', 'allow', 'allowed', 'permit', 'start', 'close', 'timeout', 'client-rst', 'server-rst', 'ip-conn', 'dns',
                'info', 'analytics', 'filtered') then 1
            when verdict = 'quarantine' then 3
            else 99
        end as disposition_id,
        case when class_uid in (3002, 4014, 3004) then case
            when verb like '%fail%' then 2
            when status is not null then ocsf_status_id(status)
            when verb in ('tunnel-up', 'tunnel-down', 'logout', 'auth-logon', 'auth-logout') or verb like 'fsso-%' then 1
        end end as status_id,
        case
            when kind = 'traffic' then coalesce(ocsf_severity_id(crlevel), 1)
            when type = 'utm' and coalesce(severity, crlevel) is not null then coalesce(ocsf_severity_id(coalesce(severity, crlevel)), 0)
            when coalesce(level, pri) in ('notice', 'information', 'debug') then 1
            else coalesce(ocsf_severity_id(coalesce(level, pri)), 0)
        end as severity_id,
        {'ip': ocsf_endpoint(src)['ip'], 'port': try_cast(srcport as int), 'name': srcname, 'mac': srcmac, 'interface_name': srcintf,
            'location': {'country': nullif(srccountry, 'Reserved')},
            'proxy_endpoint': {'ip': ocsf_endpoint(nullif(transip, '0.0.0.0'))['ip'], 'port': case when transip <> '0.0.0.0' then try_cast(transport as int) end}} as src_point,
        {'ip': ocsf_endpoint(dst)['ip'], 'port': try_cast(dstport as int), 'hostname': ocsf_endpoint(dstname)['hostname'], 'mac': dstmac, 'interface_name': dstintf, 'owner': ocsf_user(dstuser),
            'location': {'country': nullif(dstcountry, 'Reserved')},
            'proxy_endpoint': {'ip': ocsf_endpoint(nullif(tranip, '0.0.0.0'))['ip'], 'port': case when tranip <> '0.0.0.0' then try_cast(tranport as int) end}} as dst_point,
        case when proto is not null then ocsf_connection(proto, case
            when direction = 'incoming' or (srcintfrole = 'wan' and dstintfrole in ('lan', 'dmz')) then 'inbound'
            when direction = 'outgoing' or (srcintfrole in ('lan', 'dmz') and dstintfrole = 'wan') then 'outbound'
        end) end as wire,
        ocsf_url(case when url like '/%' then coalesce(case service when 'HTTPS' then 'https://' when 'HTTP' then 'http://' else '' end || hostname, '') || url else coalesce(url, hostname) end) as web,
        coalesce(attack, virus, case when class_uid = 2004 then coalesce(nullif(eventtype, ''), subtype) end) as threat
    from classified
)

select
    coalesce(parse_time(eventtime), parse_time("date" || 'T' || "time" || coalesce(tz, ''))) as time,
    class_uid,
    activity_id,
    case when activity_id = 99 then coalesce(case when class_uid = 4002 then httpmethod end, action) end as activity_name,
    severity_id,
    status_id,
    case when status_id = 99 then status end as status,
    nullif(nullif(coalesce(reason, error), 'N/A'), 'none') as status_detail,
    coalesce(msg, case when kind = 'traffic' then concat_ws(' ', action, service, 'from', srcip, 'to', dstip) end, logdesc, _raw) as message,
    count,
    case when class_uid in (4001, 4014) then duration * 1000 end as duration,
    case when class_uid not in (0, 2004) then src_point end as src_endpoint,
    case when class_uid not in (0, 2004, 3004) then dst_point end as dst_endpoint,
    case when class_uid in (4001, 4002, 4003) then {'uid': sessionid, 'protocol_num': wire['protocol_num'], 'protocol_name': wire['protocol_name'],
        'direction_id': coalesce(wire['direction_id'], 0)} end as connection_info,
    case when class_uid in (4001, 4002, 4014) then {'bytes_out': sentbyte, 'bytes_in': rcvdbyte, 'bytes': sentbyte + rcvdbyte, 'packets_out': sentpkt, 'packets_in': rcvdpkt,
        'packets': sentpkt + rcvdpkt} end as traffic,
    case when class_uid in (4001, 4002, 4003) then coalesce(app, service) end as app_name,
    {'name': case when policyid <> '0' then policyname end, 'uid': coalesce(poluuid, policyid)} as firewall_rule,
    case when disposition_id = 1 then 1 when disposition_id = 15 then 3 when disposition_id = 99 then 99 when disposition_id > 0 then 2 end as action_id,
    case when disposition_id = 99 then verdict end as action,
    disposition_id,
    case when disposition_id = 99 then verdict end as disposition,
    case when class_uid = 4001 then case apprisk when 'low' then 1 when 'elevated' then 2 when 'medium' then 2 when 'high' then 3 when 'critical' then 4 end end as risk_level_id,
    case when class_uid = 4002 then {
        'http_method': case when activity_id not in (0, 99) then upper(httpmethod) end, 'user_agent': agent, 'referrer': referralurl,
        'url': {'url_string': web['url_string'], 'scheme': web['scheme'], 'hostname': coalesce(web['hostname'], hostname), 'port': web['port'], 'path': web['path'],
            'query_string': web['query_string'], 'domain': web['domain'], 'subdomain': web['subdomain'], 'categories': case when catdesc is not null then [catdesc] end}
    } end as http_request,
    case when class_uid = 4003 then {'hostname': qname, 'type': qtype, 'class': qclass, 'packet_uid': try_cast(xid as int)} end as query,
    case when class_uid = 4003 and ipaddr is not null then [{'rdata': ipaddr, 'type': qtype}] end as answers,
    case when kind = 'utm ssl' and tlsver is not null then {'version': tlsver, 'sni': coalesce(sni, hostname)} end as tls,
    case when class_uid = 4009 then {'from': coalesce("from", sender), 'to': string_to_array(coalesce("to", recipient), ';'), 'subject': subject, 'size': filesize} end as email,
    case when class_uid = 4009 then coalesce(wire['direction_id'], 0) end as direction_id,
    case when class_uid = 2004 then {
        'uid': concat_ws('-', devid, sessionid, eventtime, coalesce(attackid, virusid)),
        'title': threat,
        'desc': msg,
        'types': [coalesce(case when type = 'utm' then subtype end, type)],
        'src_url': case when ref like 'http%' then ref end,
        'analytic': {'uid': coalesce(attackid, virusid), 'name': threat, 'category': coalesce(case when type = 'utm' then subtype end, type), 'type_id': 1}
    } end as finding_info,
    case when class_uid = 2004 then [{
        'src_endpoint': src_point, 'dst_endpoint': dst_point, 'user': who,
        'connection_info': case when wire is not null then {'uid': sessionid, 'protocol_num': wire['protocol_num'], 'protocol_name': wire['protocol_name'], 'direction_id': wire['direction_id']} end,
        'file': case when filename is not null then {'name': filename, 'size': filesize, 'type': filetype, 'type_id': 1, 'hashes': array_compact([ocsf_hash(coalesce(analyticscksum, filehash))])} end,
        'url': case when coalesce(url, hostname) is not null then {'url_string': web['url_string'], 'hostname': coalesce(web['hostname'], hostname), 'path': web['path']} end
    }] end as evidences,
    case when class_uid = 2004 and virus is not null then [{'name': virus, 'uid': virusid, 'classification_ids': [0]}] end as malware,
    case when class_uid = 2004 and cve is not null then [{'cve': {'uid': split_part(cve, ',', 1)}}] end as vulnerabilities,
    case when class_uid = 3002 then {'name': coalesce(who['name'], 'unknown'), 'domain': who['domain'], 'email_addr': who['email_addr'], 'uid': who['uid'],
            'groups': case when "group" <> 'N/A' then [{'name': "group"}] end}
        when class_uid = 4014 then {'name': who['name'], 'domain': who['domain'], 'email_addr': who['email_addr'], 'uid': who['uid'],
            'groups': case when who is not null and "group" <> 'N/A' then [{'name': "group"}] end} end as "user",
    case when class_uid = 3002 then {'name': case kind when 'event vpn' then 'VPN' when 'event user' then 'Firewall Authentication' else 'FortiOS' end} end as service,
    case when class_uid = 4014 then {'ip': ocsf_endpoint(tunnelip)['ip'], 'name': coalesce(vpntunnel, tunnelid)} end as tunnel_interface,
    case when class_uid = 4014 then tunneltype end as protocol_name,
    {'user': case when class_uid in (4001, 4002, 4003, 4009, 3004, 0) then who end, 'app_name': case when class_uid in (3002, 3004) then ui end} as actor,
    case when class_uid = 3004 then {'name': concat_ws(' ', cfgpath, cfgobj), 'uid': cfgtid, 'type': 'configuration'} end as entity,
    case when class_uid = 3004 then cfgattr end as comment,
    {'hostname': devname, 'uid': coalesce(devid, device_id), 'type_id': case when coalesce(devname, devid, device_id) is not null then 9 end} as device,
    {'event_code': code, 'log_name': concat_ws(' ', type, subtype, eventtype), 'log_level': coalesce(level, pri), 'original_time': concat_ws(' ', "date", "time", tz)} as metadata,
    case when class_uid = 0 then _raw end as raw_data,
    _rest as unmapped,
    _file,
    _row
from rated
