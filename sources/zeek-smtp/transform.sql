-- One row per mail. Sessions in which no mail is to be seen, because they went on in TLS or were refused, are network activity.
with sessions as (
    select
        *,
        coalesce(nullif(mailfrom, ''), nullif("from", ''), rcptto[1], "to"[1]) is not null as is_mail,
        coalesce(mailfrom, regexp_match("from", '([^<>\s"]+@[^<>\s"]+)')[1]) as sender,
        case
            when ip_is_private("id.orig_h") and ip_is_private("id.resp_h") then 3
            when ip_is_private("id.orig_h") then 2
            when ip_is_private("id.resp_h") then 1
            else 0
        end as direction,
        _rest, _file, _row
    from input
)

select
    parse_time(ts) as time,
    case when is_mail then 4009 else 4001 end as class_uid,
    case when not is_mail then 6 when direction = 1 then 2 else 1 end as activity_id,
    case
        when last_reply like '2%' or last_reply like '3%' then 1
        when last_reply like '4%' or last_reply like '5%' then 2
    end as status_id,
    split_part(last_reply, ' ', 1) as status_code,
    last_reply as status_detail,
    -- Inbound, outbound, and internal, which is lateral elsewhere.
    case when is_mail then direction end as direction_id,
    case when is_mail then {
        'uid': uid,
        'from': sender,
        'from_mailbox': "from",
        'return_path': mailfrom,
        'to': case when rcptto[1] is not null then rcptto else "to" end,
        'to_mailboxes': "to",
        'cc_mailboxes': cc,
        'reply_to_mailboxes': [reply_to],
        'subject': subject,
        'message_uid': msg_id,
        'x_originating_ip': [x_originating_ip]
    } end as email,
    case when is_mail then 'SMTP' end as protocol_name,
    {'ip': "id.orig_h", 'port': "id.orig_p"} as src_endpoint,
    {'ip': "id.resp_h", 'port': "id.resp_p"} as dst_endpoint,
    case when not is_mail then {
        'uid': uid,
        'community_uid': community_id,
        'protocol_name': 'tcp',
        'protocol_num': 6,
        'direction_id': direction
    } end as connection_info,
    case when not is_mail then 'smtp' end as app_protocol_name,
    {'correlation_uid': uid, 'log_name': coalesce(_path, 'smtp'), 'logged_time': parse_time(_write_ts)} as metadata,
    nullif('{' || concat_ws(
        ',',
        '"trans_depth":' || trans_depth, '"tls":' || tls, '"is_webmail":' || is_webmail,
        substr(_rest, 2, length(_rest) - 2)
    ) || '}', '{}') as unmapped,
    _file,
    _row
from sessions
