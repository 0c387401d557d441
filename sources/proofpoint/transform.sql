-- One row per message or click. Which list of the API a message was in is not in the record: a quarantine folder says blocked.
with named as (
    select
        *,
        case
            when clickTime is not null and url is not null then 4012
            when coalesce(fromAddress[1], sender, toAddresses[1], recipient[1]) is not null then 4009
            else 0
        end as class_uid,
        threatsInfoMap[1] as threat,
        greatest(malwareScore, phishScore, impostorScore) as score,
        case when lower(coalesce(eventType, '')) like '%block%' or quarantineFolder is not null then true end as blocked,
        _file, _row, _rest, _raw
    from input
)

select
    class_uid,
    case class_uid when 0 then 0 when 4012 then 99 else 3 end as activity_id,
    case class_uid when 4012 then 'Click' end as activity_name,
    parse_time(coalesce(clickTime, messageTime)) as time,
    {'uid': coalesce(GUID, id), 'event_code': coalesce(quarantineRule, classification, threat.classification),
        'original_time': coalesce(clickTime, messageTime)} as metadata,
    coalesce(subject, url) as message,
    case
        when threat.threatStatus = 'active' or threatStatus = 'active' then 4
        when score >= 90 then 4
        when score >= 50 then 3
        when score > 0 then 2
        else 1
    end as severity_id,
    case when class_uid = 4009 then 1 end as direction_id,
    case when class_uid = 4009 then {
        'uid': GUID, 'message_uid': messageID, 'subject': subject, 'size': messageSize,
        'from': coalesce(fromAddress[1], sender), 'to': coalesce(toAddresses, recipient), 'cc': ccAddresses,
        'reply_to_list': replyToAddress, 'from_mailbox': headerFrom, 'return_path': sender, 'delivered_to_list': recipient,
        'x_originating_ip': case when senderIP is not null then [senderIP] end
    } end as email,
    case when class_uid = 4009 then sender end as "from",
    case when class_uid = 4009 then recipient end as "to",
    case when class_uid = 4009 then ocsf_endpoint(senderIP, NULL) end as src_endpoint,
    case when class_uid = 4012 then messageID end as email_uid,
    case when class_uid = 4012 then ocsf_url(url) end as url,
    case when class_uid = 4012 then {'user': ocsf_user(recipient[1])} end as actor,
    case when class_uid = 4012 and clickIP is not null then {'ip': ocsf_endpoint(clickIP)['ip'], 'type_id': 0} end as device,
    case when class_uid <> 0 then case when blocked then 2 when lower(eventType) ~ 'deliver|permit' then 1 else 0 end end as action_id,
    case
        when class_uid = 0 then NULL
        when class_uid = 4009 and quarantineFolder is not null then 3
        when blocked then 2
        when lower(eventType) ~ 'deliver|permit' then 1
        else 0
    end as disposition_id,
    case when class_uid <> 0 then score end as risk_score,
    case when class_uid <> 0 then coalesce(threat.threatID, threat.threat, threatID) is not null end as is_alert,
    case when class_uid <> 0 then {'name': quarantineRule} end as policy,
    _raw as raw_data,
    _rest as unmapped,
    _file,
    _row
from named
