-- One row per message. filterlog's cells: rule, sub-rule, anchor, tracker, interface, reason, action, direction, version;
-- then for IPv4 tos, ecn, ttl, id, offset, flags, number, protocol, length, source, destination, ports,
-- and for IPv6 class, label, hops, protocol, number, length, source, destination, ports.
with records as (
    select
        *,
        ocsf_endpoint(hostname, null) as host,
        regexp_replace(appname, '^.*/', '') as program,
        regexp_like(message, '^[^,]*,[^,]*,[^,]*,[^,]*,[^,]+,[^,]*,(?:pass|block|reject|match|rdr|nat|binat|scrub)[^,]*,(?:in|out),[46],') as is_packet,
        _rest, _file, _row
    from input
),

parsed as (
    select
        *,
        case when is_packet then split_part(message, ',', 7) end as verdict,
        case when is_packet then split_part(message, ',', 8) end as direction,
        case when is_packet then split_part(message, ',', 9) end as version,
        case when is_packet then case split_part(message, ',', 9) when '4' then split_part(message, ',', 16) else split_part(message, ',', 14) end end as proto,
        case when is_packet then case split_part(message, ',', 9) when '4' then 19 else 16 end end as at,
        regexp_match(message, '^(Accepted|Failed) (\S+) for (?:invalid user )?(.*?) from (\S+) port (\d+)') as ssh,
        regexp_match(message, '^Invalid user (.*) from (\S+)(?: port )?(\d*)$') as invalid,
        regexp_match(message, '(?i)((?:successful login|user logged in|user logged out|authentication error|could not authenticate)) for (?:user )?''([^'']*)'' from:? ([0-9A-Fa-f.:]*[0-9A-Fa-f])') as web
    from records
),

classified as (
    select
        *,
        case when is_packet then 4001 when coalesce(ssh, invalid, web) is not null then 3002 else 0 end as class_uid
    from parsed
)

select
    timestamp as time,
    class_uid,
    case class_uid
        when 4001 then case when verdict in ('block', 'reject') then 5 else 6 end
        when 3002 then case when lower(web[1]) = 'user logged out' then 2 else 1 end
        else 0
    end as activity_id,
    case severity
        when 'debug' then 1 when 'info' then 1 when 'notice' then 1 when 'warning' then 2
        when 'err' then 3 when 'crit' then 5 when 'alert' then 5 when 'emerg' then 6
        else case when class_uid = 0 then 0 else 1 end
    end as severity_id,
    case when class_uid = 3002 then case
        when ssh[1] = 'Accepted' or regexp_like(web[1], '(?i)successful|logged') then 1 else 2
    end end as status_id,
    message,
    case class_uid
        when 4001 then {'ip': ocsf_endpoint(split_part(message, ',', at), null)['ip'], 'hostname': null,
            'port': case when proto in ('6', '17', '132') then try_cast(split_part(message, ',', at + 2) as int) end,
            'interface_name': case direction when 'in' then split_part(message, ',', 5) end}
        when 3002 then {'ip': ocsf_endpoint(coalesce(ssh[4], invalid[2], web[3]), null)['ip'], 'hostname': ocsf_endpoint(coalesce(ssh[4], invalid[2]), null)['hostname'],
            'port': try_cast(coalesce(ssh[5], invalid[3]) as int), 'interface_name': null}
    end as src_endpoint,
    case class_uid
        when 4001 then {'ip': ocsf_endpoint(split_part(message, ',', at + 1), null)['ip'], 'hostname': null,
            'port': case when proto in ('6', '17', '132') then try_cast(split_part(message, ',', at + 3) as int) end,
            'interface_name': case direction when 'out' then split_part(message, ',', 5) end}
        when 3002 then {'ip': host['ip'], 'hostname': host['hostname'], 'port': null, 'interface_name': null}
    end as dst_endpoint,
    case when is_packet then ocsf_connection(proto, case direction when 'in' then 'inbound' else 'outbound' end) end as connection_info,
    case when is_packet then {'bytes': try_cast(split_part(message, ',', at - 1) as bigint), 'packets': 1} end as traffic,
    case when is_packet then case verdict when 'pass' then 1 when 'block' then 2 when 'reject' then 2 when 'match' then 3 else 99 end end as action_id,
    case when is_packet and verdict not in ('pass', 'block', 'reject', 'match') then verdict end as action,
    case when is_packet then case verdict when 'pass' then 1 when 'block' then 2 when 'reject' then 25 when 'match' then 17 else 99 end end as disposition_id,
    case when is_packet and verdict not in ('pass', 'block', 'reject', 'match') then verdict end as disposition,
    case when is_packet then {
        'uid': coalesce(nullif(split_part(message, ',', 4), '0'), split_part(message, ',', 1)), 'name': split_part(message, ',', 1),
        'category': split_part(message, ',', 3), 'type': split_part(message, ',', 6)
    } end as firewall_rule,
    case when class_uid = 3002 then {'name': coalesce(nullif(coalesce(ssh[3], invalid[1], web[2]), ''), 'unknown')} end as "user",
    case when class_uid = 3002 then {'name': case when web is not null then 'web interface' else 'sshd' end} end as service,
    case when class_uid = 3002 then true end as is_remote,
    case when class_uid = 3002 and ssh is not null then 99 end as auth_protocol_id,
    case when class_uid = 3002 then ssh[2] end as auth_protocol,
    {'app_name': program} as actor,
    {'ip': host['ip'], 'hostname': host['hostname'], 'type_id': case when coalesce(host['ip'], host['hostname']) is not null then 9 end} as device,
    {'log_name': program, 'log_level': severity} as metadata,
    _rest as unmapped,
    _file,
    _row
from classified
