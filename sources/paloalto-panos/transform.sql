-- One row per record. f1, f2, … are the cells of the vendor's list for the record's type, f4.
with records as (
    select
        *,
        case when f4 = 'HIP-MATCH' then 'HIPMATCH' else f4 end as kind,
        f4 in ('TRAFFIC', 'THREAT', 'DECRYPTION') as is_flow,
        f4 = 'SYSTEM' and (regexp_like(f9, 'auth-(succ|fail)|(regist|logout)-succ') or f15 like '% logged in via %' or f15 like '% logged out via %') as is_login,
        -- The name, and the number in parentheses behind it.
        case when f4 = 'THREAT' then regexp_match(f33, '^(.*?)(?:\((\d+)\))?$') end as threat,
        _raw, _file, _row
    from input
),

classified as (
    select
        *,
        case
            when kind in ('TRAFFIC', 'DECRYPTION') then 4001
            when kind = 'THREAT' then case when f5 = 'url' then 4002 else 2004 end
            when kind = 'CORRELATION' then 2004
            when kind = 'CONFIG' then 3004
            when kind = 'GLOBALPROTECT' then case when regexp_like(f9, '-(auth|login|logout)$') then 3002 else 4014 end
            when kind = 'AUTHENTICATION' or is_login or (kind = 'USERID' and f5 in ('login', 'logout')) then 3002
            when kind = 'HIPMATCH' then 5001
            else 0
        end as class_uid,
        ocsf_endpoint(case
            when is_flow or kind in ('CONFIG', 'CORRELATION') then f8
            when is_login then regexp_match(f15, '[Ff]rom:? ([0-9A-Fa-f.:]*[0-9A-Fa-f])')[1]
            else case kind when 'GLOBALPROTECT' then coalesce(nullif(f16, '0.0.0.0'), f17) when 'USERID' then f9 when 'AUTHENTICATION' then f9 when 'HIPMATCH' then f12 end
        end)['ip'] as src,
        ocsf_user(case
            when is_flow then f13
            when is_login then regexp_match(f15, '(?:User name: |for user ''?|^User ''?)([^,'']+?)(?:,|''|\. |\.?\s*$| logged )')[1]
            else case kind when 'GLOBALPROTECT' then f13 when 'USERID' then f10 when 'AUTHENTICATION' then coalesce(f11, f10) when 'CONFIG' then f11 when 'CORRELATION' then f9
                when 'HIPMATCH' then f8 end
        end) as who,
        case kind when 'THREAT' then f35 when 'SYSTEM' then f14 when 'CORRELATION' then f12 end as rating,
        case
            when not is_flow then null
            when f31 in ('allow', 'continue', 'override', 'forward', 'wildfire-upload-success', 'wildfire-upload-skip') then 1 when f31 = 'alert' then 19
            when f31 like '%drop%' then 6 when f31 like 'reset%' then 21 when f31 like 'block%' or f31 in ('deny', 'sinkhole') then 2 when f31 is not null then 99
        end as disposition_id,
        case kind when 'AUTHENTICATION' then f21 when 'GLOBALPROTECT' then f29 when 'CONFIG' then f13
            when 'DECRYPTION' then case when lower(coalesce(f65, 'none')) = 'none' then 'success' else 'failure' end
            else case when is_login then case when f9 like '%fail%' then 'failure' else 'success' end end end as result,
        case kind when 'TRAFFIC' then f53 when 'THREAT' then f60 when 'SYSTEM' then f23 when 'CONFIG' then f22 when 'GLOBALPROTECT' then f48
            when 'USERID' then f26 when 'HIPMATCH' then f10 when 'AUTHENTICATION' then f30 when 'DECRYPTION' then f97 when 'CORRELATION' then f18 end as device_name,
        case kind when 'TRAFFIC' then f40 when 'THREAT' then f37 when 'SYSTEM' then f16 when 'CONFIG' then case when f16 like '0x%' then f15 else f17 end
            when 'GLOBALPROTECT' then f35 when 'USERID' then f19 when 'HIPMATCH' then f18 when 'AUTHENTICATION' then f23 when 'DECRYPTION' then f90 end as seqno,
        -- Finer than the generated time, and with its zone; not before PAN-OS 10.
        case kind when 'TRAFFIC' then f103 when 'THREAT' then f108 when 'SYSTEM' then f26 when 'GLOBALPROTECT' then f37 when 'USERID' then f34
            when 'HIPMATCH' then f31 when 'AUTHENTICATION' then f34 when 'DECRYPTION' then f73 end as precise_time,
        case kind when 'TRAFFIC' then f42 when 'THREAT' then f39 when 'GLOBALPROTECT' then f14 end as src_place,
        case kind when 'TRAFFIC' then f43 when 'THREAT' then f40 end as dst_place
    from records
),

rated as (
    select
        *,
        coalesce(case class_uid
            when 4001 then case when kind = 'TRAFFIC' then case f5 when 'start' then 1 when 'end' then 2 when 'drop' then 5 when 'deny' then 5 else 6 end
                when result = 'failure' then 4 else 6 end
            when 4002 then ocsf_http_activity_id(f64)
            when 3002 then case when f5 = 'logout' or f9 like '%logout%' or (is_login and f15 like '% logged out via %') then 2 else 1 end
            when 4014 then case f9 when 'gateway-connected' then 1 when 'gateway-config-release' then 2 else 99 end
            when 3004 then case when f10 in ('add', 'clone') then 1 when f10 in ('set', 'edit', 'rename') then 3
                when f10 = 'delete' then 4 when f10 = 'move' then 5 when f10 = 'commit' then 10 else 99 end
            when 0 then 0
            else 1
        end, 0) as activity_id,
        {'ip': src, 'name': case when kind = 'GLOBALPROTECT' then f15 end, 'port': case when is_flow then try_cast(f25 as int) end,
            'zone': case when is_flow then f17 end, 'interface_name': case when is_flow then f19 end,
            -- What the vendor has no country for is a range of addresses.
            'location': {'country': case when src_place < '0' or src_place > ':' then src_place end},
            'proxy_endpoint': case when is_flow and f10 not in ('0.0.0.0', f8) then {'ip': ocsf_endpoint(f10)['ip'], 'port': try_cast(f27 as int)} end} as src_point,
        {'ip': case when is_flow then ocsf_endpoint(f9)['ip'] end, 'port': case when is_flow then try_cast(f26 as int) end, 'zone': case when is_flow then f18 end,
            'interface_name': case when is_flow then f20 end, 'owner': case when is_flow then ocsf_user(f14) end,
            'location': {'country': case when dst_place < '0' or dst_place > ':' then dst_place end},
            'proxy_endpoint': case when is_flow and f11 not in ('0.0.0.0', f9) then {'ip': ocsf_endpoint(f11)['ip'], 'port': try_cast(f28 as int)} end} as dst_point,
        case when is_flow and f30 is not null then {'uid': f23, 'protocol_num': ocsf_connection(f30)['protocol_num'],
            'protocol_name': ocsf_connection(f30)['protocol_name'], 'direction_id': 0} end as connection,
        case when class_uid = 4002 then ocsf_url(f32) end as web,
        ocsf_status_id(result) as status_id
    from classified
)

select
    coalesce(case when precise_time like '20__-__-__T%' then parse_time(precise_time) end, parse_time(f7), parse_time(f2),
        case when f7 is null then parse_time(regexp_match(f1, '[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d')[1]) end) as time,
    class_uid,
    activity_id,
    case when activity_id = 99 then case class_uid when 4002 then f64 when 3004 then f10 else f9 end end as activity_name,
    case when rating is not null then coalesce(ocsf_severity_id(rating), 0) when class_uid = 0 then 0 end as severity_id,
    status_id,
    case when status_id = 99 then result end as status,
    case kind when 'TRAFFIC' then nullif(f47, 'n/a') when 'DECRYPTION' then f65 when 'GLOBALPROTECT' then coalesce(f27, f26) when 'AUTHENTICATION' then f19 end as status_detail,
    case when is_flow then concat_ws(' ', f31, f15, f5, case when kind = 'THREAT' then f33 end, 'from', f8, 'to', f9)
        else case kind when 'SYSTEM' then f15 when 'CORRELATION' then f22 when 'AUTHENTICATION' then coalesce(f19, f21) when 'CONFIG' then concat_ws(' ', f11, f10, trim(f14))
            when 'GLOBALPROTECT' then concat_ws(' ', f9, f13, f28) when 'USERID' then concat_ws(' ', f5, f10, f9) when 'HIPMATCH' then concat_ws(' ', f8, 'matches', f13)
            else _raw end end as message,
    case when is_flow then try_cast(f24 as int) when kind = 'GLOBALPROTECT' then try_cast(f25 as int) when kind in ('AUTHENTICATION', 'HIPMATCH') then try_cast(f14 as int) end as count,
    case when kind = 'TRAFFIC' then parse_time(f36) end as start_time,
    case when kind = 'TRAFFIC' and f5 <> 'start' then try_cast(f37 as bigint) * 1000 end as duration,
    case when class_uid in (4001, 4002, 3002, 3004, 4014) then src_point end as src_endpoint,
    case when class_uid in (4001, 4002) then dst_point end as dst_endpoint,
    case when class_uid <> 2004 then connection end as connection_info,
    case when kind = 'TRAFFIC' then {'bytes': try_cast(f32 as bigint), 'bytes_out': try_cast(f33 as bigint), 'bytes_in': try_cast(f34 as bigint),
        'packets': try_cast(f35 as bigint), 'packets_out': try_cast(f45 as bigint), 'packets_in': try_cast(f46 as bigint)} end as traffic,
    case when class_uid in (4001, 4002) then f15 end as app_name,
    case when is_flow then {'name': f12, 'uid': case kind when 'TRAFFIC' then f66 when 'THREAT' then f77 else f37 end} end as firewall_rule,
    case when disposition_id in (1, 19) then 1 when disposition_id = 99 then 99 when disposition_id > 0 then 2 end as action_id,
    case when disposition_id = 99 then f31 end as action,
    disposition_id,
    case when disposition_id = 99 then f31 end as disposition,
    case when class_uid = 4002 then {'http_method': case when activity_id not in (0, 99) then upper(f64) end, 'user_agent': f47, 'referrer': f50,
        'url': {'url_string': f32, 'scheme': web['scheme'], 'hostname': web['hostname'], 'port': web['port'], 'path': web['path'], 'query_string': web['query_string'],
            'domain': web['domain'], 'subdomain': web['subdomain'], 'categories': string_to_array(coalesce(f76, f34), ',')}} end as http_request,
    case when kind = 'DECRYPTION' and f40 is not null then {'version': f40, 'cipher': concat_ws('-', f41, f42, f43), 'sni': f64,
        'certificate': case when f50 is not null and f62 is not null then {'subject': f61, 'issuer': f62, 'serial_number': f50, 'fingerprints': array_compact([ocsf_hash(f51)]),
            'created_time': parse_time(f52), 'expiration_time': parse_time(f53)} end} end as tls,
    case when class_uid = 2004 then {
        'uid': concat_ws('-', f3, coalesce(seqno, concat_ws('-', f21, f8, f7))),
        'title': case kind when 'THREAT' then coalesce(threat[1], f5) else f20 end,
        'desc': case kind when 'CORRELATION' then f22 end,
        'types': [case kind when 'THREAT' then f5 else f11 end],
        'analytic': {'uid': case kind when 'THREAT' then threat[2] else f21 end, 'name': case kind when 'THREAT' then coalesce(threat[1], f5) else f20 end,
            'category': case kind when 'THREAT' then coalesce(f70, f34) else f11 end, 'type_id': 1}
    } end as finding_info,
    case when class_uid = 2004 then [{
        'src_endpoint': src_point, 'dst_endpoint': dst_point, 'connection_info': connection, 'user': who,
        'file': case when coalesce(f44, f48) is not null and is_flow then {'name': coalesce(f32, 'unknown'), 'type': f48, 'type_id': 1, 'hashes': array_compact([ocsf_hash(f44)])} end,
        'url': case when coalesce(f44, f48) is null and is_flow then {'url_string': f32} end,
        'email': case when coalesce(f51, f53) is not null and is_flow then {'from': f51, 'to': string_to_array(f53, ','), 'subject': f52} end,
        'verdict_id': case when f5 = 'wildfire' then case f34 when 'malicious' then 2 when 'phishing' then 2 when 'grayware' then 4 when 'benign' then 5 else 0 end end
    }] end as evidences,
    case when class_uid = 3002 then {'name': coalesce(who['name'], 'unknown'), 'domain': who['domain'], 'email_addr': who['email_addr'], 'uid': who['uid']}
        when class_uid = 4014 then who end as "user",
    case when class_uid = 3002 then {'name': case when kind = 'GLOBALPROTECT' or f5 = 'globalprotect' then 'GlobalProtect' when kind = 'USERID' then 'User-ID'
        when kind = 'AUTHENTICATION' then 'Authentication Policy' else 'PAN-OS' end} end as service,
    case when class_uid in (4001, 4002, 3004) then {'user': who, 'app_name': case when kind = 'CONFIG' then f12 end} end as actor,
    case when class_uid = 3004 then {'name': coalesce(nullif(trim(f14), ''), f10), 'type': 'configuration'} end as entity,
    case when class_uid = 3004 then f24 end as comment,
    case when class_uid = 4014 then {'ip': ocsf_endpoint(coalesce(nullif(f18, '0.0.0.0'), nullif(f19, '0.0.0.0')))['ip']} end as tunnel_interface,
    case when class_uid = 4014 then f12 end as protocol_name,
    case when class_uid = 5001 then {'name': f13, 'type': f15} end as policy,
    {'hostname': device_name, 'uid': case when class_uid = 5001 then f28 else f3 end, 'type_id': case when class_uid = 5001 then 0 when f3 is not null then 9 end,
        'ip': case when class_uid = 5001 then src end, 'os': case when class_uid = 5001 and f11 is not null then {'name': f11, 'type_id': 0} end,
        'owner': case when class_uid = 5001 then who end} as device,
    {'uid': case when seqno is not null then concat_ws('-', f3, seqno) end, 'log_name': concat_ws(' ', f4, f5), 'original_time': f7,
        'event_code': case when kind in ('SYSTEM', 'GLOBALPROTECT') then f9 when kind = 'THREAT' then threat[2] when kind = 'CORRELATION' then f21 end} as metadata,
    _raw as raw_data,
    _file,
    _row
from rated
