-- One row per message: topics, then the text. The firewall's prefix is what stands before `input:`, `forward:` or `output:`.
with texts as (
    select
        *,
        trim(concat(case when appname like '%,%' then appname || ' ' else '' end, message)) as full_text,
        ocsf_endpoint(hostname, null) as host,
        _rest, _file, _row
    from input
),

parsed as (
    select
        *,
        regexp_match(full_text, '(?:^|[ :])([a-z0-9]+(?:,[a-z0-9!]+)+)[: ]')[1] as topics,
        regexp_match(full_text, '(?:^|[ :])(?:[a-z0-9]+(?:,[a-z0-9!]+)+):? +(.*?) ?(input|forward|output|prerouting|postrouting|srcnat|dstnat): in:') as rule,
        regexp_match(full_text, ' in:(.*?) out:(.*?), ') as interfaces,
        regexp_match(full_text, 'src-mac ([0-9A-Fa-f:]{17})')[1] as mac,
        regexp_match(full_text, 'connection-state:(\S+?),? ')[1] as state,
        regexp_match(full_text, 'proto ([\w-]+)')[1] as proto,
        regexp_match(full_text, ', \[?([0-9A-Fa-f.:]+?)\]?(?::\d+)?->')[1] as src,
        regexp_match(full_text, ', \[?[0-9A-Fa-f.:]+?\]?:(\d+)->')[1] as src_port,
        regexp_match(full_text, '->(\[[0-9A-Fa-f:]+\]|[0-9.]+|[0-9A-Fa-f:]+)')[1] as dst,
        regexp_match(full_text, '->(?:\[[0-9A-Fa-f:]+\]|[0-9.]+):(\d+)')[1] as dst_port,
        regexp_match(full_text, ', len (\d+)')[1] as len,
        regexp_match(full_text, '(login failure for user|user) (\S*) ?(logged in|logged out|from|via)') as login,
        regexp_match(full_text, ' from ([0-9A-Fa-f.:]+)')[1] as login_from,
        regexp_match(full_text, ' via (\S+)$')[1] as login_via
    from texts
),

classified as (
    select
        *,
        case
            when src is not null and interfaces is not null then 4001
            when login is not null and (login[1] like 'login failure%' or login[3] like 'logged%') then 3002
            else 0
        end as class_uid,
        case
            when regexp_like(rule[1], '(?i)drop|block|deny|reject|tarpit|invalid') then 'denied'
            when regexp_like(rule[1], '(?i)accept|allow|permit|pass') then 'allowed'
        end as verdict
    from parsed
)

select
    timestamp as time,
    class_uid,
    case class_uid
        when 4001 then case verdict when 'denied' then 5 else 6 end
        when 3002 then case login[3] when 'logged out' then 2 else 1 end
        else 0
    end as activity_id,
    case
        when topics like '%critical%' then 5 when topics like '%error%' then 3 when topics like '%warning%' then 2
        else 1
    end as severity_id,
    case when class_uid = 3002 then case when login[1] like 'login failure%' then 2 else 1 end end as status_id,
    full_text as message,
    case when class_uid <> 0 then {
        'ip': ocsf_endpoint(coalesce(src, login_from), null)['ip'], 'port': try_cast(src_port as int), 'mac': mac,
        'interface_name': case when interfaces[1] not like '(unknown%' then interfaces[1] end
    } end as src_endpoint,
    case class_uid
        when 4001 then {'ip': ocsf_endpoint(trim(dst, '[]'), null)['ip'], 'hostname': null, 'port': try_cast(dst_port as int),
            'interface_name': case when interfaces[2] not like '(unknown%' then interfaces[2] end}
        when 3002 then {'ip': host['ip'], 'hostname': host['hostname'], 'port': null, 'interface_name': null}
    end as dst_endpoint,
    case when class_uid = 4001 then ocsf_connection(proto, case rule[2] when 'input' then 'inbound' when 'output' then 'outbound' end) end as connection_info,
    case when class_uid = 4001 then {'bytes': cast(len as bigint), 'packets': case when len is not null then 1 end} end as traffic,
    case when class_uid = 4001 then case verdict when 'denied' then 2 when 'allowed' then 1 else 0 end end as action_id,
    case when class_uid = 4001 then case verdict when 'denied' then 2 when 'allowed' then 1 else 0 end end as disposition_id,
    case when class_uid = 4001 then {'name': coalesce(nullif(rule[1], ''), rule[2]), 'category': rule[2], 'condition': case when state is not null then 'connection-state:' || state end} end as firewall_rule,
    case when class_uid = 3002 then {'name': coalesce(nullif(login[2], ''), 'unknown')} end as "user",
    case when class_uid = 3002 then {'name': coalesce(login_via, 'RouterOS')} end as service,
    case when class_uid = 3002 and login_from is not null then true end as is_remote,
    {'ip': host['ip'], 'hostname': host['hostname'], 'type_id': case when coalesce(host['ip'], host['hostname']) is not null then 12 end} as device,
    {'log_name': topics, 'log_level': severity} as metadata,
    _rest as unmapped,
    _file,
    _row
from classified
