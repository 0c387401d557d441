-- One row per event. What is about no address is a base event; protocols without a class of their own are network activity, with
-- their object in `unmapped`. Most records say more than columns can hold: `raw_data` has them.
with events as (
    select
        *,
        case
            when event_type = 'alert' and alert.signature_id is not null then 2004
            when event_type = 'dhcp' and coalesce(src_ip, json_text(dhcp, 'client_mac')) is not null then 4004
            when coalesce(src_ip, dest_ip) is null then 0
            else case event_type
                when 'http' then case when coalesce(http.url, http.hostname, http.http_method) is not null then 4002 else 4001 end
                when 'dns' then 4003
                when 'mdns' then 4003
                when 'fileinfo' then case when fileinfo.filename is not null then 4010 else 4001 end
                when 'smtp' then case when coalesce(smtp.mail_from, smtp.rcpt_to[1], email."from", email."to"[1]) is not null then 4009 else 4001 end
                when 'rdp' then 4005
                when 'smb' then 4006
                when 'ssh' then 4007
                when 'ftp' then 4008
                when 'ftp_data' then 4008
                when 'krb5' then 3002
                else 4001
            end
        end as class_uid,
        -- What was done, in the protocol's words.
        case event_type
            when 'http' then http.http_method
            when 'dns' then dns.type
            when 'dhcp' then json_text(dhcp, 'dhcp_type')
            when 'rdp' then json_text(rdp, 'event_type')
            when 'smb' then coalesce(json_text(smb, 'disposition'), json_text(smb, 'command'))
            when 'krb5' then coalesce(json_text(krb5, 'error_code'), json_text(krb5, 'msg_type'))
            when 'ftp' then ftp.command
            when 'ftp_data' then ftp_data.command
            when 'anomaly' then 'Anomaly'
        end as verb,
        -- A verdict is about the packet, the action of an alert about its rule.
        case event_type when 'drop' then 'drop' else coalesce(verdict.action, alert.action) end as fate,
        -- Old versions log the answer as the server sent it: the client is the source all the same.
        coalesce(event_type = 'dns' and src_port = 53 and dest_port <> 53, false) as is_reply,
        json_text(dhcp, 'type') = 'reply' as is_lease,
        ocsf_connection(proto) as connection,
        coalesce(dns.rrname, dns.queries[1]['rrname'], dns.query[1]['rrname']) as asked,
        regexp_replace(coalesce(json_text(smb, 'filename'), fileinfo.filename, ftp_data.filename), '^.*[/\\]', '') as file_name,
        coalesce(json_text(smb, 'filename'), fileinfo.filename, ftp_data.filename) as file_path,
        _raw, _rest, _file, _row
    from input
),

-- What stands in findings as evidence, and in the events of a class as columns.
parts as (
    select
        *,
        {
            'ip': ocsf_endpoint(case when is_reply then dest_ip else src_ip end)['ip'],
            'port': case when is_reply then dest_port else src_port end,
            'hostname': case when not is_lease then json_text(dhcp, 'hostname') end,
            'mac': case when not is_lease then json_text(dhcp, 'client_mac') end
        } as source,
        {
            'ip': ocsf_endpoint(case when is_reply then src_ip else dest_ip end)['ip'],
            'port': case when is_reply then src_port else dest_port end,
            'hostname': case when is_lease then json_text(dhcp, 'hostname')
                when class_uid <> 4010 then ocsf_endpoint(coalesce(tls.sni, http.hostname))['hostname'] end,
            'mac': case when is_lease then json_text(dhcp, 'client_mac') end
        } as destination,
        {
            'protocol_num': connection['protocol_num'], 'protocol_name': connection['protocol_name'],
            'direction_id': connection['direction_id'], 'community_uid': community_id
        } as conn,
        {
            'http_method': case when ocsf_http_activity_id(http.http_method) between 1 and 9 then upper(http.http_method) end,
            'url': ocsf_url(case
                when http.url like '/%' and http.hostname is not null
                    then concat('http://', http.hostname, coalesce(':' || http.http_port, ''), http.url)
                else coalesce(http.url, 'http://' || http.hostname || '/')
            end),
            'user_agent': http.http_user_agent, 'referrer': http.http_refer, 'version': http.protocol,
            'x_forwarded_for': [ocsf_endpoint(split_part(http.xff, ',', 1))['ip']]
        } as request,
        case when http.status is not null then {'code': http.status, 'content_type': http.http_content_type, 'body_length': http.length} end as response,
        case when coalesce(tls.version, tls.sni, tls.subject) is not null then {
            'version': coalesce(nullif(tls.version, 'UNDETERMINED'), 'unknown'),
            'sni': tls.sni,
            'ja3_hash': ocsf_hash(tls.ja3['hash']),
            'ja3s_hash': ocsf_hash(tls.ja3s['hash']),
            'certificate': case when tls.issuerdn is not null and tls.serial is not null then {
                'issuer': tls.issuerdn, 'subject': tls.subject, 'serial_number': tls.serial, 'created_time': tls.notbefore,
                'expiration_time': tls.notafter, 'fingerprints': [ocsf_hash(replace(tls.fingerprint, ':', ''))]
            } end
        } end as handshake,
        case when asked is not null then {
            'hostname': asked, 'type': coalesce(dns.rrtype, dns.queries[1]['rrtype'], dns.query[1]['rrtype']), 'packet_uid': dns.id
        } end as question,
        -- A list cannot be renamed item by item, so the first six answers are written out.
        case when dns.rdata is not null then [{'rdata': dns.rdata, 'type': dns.rrtype, 'ttl': dns.ttl}] else array_slice([
            {'rdata': dns.answers[1]['rdata'], 'type': dns.answers[1]['rrtype'], 'ttl': dns.answers[1]['ttl']},
            {'rdata': dns.answers[2]['rdata'], 'type': dns.answers[2]['rrtype'], 'ttl': dns.answers[2]['ttl']},
            {'rdata': dns.answers[3]['rdata'], 'type': dns.answers[3]['rrtype'], 'ttl': dns.answers[3]['ttl']},
            {'rdata': dns.answers[4]['rdata'], 'type': dns.answers[4]['rrtype'], 'ttl': dns.answers[4]['ttl']},
            {'rdata': dns.answers[5]['rdata'], 'type': dns.answers[5]['rrtype'], 'ttl': dns.answers[5]['ttl']},
            {'rdata': dns.answers[6]['rdata'], 'type': dns.answers[6]['rrtype'], 'ttl': dns.answers[6]['ttl']}
        ], 1, cast(coalesce(cardinality(dns.answers), 0) as bigint)) end as answered,
        case class_uid
            when 0 then 0
            when 4001 then case event_type when 'drop' then 5 when 'anomaly' then 99 when 'flow' then case flow.state when 'closed' then 2 else 6 end else 6 end
            when 4002 then ocsf_http_activity_id(verb)
            when 4003 then case when verb in ('answer', 'response') then 2 when verb in ('query', 'request') then 1 else 6 end
            when 4004 then coalesce(array_position(['discover', 'offer', 'request', 'decline', 'ack', 'nak', 'release', 'inform'], verb), 0)
            when 4005 then coalesce(array_position(['initial_request', 'initial_response', 'connect_request', 'connect_response', 'tls_handshake'], verb), 0)
            when 4006 then coalesce(
                array_position(['FILE_SUPERSEDE', 'FILE_OPEN', 'FILE_CREATE', 'FILE_OPEN_IF', 'FILE_OVERWRITE', 'FILE_OVERWRITE_IF'], verb), 99
            )
            when 4008 then case
                when verb in ('STOR', 'STOU', 'APPE') then 1 when verb = 'RETR' then 2 when verb in ('DELE', 'RMD') then 4
                when verb in ('RNFR', 'RNTO') then 5 when verb in ('LIST', 'NLST', 'MLSD') then 6 when verb is null then 0 else 99
            end
            when 4010 then case when http.http_method in ('POST', 'PUT') then 1 when http.http_method = 'GET' then 2 else 0 end
            when 3002 then case
                when verb = 'KDC_ERR_PREAUTH_REQUIRED' then 6
                when coalesce(json_text(krb5, 'failed_request'), verb) like 'KRB_AS%' then 3
                when coalesce(json_text(krb5, 'failed_request'), verb) like 'KRB_TGS%' then 4
                else 0
            end
            else 1
        end as activity_id
    from events
)

select
    timestamp as time,
    class_uid,
    activity_id,
    case when activity_id = 99 then coalesce(verb, event_type) end as activity_name,
    case when class_uid = 2004 then case alert.severity when 1 then 4 when 2 then 3 when 3 then 2 else 1 end else ocsf_severity_id(log_level) end as severity_id,
    case when class_uid = 2004 then true end as is_alert,
    case class_uid
        when 4002 then case when http.status >= 400 then 2 when http.status >= 100 then 1 end
        when 4003 then case when dns.rcode = 'NOERROR' then 1 when dns.rcode is not null then 2 end
        when 4006 then case when json_text(smb, 'status') = 'STATUS_SUCCESS' then 1 when json_text(smb, 'status') is not null then 2 end
        when 3002 then case when verb = 'KDC_ERR_PREAUTH_REQUIRED' then 99 when verb like 'KRB_%_REP' then 1 else 2 end
    end as status_id,
    case when class_uid = 3002 and verb = 'KDC_ERR_PREAUTH_REQUIRED' then verb end as status,
    case class_uid when 4003 then dns.rcode when 4006 then json_text(smb, 'status') when 3002 then json_text(krb5, 'error_code') end as status_code,
    coalesce(drop.reason, flow.reason) as status_detail,
    coalesce(alert.signature, anomaly.event, engine.message, case when class_uid = 0 then event_type end) as message,
    coalesce(flow."start", netflow."start") as start_time,
    coalesce(flow."end", netflow."end") as end_time,
    coalesce(flow.age, netflow.age) * 1000 as duration,
    case when fate in ('allowed', 'alert', 'pass') then 1 when fate is not null then 2 end as action_id,
    case fate when 'allowed' then 1 when 'alert' then 1 when 'pass' then 1 when 'drop' then 6 when 'reject' then 25 else case when fate is not null then 2 end end as disposition_id,
    {'uid': alert.signature_id, 'name': coalesce(alert.signature, alert.signature_id), 'category': alert.category, 'version': alert.rev} as firewall_rule,
    case when class_uid = 2004 then {
        'uid': concat_ws('-', flow_id, alert.signature_id),
        'title': alert.signature,
        'types': [alert.category],
        'attacks': case when strpos(alert.metadata, 'mitre_') > 0 then [{
            'tactic': {'uid': json_text(alert.metadata, 'mitre_tactic_id[0]'), 'name': replace(json_text(alert.metadata, 'mitre_tactic_name[0]'), '_', ' ')},
            'technique': {'uid': json_text(alert.metadata, 'mitre_technique_id[0]'), 'name': replace(json_text(alert.metadata, 'mitre_technique_name[0]'), '_', ' ')}
        }] end,
        'analytic': {'uid': alert.signature_id, 'name': alert.signature, 'type_id': 1, 'category': alert.category, 'version': alert.rev}
    } end as finding_info,
    case when class_uid = 2004 then [{
        'src_endpoint': source, 'dst_endpoint': destination, 'connection_info': conn,
        'http_request': request, 'http_response': response, 'tls': handshake, 'query': question
    }] end as evidences,
    case when class_uid not in (0, 2004) then source end as src_endpoint,
    case when class_uid not in (0, 2004) then destination end as dst_endpoint,
    case when class_uid > 4000 and class_uid <> 4009 then conn end as connection_info,
    case when class_uid > 4000 and class_uid <> 4009 then coalesce(
        nullif(app_proto, 'failed'),
        case when event_type not in ('flow', 'netflow', 'drop', 'anomaly', 'fileinfo') then event_type end
    ) end as app_protocol_name,
    case when class_uid = 4001 then {
        'bytes_out': flow.bytes_toserver, 'bytes_in': flow.bytes_toclient, 'packets_out': flow.pkts_toserver, 'packets_in': flow.pkts_toclient,
        'bytes': coalesce(netflow.bytes, flow.bytes_toserver + flow.bytes_toclient, drop.len),
        'packets': coalesce(netflow.pkts, flow.pkts_toserver + flow.pkts_toclient)
    } end as traffic,
    case when class_uid = 4001 then handshake end as tls,
    case when class_uid = 4001 and tls.ja4 is not null then [{'type_id': 1, 'value': tls.ja4}] end as ja4_fingerprint_list,
    case when class_uid = 4002 then request end as http_request,
    case when class_uid = 4002 then response end as http_response,
    case when class_uid = 4003 then question end as query,
    case when class_uid = 4003 then answered end as answers,
    case when class_uid = 4003 then dns.rcode end as rcode,
    case when class_uid = 4003 and dns.rcode is not null then coalesce(cast(array_position(
        ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED', 'YXDOMAIN', 'YXRRSET', 'NXRRSET', 'NOTAUTH', 'NOTZONE'], dns.rcode
    ) as bigint) - 1, 99) end as rcode_id,
    case when class_uid in (4006, 4008, 4010) and file_name <> '' then {
        'name': file_name, 'path': case when file_name <> file_path then file_path end, 'type_id': 1, 'size': fileinfo.size,
        'mime_type': fileinfo.mimetype, 'desc': fileinfo.magic, 'url': case when class_uid = 4010 then request['url'] end,
        'hashes': [ocsf_hash(fileinfo.md5), ocsf_hash(fileinfo.sha1), ocsf_hash(fileinfo.sha256)]
    } end as file,
    case class_uid when 4006 then json_text(smb, 'command') when 4008 then verb when 4009 then 'DATA' end as command,
    case when class_uid = 4006 then json_text(smb, 'share') end as share,
    case when class_uid = 4006 then json_text(smb, 'dialect') end as dialect,
    case when class_uid = 4008 then ftp.completion_code end as codes,
    case when class_uid = 4008 then ftp.reply end as command_responses,
    case when class_uid = 4007 then ssh.client['proto_version'] end as protocol_ver,
    case when class_uid = 4007 and ssh.client.hassh['hash'] <> '' then {'algorithm': 'md5', 'fingerprint': ocsf_hash(ssh.client.hassh['hash'])} end as client_hassh,
    case when class_uid = 4007 and ssh.server.hassh['hash'] <> '' then {'algorithm': 'md5', 'fingerprint': ocsf_hash(ssh.server.hassh['hash'])} end as server_hassh,
    case when class_uid = 4004 then json_text(dhcp, 'id') end as transaction_uid,
    case when class_uid = 4004 then try_cast(json_text(dhcp, 'lease_time') as bigint) end as lease_dur,
    case when class_uid = 4005 then json_text(rdp, 'cookie') end as identifier_cookie,
    case when class_uid = 4009 then 0 end as direction_id,
    case when class_uid = 4009 then {
        'from': regexp_match(coalesce(email."from", smtp.mail_from), '[^<>\s]+@[^<>\s]+')[1],
        'to': string_to_array(regexp_replace(array_to_string(smtp.rcpt_to, ','), '[<>]', '', 'g'), ','),
        'subject': email.subject, 'message_uid': email.message_id
    } end as email,
    case when class_uid = 3002 then {'name': coalesce(nullif(json_text(krb5, 'cname'), '<empty>'), 'unknown'), 'domain': json_text(krb5, 'realm')} end as "user",
    case when class_uid = 3002 then {'name': json_text(krb5, 'sname')} end as service,
    case when class_uid = 3002 then 2 end as auth_protocol_id,
    -- Required there: the program that asked for the file, as far as it is known.
    case when class_uid = 4010 then {'app_name': coalesce(http.http_user_agent, app_proto, 'unknown')} end as actor,
    {'hostname': host, 'interface_name': in_iface, 'type_id': case when coalesce(host, in_iface) is not null then 13 end} as device,
    {'correlation_uid': flow_id, 'log_name': event_type, 'event_code': event_type} as metadata,
    -- Flows, short answers, and what is whole in `unmapped` do without.
    case when class_uid not in (0, 4001, 4003) or event_type in ('drop', 'tls') or cardinality(dns.answers) > 6 or dns.authorities is not null then _raw end
        as raw_data,
    _rest as unmapped,
    _file,
    _row
from parts
