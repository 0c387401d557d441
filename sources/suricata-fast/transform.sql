-- One row per alert. Snort writes the same lines, with a year of two digits or none. Anything else is a base event.
with lines as (
    select
        *,
        -- Date, time, [Drop] or [wDrop], generator, rule, revision, title, the rest.
        regexp_match(line, '^(\d\d/\d\d/?(?:\d\d){0,2})-([\d:.]+) +(.*?)\[\*\*\] \[(\d+):(\d+):(\d+)\] (.*?) \[\*\*\] ?(.*)$') as m,
        _file, _row
    from input
),

alerts as (
    select
        *,
        split_part(split_part(m[8], '[Classification: ', 2), '] ', 1) as class,
        split_part(split_part(m[8], '[Priority: ', 2), ']', 1) as priority,
        -- IPv6 stands in full and without brackets: what follows eight groups is the port. Of ICMP it is type and code.
        regexp_match(
            m[8],
            '\{([^}]*)\} ((?:\d+\.){3}\d+|(?:[0-9A-Fa-f]+:){7}[0-9A-Fa-f]+|\S+?):?(\d+|) (?:->|<>) ((?:\d+\.){3}\d+|(?:[0-9A-Fa-f]+:){7}[0-9A-Fa-f]+|\S+?):?(\d+|)\s*$'
        ) as ends
    from lines
)

select
    case length(m[1])
        when 10 then parse_time(m[1] || ' ' || m[2])
        when 8 then parse_time(substr(m[1], 1, 6) || '20' || substr(m[1], 7) || ' ' || m[2])
        else parse_time(concat_ws(' ',
            ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'][try_cast(substr(m[1], 1, 2) as int)],
            substr(m[1], 4, 2), m[2]
        ))
    end as time,
    case when m is null then 0 else 2004 end as class_uid,
    case when m is null then 0 else 1 end as activity_id,
    case when m is null then 1 else case priority when '1' then 4 when '2' then 3 when '3' then 2 else 1 end end as severity_id,
    case when m is not null then true end as is_alert,
    coalesce(m[7], line) as message,
    case when m is not null then case when m[3] like '[Drop]%' then 2 else 1 end end as action_id,
    case when m[3] like '[Drop]%' then 6 when m[3] like '[wDrop]%' then 1 when m is not null then 1 end as disposition_id,
    case when m is not null then {
        'uid': concat_ws('-', m[5], md5(line)),
        'title': trim(m[7], '"'),
        'types': case when class not in ('', '(null)') then [class] end,
        'analytic': {
            'uid': m[5], 'name': trim(m[7], '"'), 'type_id': 1, 'version': m[6],
            'category': case when class <> '(null)' then class end
        }
    } end as finding_info,
    {'uid': m[5], 'name': trim(m[7], '"'), 'version': m[6], 'category': case when class <> '(null)' then class end} as firewall_rule,
    case when ends is not null then [{
        'src_endpoint': {
            'ip': coalesce(ocsf_endpoint(ends[2])['ip'], ocsf_endpoint(ends[2] || ':' || ends[3])['ip']),
            'port': case when ends[1] not like '%ICMP%' then try_cast(ends[3] as int) end
        },
        'dst_endpoint': {
            'ip': coalesce(ocsf_endpoint(ends[4])['ip'], ocsf_endpoint(ends[4] || ':' || ends[5])['ip']),
            'port': case when ends[1] not like '%ICMP%' then try_cast(ends[5] as int) end
        },
        'connection_info': ocsf_connection(ends[1])
    }] end as evidences,
    {'log_name': 'fast.log', 'event_code': concat_ws(':', m[4], m[5], m[6])} as metadata,
    line as raw_data,
    _file,
    _row
from alerts
