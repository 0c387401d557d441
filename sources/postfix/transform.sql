-- One row per message. A mail is many messages with one queue id: `metadata.correlation_uid`.
with parsed as (
    select
        *,
        regexp_match(message, '^([0-9A-F]{6,}|[0-9A-Za-z]{12,}|NOQUEUE): ')[1] as queue,
        regexp_match(message, '(?:^|[ ,])from=<([^>]*)>')[1] as sender,
        regexp_match(message, '(?:^|[ ,])to=<([^>]*)>')[1] as recipient,
        cast(regexp_match(message, ' size=(\d+)')[1] as bigint) as size,
        regexp_match(message, ' status=(\w+)')[1] as status,
        regexp_match(message, ' (?:status=\w+ )\((.*)\)$')[1] as reply,
        regexp_match(message, ' dsn=([\d.]+)')[1] as dsn,
        regexp_match(message, ' message-id=<([^>]*)>')[1] as message_id,
        regexp_match(message, ' relay=([^\s,\[]+)\[([^\]]+)\](?::(\d+))?') as relay,
        regexp_match(message, '(?:client=| from |^warning: |^improper command pipelining .*)([^\s\[=]+)\[([0-9A-Fa-f.:]+)\]') as client,
        regexp_match(message, '(?:^|: )(reject|discard|hold|milter-reject): (\w+) from [^:]*: (.*?); ') as refused,
        regexp_match(message, 'SASL (\S+) authentication failed:? ?(.*?)(?:, sasl_username=.*)?$') as failed,
        regexp_match(message, ' sasl_method=([^,\s]+)')[1] as sasl_method,
        regexp_match(message, ' sasl_username=([^,\s]+)')[1] as sasl_user,
        ocsf_endpoint(hostname, null) as host,
        regexp_replace(appname, '^.*/', '') as service,
        _rest, _file, _row
    from input
),

classified as (
    select
        *,
        ocsf_user(sender)['email_addr'] as from_mail,
        ocsf_user(recipient)['email_addr'] as to_mail,
        case
            when failed is not null or (sasl_user is not null and message like '%client=%') then 3002
            when coalesce(ocsf_user(sender)['email_addr'], ocsf_user(recipient)['email_addr']) is not null then 4009
            else 0
        end as class_uid
    from parsed
)

select
    timestamp as time,
    class_uid,
    case
        when class_uid = 3002 then 1
        when class_uid = 0 then 0
        when refused is not null or service in ('local', 'virtual', 'lmtp', 'pipe', 'smtpd', 'cleanup') then 2
        when service = 'smtp' then 1
        when service = 'qmgr' then 4
        else 0
    end as activity_id,
    case when message like 'fatal:%' or message like 'panic:%' then 6 when message like 'error:%' then 3 when message like 'warning:%' then 2 else 1 end as severity_id,
    case
        when failed is not null or refused is not null or status in ('bounced', 'deferred', 'undeliverable', 'expired') then 2
        when class_uid = 3002 or status in ('sent', 'deliverable') then 1
        when status is not null then 99
    end as status_id,
    case when status not in ('bounced', 'deferred', 'undeliverable', 'expired', 'sent', 'deliverable') then status end as status,
    coalesce(dsn, regexp_match(refused[3], '^(\d{3})')[1]) as status_code,
    coalesce(nullif(failed[2], ''), refused[3], reply) as status_detail,
    message,
    case when class_uid = 4009 then case
        when service in ('local', 'virtual', 'lmtp', 'pipe') or refused is not null then 1
        when service = 'smtp' then 2
        else 0
    end end as direction_id,
    case when class_uid = 4009 then {
        'from': from_mail, 'to': case when to_mail is not null then [to_mail] end, 'size': size, 'uid': nullif(queue, 'NOQUEUE')
    } end as email,
    case when class_uid = 4009 then from_mail end as "from",
    case when class_uid = 4009 and to_mail is not null then [to_mail] end as "to",
    case when class_uid = 4009 then 'SMTP' end as protocol_name,
    case when class_uid = 3002 then {'name': coalesce(sasl_user, 'unknown'), 'email_addr': ocsf_user(sasl_user)['email_addr']} end as "user",
    case when class_uid <> 0 then {
        'ip': ocsf_endpoint(client[2], null)['ip'],
        'hostname': case when client[1] <> 'unknown' then client[1] end
    } end as src_endpoint,
    case class_uid
        when 4009 then {'hostname': relay[1], 'ip': ocsf_endpoint(relay[2], null)['ip'], 'port': try_cast(relay[3] as int)}
        when 3002 then {'hostname': host['hostname'], 'ip': host['ip'], 'port': null}
    end as dst_endpoint,
    case when class_uid = 3002 then {'name': 'SMTP'} end as service,
    case when class_uid = 3002 then 99 end as auth_protocol_id,
    case when class_uid = 3002 then 'SASL ' || coalesce(failed[1], sasl_method, 'unknown') end as auth_protocol,
    case when class_uid = 3002 then true end as is_remote,
    {'ip': host['ip'], 'hostname': host['hostname'], 'type_id': case when coalesce(host['ip'], host['hostname']) is not null then 0 end} as device,
    {'app_name': appname, 'process': {'name': case when procid is not null then appname end, 'pid': try_cast(procid as int)}} as actor,
    {'correlation_uid': nullif(queue, 'NOQUEUE'), 'log_provider': appname, 'log_level': severity, 'original_event_uid': message_id} as metadata,
    _rest as unmapped,
    _file,
    _row
from classified
