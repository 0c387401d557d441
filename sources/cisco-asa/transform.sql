-- One row per message. Its number says what it is, and by that it is read; all other messages are base events.
with texts as (
    select
        *,
        -- The tag may be taken for a program's name.
        case when appname like '\%%' then appname || ': ' || message else message end as line,
        _rest, _file, _row
    from input
),

-- Head, product, level, number, text.
tags as (
    select
        *,
        case when split_part(code, '-', 1) in ('ASA', 'FTD', 'PIX', 'FWSM', 'NGIPS') then [
            substr(line, 1, strpos(line, '%') - 1), split_part(code, '-', 1), substr(code, length(code) - 7, 1), substr(code, length(code) - 5),
            ltrim(substr(line, strpos(line, '%') + length(code) + 2))
        ] end as tag
    from (select *, split_part(substr(line, strpos(line, '%') + 1, 24), ':', 1) as code from texts)
),

kinds as (
    select
        *,
        tag[4] as id,
        tag[5] as text,
        -- A relay leaves the device's own time and name before the tag.
        case when tag[1] <> '' then regexp_match(tag[1], '^[\s:]*(\w{3} +\d+ (?:\d{4} |)[\d:.]+(?: [A-Z]{3,4})?|)[\s:]*([\w.-]*)') end as relayed,
        case
            when tag[4] in ('302013', '302015', '302017', '302020', '302303') then 'open'
            when tag[4] in ('302014', '302016', '302018', '302021', '302304') then 'close'
            when tag[4] in ('106001', '106002', '106006', '106007', '106010', '106014', '106015', '106016', '106017', '106021', '106023',
                '106027', '313001', '313004', '313005', '710003', '710005') then 'deny'
            when tag[4] in ('106100', '106102') then 'list'
            when tag[4] = '710002' then 'permit'
            when tag[4] in ('305011', '305012') then 'nat'
            when tag[4] in ('304001', '304002') then 'url'
            when tag[4] in ('113004', '113005', '113008', '113012', '113015', '113016', '113017') then 'aaa'
            when tag[4] in ('109005', '109006', '315011', '605004', '605005') then 'login'
            when tag[4] in ('611101', '611102', '611103') then 'uname'
            when tag[4] in ('113039', '716001', '716002', '716038', '716039', '716058', '716059', '722022', '722023', '722028', '722032',
                '722033', '722034', '722037', '722051', '722055') then 'vpn'
            when tag[4] = '113019' then 'disconnect'
            when tag[4] in ('111008', '111009', '111010') then 'command'
            when tag[4] in ('430001', '430002', '430003', '430004', '430005') then 'ftd'
        end as kind
    from tags
),

parsed as (
    select
        *,
        -- Both ends, as the message writes them.
        case
            when kind in ('open', 'close') and strpos(text, ' faddr ') = 0 then split_part(text, ' for ', 2)
            when kind in ('open', 'close') then split_part(text, ' faddr ', 2)
            when kind = 'list' then concat_ws(':', split_part(split_part(text, ' ', 5), '/', 1), replace(split_part(split_part(text, ' ', 5), '/', 2), '(', '/'))
            when kind = 'deny' and strpos(text, ' src ') > 0 then split_part(text, ' src ', 2)
            when kind in ('deny', 'permit', 'nat', 'login') then replace(split_part(text, ' from ', 2), 'laddr ', '')
            when id = '304001' then split_part(split_part(text, ' ', 1), '@', -1)
            when kind = 'ftd' then ltrim(concat(split_part(split_part(text, 'IngressInterface: ', 2), ',', 1), ':', split_part(split_part(text, 'SrcIP: ', 2), ',', 1), '/', split_part(split_part(text, 'SrcPort: ', 2), ',', 1)), ':')
            when id = '304002' then split_part(text, ' SRC ', 2)
        end as near,
        case
            when kind in ('open', 'close') and strpos(text, ' faddr ') > 0 then split_part(text, ' laddr ', 2)
            when kind = 'list' then concat_ws(':', split_part(split_part(text, ' -> ', 2), '/', 1), replace(split_part(split_part(text, ' -> ', 2), '/', 2), '(', '/'))
            when kind = 'deny' and strpos(text, ' src ') > 0 then split_part(replace(text, ' dest ', ' dst '), ' dst ', 2)
            when kind in ('open', 'close', 'deny', 'permit', 'nat', 'login') then split_part(text, ' to ', 2)
            when id = '304001' then regexp_match(text, ' URL (?:.*?@|)([0-9A-Fa-f.:]+?):')[1]
            when id = '304002' then split_part(text, ' DEST ', 2)
            when kind = 'ftd' then ltrim(concat(split_part(split_part(text, 'EgressInterface: ', 2), ',', 1), ':', split_part(split_part(text, 'DstIP: ', 2), ',', 1), '/', split_part(split_part(text, 'DstPort: ', 2), ',', 1)), ':')
        end as far,
        -- User, and where from.
        case kind
            when 'aaa' then regexp_match(text, '[Uu]ser ?= ?(.*?) *(?:: user IP = (\S+)|$)')
            when 'login' then regexp_match(text, 'for user [''"]?(.*?)[''"]?(?: from | disconnected| terminated|$)')
            when 'uname' then regexp_match(text, 'Uname: (\S+)')
            when 'vpn' then regexp_match(text, ' [Uu]ser (?:= )?<?(.*?)>? ?(?:IP <?([0-9A-Fa-f.:]+)>?|,|$)')
            when 'disconnect' then regexp_match(text, 'Username = (.*?), IP = ([^,]+),')
            when 'command' then regexp_match(text, '^User ''(.*?)''(?:, running ''.*?'' from IP ([^,]+)|)')
        end as who,
        -- Hours, minutes, seconds, bytes, then received bytes of a session, reason.
        case
            when kind in ('close', 'nat') then regexp_match(text, ' duration (\d+):(\d+):(\d+)(?: bytes |)(\d+|)() ?(.*)$')
            when kind = 'disconnect' then regexp_match(text, 'Duration: (?:\d+d |)(\d+)h:(\d+)m:(\d+)s, Bytes xmt: (\d+), Bytes rcv: (\d+), Reason: (.*)$')
        end as life,
        case when kind = 'command' then regexp_match(text, 'executed (?:the |cmd: |)''?(.*?)(?:''(?: command\.?)?)?$')[1] end as command,
        -- Threat Defense: `Key: value, …`, to be found by `, Key: `.
        case when kind = 'ftd' then concat(', ', text, ', ') end as ftd,
        case kind
            when 'open' then split_part(text, ' ', 3)
            when 'close' then split_part(text, ' ', 2)
            when 'list' then split_part(text, ' ', 4)
            when 'ftd' then split_part(split_part(text, 'Protocol: ', 2), ',', 1)
            else case when kind in ('deny', 'permit', 'nat') then
                regexp_match(text, '(?i)\b(tcp|udp|icmp6?|sctp|gre|esp|ah|igmp|ospf|ip|(?:protocol )\d+)\b')[1] end
        end as proto
    from kinds
),

-- Interface, address/port, without users in brackets.
ends as (
    select
        *,
        regexp_match(split_part(near, ' ', 1), '^\(?(\w*[g-zG-Z_-][\w.-]*(?:\([^)]*\)|):|)([0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*[0-9A-Fa-f](?:/\w+|)|[\w.-]+/\w+)(?:[(),:]|$)') as one,
        regexp_match(split_part(far, ' ', 1), '^\(?(\w*[g-zG-Z_-][\w.-]*(?:\([^)]*\)|):|)([0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*[0-9A-Fa-f](?:/\w+|)|[\w.-]+/\w+)(?:[(),:]|$)') as other
    from parsed
),

classified as (
    select
        *,
        case
            when one is not null and (id in ('430002', '430003') or kind in ('open', 'close', 'deny', 'list', 'permit', 'nat')) then 4001
            when id in ('430001', '430004', '430005') then 2004
            when kind = 'url' and one is not null then 4002
            when kind in ('aaa', 'login', 'uname') and who is not null or id = '716039' then 3002
            when kind in ('vpn', 'disconnect') and who is not null then 4014
            when kind = 'command' and command is not null then 3004
            else 0
        end as class_uid,
        case
            when kind = 'deny' or (kind = 'list' and strpos(text, ' denied ') > 0) or id = '304002' then 'denied'
            when kind in ('open', 'permit', 'list') then 'allowed'
            when kind = 'ftd' then case when regexp_like(ftd, ', (?:AccessControlRuleAction|InlineResult|FileAction): (?:\w+ )*(?:Block|Drop)') then 'denied' else 'allowed' end
        end as verdict,
        -- Built outbound connections name the far end first. A teardown does not say who began: a port below 1024 is the server's.
        coalesce(
            (kind = 'open' and strpos(text, ' outbound ') > 0)
            or (kind = 'close' and try_cast(split_part(one[2], '/', 2) as int) < 1024 and not coalesce(try_cast(split_part(other[2], '/', 2) as int) < 1024, true)),
            false
        ) as is_turned,
        case
            when kind = 'ftd' then nullif(nullif(split_part(split_part(ftd, ', User: ', 2), ', ', 1), 'No Authentication Required'), 'Not Found')
            else nullif(nullif(who[1], ''), '*****')
        end as login,
        trim(split_part(split_part(replace(replace(ftd, ', ThreatName: ', ', Message: '), ', FileName: ', ', Message: '), ', Message: ', 2), ', ', 1), '"') as title,
        ocsf_endpoint(coalesce(hostname, case when appname not like '\%%' and appname not in ('CiscoASA', 'SFIMS') then appname end)) as host
    from ends
),

sided as (
    select
        *,
        case
            when is_turned then other when one is not null then one
            when class_uid <> 0 then ['', coalesce(who[2], regexp_match(text, '(?:from|IP address:) ([0-9A-Fa-f.:]+)')[1])]
        end as source,
        case when is_turned then one else other end as target
    from classified
),

endpoints as (
    select
        *,
        {'ip': ocsf_endpoint(split_part(source[2], '/', 1))['ip'], 'hostname': ocsf_endpoint(split_part(source[2], '/', 1))['hostname'], 'interface_name': rtrim(split_part(source[1], '(', 1), ':'),
            'port': case when upper(proto) <> 'ICMP' or proto is null then try_cast(split_part(source[2], '/', 2) as int) end,
            'proxy_endpoint': case when kind = 'nat' then {'ip': ocsf_endpoint(split_part(target[2], '/', 1))['ip'], 'port': try_cast(split_part(target[2], '/', 2) as int)} end} as src,
        {'ip': ocsf_endpoint(split_part(target[2], '/', 1))['ip'], 'hostname': ocsf_endpoint(split_part(target[2], '/', 1))['hostname'], 'interface_name': rtrim(split_part(target[1], '(', 1), ':'),
            'port': case when upper(proto) <> 'ICMP' or proto is null then try_cast(split_part(target[2], '/', 2) as int) end} as dst
    from sided
)

select
    coalesce(case when length(relayed[1]) > 18 then parse_time(relayed[1]) end, parse_time(timestamp), parse_time(relayed[1])) as time,
    class_uid,
    case class_uid
        when 4001 then case
            when verdict = 'denied' then 5
            when kind = 'open' or id = '430002' then 1
            when kind = 'close' and life[6] like 'TCP Reset%' then 3
            when kind = 'close' or id = '430003' then 2
            when kind = 'nat' then 99
            else 6
        end
        when 3002 then case when id in ('611103', '315011') then 2 when text like 'AAA user %' and text not like 'AAA user authen%' then 99 else 1 end
        when 4014 then case
            when id in ('113039', '716001', '722022') then 1 when id in ('113019', '716002', '722023', '722028') then 2 when id in ('716059', '722032') then 3
            else 99
        end
        when 3004 then case id when '111009' then 2 else 3 end
        when 2004 then 1
        else 0
    end as activity_id,
    case
        when id = '305011' then 'Build translation'
        when id = '305012' then 'Tear down translation'
        when kind = 'aaa' and text like 'AAA user %' and text not like 'AAA user authen%' then split_part(text, ' ', 3)
        when kind = 'vpn' and class_uid = 4014 and id not in ('113039', '716001', '722022', '716002', '722023', '722028', '716059', '722032')
            then case id when '722051' then 'Assign address' when '716058' then 'Lose connection' else id end
    end as activity_name,
    -- The device's level stands in the metadata. It says little of connections: a packet from outside that is denied is `critical`.
    case class_uid
        when 0 then case tag[3] when '0' then 6 when '1' then 5 when '2' then 5 when '3' then 4 when '4' then 3 when '5' then 2 else 1 end
        when 2004 then case split_part(split_part(ftd, ', Priority: ', 2), ',', 1) when '1' then 4 when '3' then 2 else 3 end
        else 1
    end as severity_id,
    case when class_uid = 3002 then case
        when regexp_like(text, '(?i)reject|denied|failed') then 2 when regexp_like(text, '(?i)succe|permitted|accept|terminated|logged|disconnected') then 1
    end end as status_id,
    coalesce(life[6], case when kind = 'aaa' then regexp_match(text, 'reason = (.*?) ?: (?:server|local|user)')[1] end) as status_detail,
    coalesce(text, message) as message,
    (try_cast(life[1] as bigint) * 3600 + try_cast(life[2] as bigint) * 60 + try_cast(life[3] as bigint)) * 1000 as duration,
    case when class_uid not in (0, 2004) then src end as src_endpoint,
    case when (class_uid in (4001, 4002) and kind <> 'nat') or kind = 'login' then dst end as dst_endpoint,
    case when kind = 'close' and class_uid = 4001 then false end as is_src_dst_assignment_known,
    case when class_uid = 4001 then ocsf_connection(replace(proto, 'protocol ', ''), case
        when strpos(text, ' inbound ') > 0 or text like 'Inbound%' then 'inbound' when strpos(text, ' outbound ') > 0 then 'outbound'
    end) end as connection_info,
    case when class_uid in (4001, 4014) then {
        'bytes': case when kind = 'close' then try_cast(life[4] as bigint) end,
        'bytes_out': case kind when 'disconnect' then try_cast(life[5] as bigint) else try_cast(split_part(split_part(ftd, ', InitiatorBytes: ', 2), ',', 1) as bigint) end,
        'bytes_in': case kind when 'disconnect' then try_cast(life[4] as bigint) else try_cast(split_part(split_part(ftd, ', ResponderBytes: ', 2), ',', 1) as bigint) end
    } end as traffic,
    case when class_uid = 4001 then split_part(split_part(ftd, ', ApplicationProtocol: ', 2), ',', 1) end as app_protocol_name,
    case when class_uid = 4001 then ocsf_url(split_part(split_part(ftd, ', URL: ', 2), ', ', 1)) end as url,
    case when class_uid = 4002 then {'url': ocsf_url(case id
        when '304001' then substr(text, strpos(text, concat(target[2], ':')) + length(target[2]) + 1) else split_part(text, ' ', 4)
    end)} end as http_request,
    case when class_uid <> 0 then case verdict when 'denied' then 2 when 'allowed' then 1 end end as action_id,
    case when class_uid <> 0 then case verdict when 'denied' then 2 when 'allowed' then 1 end end as disposition_id,
    {'name': case kind
        when 'list' then split_part(text, ' ', 2)
        when 'deny' then regexp_match(text, 'by (?:access-group|outbound list) "?([^" ]+)')[1]
        when 'ftd' then coalesce(nullif(split_part(split_part(ftd, ', AccessControlRuleName: ', 2), ', ', 1), ''), title)
    end} as firewall_rule,
    case when class_uid = 2004 then {
        'uid': concat_ws('-', split_part(split_part(ftd, ', ConnectionID: ', 2), ',', 1), id, split_part(split_part(ftd, ', SID: ', 2), ',', 1)),
        'title': title,
        'types': [split_part(split_part(ftd, ', Classification: ', 2), ', ', 1)],
        'analytic': {'uid': split_part(split_part(ftd, ', SID: ', 2), ',', 1), 'name': title, 'type_id': case when title <> '' then 1 end}
    } end as finding_info,
    case when class_uid = 2004 then [{
        'src_endpoint': src, 'dst_endpoint': dst, 'connection_info': ocsf_connection(proto),
        'file': case when strpos(ftd, ', FileName: ') > 0 then {
            'name': split_part(split_part(ftd, ', FileName: ', 2), ', ', 1), 'type_id': 1,
            'hashes': [ocsf_hash(split_part(split_part(ftd, ', FileSHA256: ', 2), ',', 1))]
        } end
    }] end as evidences,
    case when class_uid = 2004 then true end as is_alert,
    case when class_uid in (3002, 4014) then {'name': coalesce(login, 'unknown')} end as "user",
    case when class_uid = 3002 then {'name': case kind when 'login' then coalesce(nullif(split_part(target[2], '/', 2), ''), 'ssh') else 'AAA' end} end as service,
    case when class_uid = 3004 then {'name': coalesce(nullif(relayed[2], ''), host['hostname'], host['ip'], 'ASA'), 'type': 'configuration'} end as entity,
    command as comment,
    case when class_uid not in (3002, 4014) then {'user': {'name': login}} end as actor,
    {'ip': host['ip'], 'hostname': coalesce(nullif(relayed[2], ''), host['hostname']),
        'type_id': case when coalesce(host['ip'], nullif(relayed[2], ''), host['hostname']) is not null then 9 end} as device,
    {
        'event_code': id, 'log_provider': tag[2], 'log_level': coalesce(tag[3], severity), 'log_name': facility,
        'correlation_uid': case when kind in ('open', 'close') then regexp_match(text, 'connection (\d+) for')[1]
            when ftd is not null then split_part(split_part(ftd, ', ConnectionID: ', 2), ',', 1) end
    } as metadata,
    _rest as unmapped,
    _file,
    _row
from endpoints
