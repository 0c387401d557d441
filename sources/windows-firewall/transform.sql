-- One row per line. The log's times are those of the host's own clock, without a zone: they are read as UTC.
with lines as (
    select
        *,
        case when action = 'INFO-EVENTS-LOST' or "src-ip" is null then 0 else 4001 end as class_uid,
        case path when 'RECEIVE' then 'inbound' when 'SEND' then 'outbound' when 'FORWARD' then 'forward' else case when action = 'OPEN-INBOUND' then 'inbound' end end as direction,
        _rest, _file, _row
    from input
)

select
    parse_time(concat(date, ' ', "time")) as time,
    class_uid,
    case
        when class_uid = 0 then 99
        when action in ('OPEN', 'OPEN-INBOUND', 'ALLOW') then 1
        when action = 'CLOSE' then 2
        when action = 'DROP' then 5
        else 99
    end as activity_id,
    case when class_uid = 0 or action not in ('OPEN', 'OPEN-INBOUND', 'ALLOW', 'CLOSE', 'DROP') then action end as activity_name,
    case action when 'DROP' then 2 when 'INFO-EVENTS-LOST' then 0 when 'CLOSE' then 3 else 1 end as action_id,
    case action when 'DROP' then 6 when 'INFO-EVENTS-LOST' then 0 when 'CLOSE' then 17 else 1 end as disposition_id,
    concat_ws(' ', action, protocol, "src-ip", 'to ' || "dst-ip", 'port ' || "dst-port") as message,
    case when class_uid = 4001 then {'ip': ocsf_endpoint("src-ip", null)['ip'], 'port': "src-port"} end as src_endpoint,
    case when class_uid = 4001 then {'ip': ocsf_endpoint("dst-ip", null)['ip'], 'port': "dst-port"} end as dst_endpoint,
    case when class_uid = 4001 then ocsf_connection(protocol, direction) end as connection_info,
    case when class_uid = 4001 and action <> 'CLOSE' then {'bytes': size} end as traffic,
    {'log_name': 'pfirewall.log', 'event_code': action, 'original_time': concat(date, ' ', "time")} as metadata,
    case when class_uid = 0 then 'events lost: ' || info end as status_detail,
    _rest as unmapped,
    _file,
    _row
from lines
