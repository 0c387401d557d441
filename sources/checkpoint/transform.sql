-- One row per log. Syslog has Check Point's own names in `[name:"value"; …]`, which becomes JSON here; the other formats have them,
-- or those of CEF or LEEF, as columns.
with bodies as (
    select
        *,
        case when structured_data is not null or message like '[%' then concat(
            '{"',
            regexp_replace(
                regexp_replace(replace(replace(replace(rtrim(substr(_raw, strpos(_raw, ' [') + 2)), '\]', ']'), '\', '\\'), '\\"', '\"'), '^(\w+)::?"', '\1":"'),
                '"; ?(\w+)::?"', '","\1":"', 'g'
            )
        ) end as open_body,
        _raw, _rest, _file, _row
    from input
),

fields as (
    select
        *,
        coalesce(action, act, json_text(body, 'action')) as action_,
        coalesce(product, device_product, cat, json_text(body, 'product')) as product_,
        coalesce(origin, json_text(body, 'origin')) as origin_,
        coalesce(loguid, json_text(body, 'loguid')) as uid_,
        coalesce(src, client_ip, json_text(body, 'src'), json_text(admin, 'client_ip')) as src_,
        coalesce(dst, json_text(body, 'dst')) as dst_,
        coalesce(s_port, spt, srcPort, json_text(body, 's_port')) as src_port,
        coalesce(service, dpt, dstPort, json_text(body, 'service')) as dst_port,
        coalesce(proto, json_text(body, 'proto')) as proto_,
        coalesce(ifdir, case deviceDirection when '0' then 'inbound' when '1' then 'outbound' end, json_text(body, 'ifdir')) as direction_,
        coalesce(rule_name, cs2, json_text(body, 'rule_name')) as rule_,
        coalesce(rule_uid, json_text(body, 'rule_uid')) as rule_uid_,
        coalesce(layer_name, json_text(body, 'layer_name')) as layer_,
        coalesce(received_bytes, "in", json_text(body, 'received_bytes')) as in_bytes,
        coalesce(sent_bytes, "out", json_text(body, 'sent_bytes')) as out_bytes,
        coalesce(appi_name, json_text(body, 'appi_name')) as app_,
        coalesce(resource, request, url, json_text(body, 'resource')) as url_,
        coalesce(method, json_text(body, 'method')) as method_,
        coalesce(src_user_name, "user", suser, usrName, duser, json_text(body, 'src_user_name'), json_text(body, 'user')) as user_,
        coalesce(src_machine_name, shost, json_text(body, 'src_machine_name')) as machine_,
        coalesce(attack, json_text(threat, 'attack')) as attack_,
        coalesce(attack_info, json_text(threat, 'attack_info')) as attack_info_,
        coalesce(protection_name, json_text(threat, 'protection_name')) as protection_,
        coalesce(protection_id, json_text(threat, 'protection_id')) as protection_id_,
        coalesce(protection_type, json_text(threat, 'protection_type')) as type_,
        coalesce(malware_action, json_text(threat, 'malware_action')) as malware_,
        coalesce(file_name, json_text(threat, 'file_name')) as file_,
        coalesce(file_md5, json_text(threat, 'file_md5')) as md5_,
        coalesce(file_sha1, json_text(threat, 'file_sha1')) as sha1_,
        coalesce(file_sha256, json_text(threat, 'file_sha256')) as sha256_,
        coalesce(administrator, json_text(admin, 'administrator')) as admin_,
        coalesce(operation, json_text(admin, 'operation')) as operation_,
        coalesce(subject, json_text(admin, 'subject')) as subject_,
        coalesce(objectname, json_text(admin, 'objectname')) as object_,
        coalesce(objecttype, json_text(admin, 'objecttype')) as object_type_,
        coalesce(fieldschanges, json_text(admin, 'fieldschanges')) as changes_,
        coalesce(auth_status, audit_status, json_text(admin, 'auth_status'), json_text(admin, 'audit_status')) as result_,
        coalesce(auth_method, json_text(admin, 'auth_method')) as auth_method_,
        coalesce(additional_info, json_text(admin, 'additional_info')) as info_,
        coalesce(sys_message, description, reason, msg, json_text(admin, 'sys_message'), json_text(admin, 'description'), json_text(admin, 'reason')) as text_
    from (
        -- Most logs are of connections: they are not searched for what threats and administrators have.
        select
            *,
            case when regexp_like(body, '"(?:protection_|attack|malware_|file_)') then body end as threat,
            case when regexp_like(body, '"(?:operation|auth_|sys_message|description|reason)') then body end as admin
        from (select *, rtrim(open_body, ']') || '}' as body from bodies)
    )
),

classified as (
    select
        *,
        case
            when regexp_like(coalesce(operation_, action_), '(?i)^(?:failed )?log ?(?:in|out|off)$') or subject_ like 'Administrator Log%' then 3002
            when admin_ is not null and operation_ is not null then 3004
            when coalesce(protection_, attack_, malware_) is not null then 2004
            when url_ is not null and coalesce(src_, dst_) is not null then 4002
            when coalesce(src_, dst_) is not null then 4001
            else 0
        end as class_uid,
        case
            when regexp_like(action_, '(?i)drop|reject|block|prevent|deny|quarantine') then 2
            when regexp_like(action_, '(?i)accept|allow|bypass|encrypt|decrypt|detect|inform|ask') then 1
            when action_ is not null then 99
        end as verdict,
        -- Jane Doe (jdoe)
        coalesce(admin_, regexp_match(user_, '\(([^()]+)\)\s*$')[1], user_) as login,
        case when body is not null then json_text(threat, 'severity') else severity end as level
    from fields
)

select
    coalesce(
        parse_time(coalesce("time", rt, devTime)), parse_time(json_text(body, 'time')), parse_time(timestamp), parse_time(syslog['timestamp'])
    ) as time,
    class_uid,
    case class_uid
        when 3002 then case when regexp_like(coalesce(operation_, action_), '(?i)log ?(?:out|off)') then 2 else 1 end
        when 3004 then case split_part(lower(operation_), ' ', 1)
            when 'create' then 1 when 'add' then 1 when 'modify' then 3 when 'update' then 3 when 'set' then 3 when 'delete' then 4 when 'remove' then 4 else 99
        end
        when 2004 then 1
        when 4002 then ocsf_http_activity_id(method_)
        when 4001 then case when verdict = 2 then 5 else 6 end
        else 0
    end as activity_id,
    case
        when class_uid = 3004 and not regexp_like(operation_, '(?i)^(?:create|add|modify|update|set|delete|remove)\b') then operation_
        when class_uid = 4002 and ocsf_http_activity_id(method_) = 99 then method_
    end as activity_name,
    case when class_uid = 2004 then
        case level when '0' then 1 when '1' then 2 when '2' then 3 when '3' then 4 when '4' then 5 else coalesce(ocsf_severity_id(level), 0) end
    end as severity_id,
    case when class_uid in (3002, 3004) then case
        when regexp_like(concat_ws(' ', result_, action_, info_), '(?i)fail|denied|reject|unsuccessful') then 2
        else 1
    end end as status_id,
    case when class_uid in (3002, 3004) then coalesce(info_, result_) end as status_detail,
    coalesce(attack_info_, changes_, info_, text_, protection_, concat_ws(' ', product_, action_)) as message,
    case when class_uid in (2004, 4001, 4002) then verdict end as action_id,
    case when class_uid in (2004, 4001, 4002) and verdict = 99 then action_ end as action,
    case when class_uid in (2004, 4001, 4002) then case when lower(action_) = 'drop' then 6 else verdict end end as disposition_id,
    case when class_uid in (2004, 4001, 4002) and verdict = 99 then action_ end as disposition,
    {'name': rule_, 'uid': rule_uid_, 'category': layer_} as firewall_rule,
    case when class_uid not in (0, 2004) then {
        'ip': ocsf_endpoint(src_)['ip'], 'hostname': coalesce(split_part(machine_, '@', 1), ocsf_endpoint(src_)['hostname']),
        'port': try_cast(src_port as int), 'zone': coalesce(inzone, json_text(body, 'inzone'))
    } end as src_endpoint,
    case when class_uid in (4001, 4002, 3002) then {
        'ip': ocsf_endpoint(coalesce(dst_, case when class_uid = 3002 then origin_ end))['ip'],
        'port': try_cast(dst_port as int), 'zone': coalesce(outzone, json_text(body, 'outzone'))
    } end as dst_endpoint,
    case when class_uid in (4001, 4002) then ocsf_connection(proto_, direction_) end as connection_info,
    case when class_uid in (4001, 4002) then {'bytes_in': try_cast(in_bytes as bigint), 'bytes_out': try_cast(out_bytes as bigint)} end as traffic,
    case when class_uid in (4001, 4002) then app_ end as app_name,
    case when class_uid = 4002 then {
        'url': ocsf_url(url_), 'http_method': case when ocsf_http_activity_id(method_) between 1 and 9 then upper(method_) end
    } end as http_request,
    case when class_uid = 2004 then {
        'uid': uid_,
        'title': coalesce(protection_, attack_, malware_),
        'desc': attack_info_,
        'types': [coalesce(type_, product_)],
        'analytic': {'uid': protection_id_, 'name': coalesce(protection_, attack_, malware_), 'type_id': 1, 'category': attack_}
    } end as finding_info,
    case when class_uid = 2004 and coalesce(src_, dst_, url_, file_) is not null then [{
        'src_endpoint': {'ip': ocsf_endpoint(src_)['ip'], 'port': try_cast(src_port as int)},
        'dst_endpoint': {'ip': ocsf_endpoint(dst_)['ip'], 'port': try_cast(dst_port as int)},
        'connection_info': ocsf_connection(proto_, direction_),
        'url': ocsf_url(url_),
        'user': {'name': login},
        'file': case when file_ is not null then {'name': file_, 'type_id': 1, 'hashes': [ocsf_hash(md5_), ocsf_hash(sha1_), ocsf_hash(sha256_)]} end
    }] end as evidences,
    case when class_uid = 2004 then true end as is_alert,
    case when class_uid = 3002 then {'name': coalesce(login, 'unknown')} end as "user",
    case when class_uid = 3002 then {'name': coalesce(product_, 'Check Point')} end as service,
    case when class_uid = 3002 and auth_method_ is not null then 99 end as auth_protocol_id,
    case when class_uid = 3002 then auth_method_ end as auth_protocol,
    case when class_uid = 3004 then {'name': coalesce(object_, subject_, operation_), 'type': object_type_} end as entity,
    case when class_uid = 3004 then changes_ end as comment,
    case when class_uid <> 3002 then {'user': {'name': login}} end as actor,
    {
        'ip': ocsf_endpoint(origin_)['ip'], 'hostname': coalesce(hostname, syslog['hostname']),
        'type_id': case when coalesce(origin_, hostname, syslog['hostname']) is not null then 9 end,
        'interface_name': coalesce(ifname, json_text(body, 'ifname'))
    } as device,
    {'uid': uid_, 'event_code': coalesce(operation_, action_), 'log_name': product_, 'log_level': level} as metadata,
    coalesce(body, _rest) as unmapped,
    case when class_uid not in (4001, 4002) and body is null then _raw end as raw_data,
    _file,
    _row
from classified
