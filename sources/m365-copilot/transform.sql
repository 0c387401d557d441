-- One row per item of the export: messages with Copilot, mail, and files of SharePoint and OneDrive.
with items as (
    select
        *,
        "Item source" as owner,
        "Subject/Title" as title,
        regexp_match("Item class", 'Copilot\.(\w+)$')[1] as host,
        nullif(trim(regexp_match(To, '([A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+)')[1]), '') as recipient,
        Sender like '%@%' as from_person,
        Sender like '%;%' as from_both,
        case
            when Workload = 'SharePoint' then 6006
            when "Item class" like 'IPM.Note%' and (Sender is not null or To is not null) then 4009
            else 6003
        end as class_uid,
        _rest, _file, _row
    from input
)

select
    parse_time(Date) as time,
    class_uid,
    case
        when class_uid = 6006 then 0
        when class_uid = 4009 then case when Sender = owner then 1 else 2 end
        when from_both then 99
        when from_person then 1
        when Sender is not null then 2
        else 0
    end as activity_id,
    case when class_uid = 6003 and from_both then 'Conversation' end as activity_name,
    concat_ws(' ', coalesce(nullif(Sender, ''), owner), '->', To, title) as message,
    case when class_uid <> 4009 then {
        'user': {'name': coalesce(case when owner like '%@%' then owner end, "Created by", owner, 'unknown')},
        'app_name': case when class_uid = 6003 then coalesce(
            regexp_match(concat_ws(';', Sender, To), '((?:Microsoft )?Copilot(?: in \w+)?|Microsoft 365 Chat)')[1], host) end
    } end as actor,
    case when class_uid = 6003 then {
        'operation': coalesce("Item class", 'unknown'),
        'service': {'name': coalesce('Copilot ' || host, Workload, 'unknown')},
        'request': {'uid': coalesce("Internet message ID", "Immutable ID", "Document ID index", 'unknown')}
    } end as api,
    case when class_uid = 6003 then {
        'uid': "Internet message ID",
        'name': title,
        'ai_role_id': case when from_both then 0 when from_person then 1 when Sender is not null then 2 else 0 end,
        'application': {'name': host}
    } end as message_context,
    case when class_uid = 6003 then [{'uid': "Immutable ID", 'name': coalesce(title, "File name"), 'type': 'message'}] end as resources,
    case when class_uid = 4009 then case
        when split_part(recipient, '@', 2) = split_part(Sender, '@', 2) then 3
        when Sender = owner then 2
        when owner like '%@%' then 1
        else 0
    end end as direction_id,
    case when class_uid = 4009 then {
        'from': Sender,
        'to': case when recipient is not null then [recipient] end,
        'subject': title,
        'message_uid': "Internet message ID",
        'uid': "Immutable ID",
        'size': Size
    } end as email,
    case when class_uid = 6006 then {
        'name': coalesce("File name", title, 'unknown'),
        'ext': "File extension",
        'uid': "SPO unique ID",
        'size': Size,
        'type_id': case when "Item class" = 'IPM.File' and "File extension" is null then 2 when "File extension" is not null then 1 else 0 end,
        'url': {'url_string': case when "Compound path" like 'http%' then "Compound path" end},
        'creator': {'name': coalesce("Created by", Author, "Doc authors")},
        'modifier': {'name': "Last modified by"},
        'modified_time': parse_time("Last modified time")
    } end as file,
    case when class_uid <> 4009 then {'name': 'unknown'} end as src_endpoint,
    {'uid': coalesce("Immutable ID", "Document ID index"), 'event_code': coalesce("Item class", "Message kind"), 'log_name': Workload, 'original_time': Date} as metadata,
    _rest as unmapped,
    _file,
    _row
from items
