-- One row per packet. The rule's prefix is the text before IN=; ufw writes [UFW BLOCK] there, others what people chose.
with parsed as (
    select
        *,
        nullif(trim(regexp_match(message, '^(?:\[ *[\d.]+\] ?)?(.*?)IN=')[1]), '') as prefix,
        regexp_match(message, 'IN=(\S*) OUT=(\S*)') as interfaces,
        regexp_match(message, ' ?MAC=((?:[0-9A-Fa-f]{2}:){13}[0-9A-Fa-f]{2})')[1] as mac,
        regexp_match(message, ' SRC=(\S+)')[1] as src,
        regexp_match(message, ' DST=(\S+)')[1] as dst,
        regexp_match(message, ' PROTO=(\S+)')[1] as proto,
        regexp_match(message, ' SPT=(\d+)')[1] as spt,
        regexp_match(message, ' DPT=(\d+)')[1] as dpt,
        regexp_match(message, ' LEN=(\d+)')[1] as len,
        regexp_match(message, ' UID=(\d+)')[1] as uid,
        ocsf_endpoint(hostname, null) as host,
        _rest, _file, _row
    from input
),

classified as (
    select
        *,
        src is not null and interfaces is not null as is_packet,
        case
            when regexp_like(prefix, '(?i)block|drop|deny|denied|reject|refuse|discard|invalid|scan|ban') then 'denied'
            when regexp_like(prefix, '(?i)allow|accept|permit|pass') then 'allowed'
        end as verdict
    from parsed
)

select
    timestamp as time,
    case when is_packet then 4001 else 0 end as class_uid,
    case when is_packet then case verdict when 'denied' then 5 else 6 end else 0 end as activity_id,
    message,
    case when is_packet then {
        'ip': ocsf_endpoint(src, null)['ip'], 'port': try_cast(spt as int), 'mac': substr(mac, 19, 17), 'interface_name': interfaces[1]
    } end as src_endpoint,
    case when is_packet then {
        'ip': ocsf_endpoint(dst, null)['ip'], 'port': try_cast(dpt as int), 'mac': substr(mac, 1, 17), 'interface_name': interfaces[2]
    } end as dst_endpoint,
    case when is_packet then ocsf_connection(proto, case
        when interfaces[1] <> '' and interfaces[2] = '' then 'inbound'
        when interfaces[1] = '' and interfaces[2] <> '' then 'outbound'
    end) end as connection_info,
    case when is_packet then {'bytes': cast(len as bigint), 'packets': case when len is not null then 1 end} end as traffic,
    case when is_packet then case verdict when 'denied' then 2 when 'allowed' then 1 else 0 end end as action_id,
    case when is_packet then case verdict when 'denied' then 2 when 'allowed' then 1 else 0 end end as disposition_id,
    case when is_packet then {'name': rtrim(prefix, ': ')} end as firewall_rule,
    {'app_name': appname, 'user': {'uid': uid}} as actor,
    {'ip': host['ip'], 'hostname': host['hostname'], 'type_id': case when coalesce(host['ip'], host['hostname']) is not null then 0 end} as device,
    {'log_provider': appname, 'log_level': severity} as metadata,
    _rest as unmapped,
    _file,
    _row
from classified
