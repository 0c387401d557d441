-- One row per event. What a class needs and the event lacks (an address, a file) makes it a base event.
with named as (
    select
        *,
        coalesce(source.item_id, source.id) as item_id,
        coalesce(source.item_name, source.name) as item_name,
        coalesce(source.item_type, source.type) as item_type,
        coalesce(json_text(additional_details, 'shield_alert.alert_id'), event_id) as finding_uid,
        json_text(additional_details, 'shield_alert.rule_category') as rule_category,
        try_cast(json_text(additional_details, 'shield_alert.risk_score') as int) as score,
        {'uid': created_by.id, 'name': coalesce(created_by.login, created_by.name), 'full_name': created_by.name,
            'email_addr': created_by.login} as who,
        {'uid': coalesce(source.user_id, source.id), 'name': coalesce(source.login, source.user_name, source.name),
            'full_name': coalesce(source.user_name, source.name), 'email_addr': source.login} as target,
        case event_type
            when 'UPLOAD' then 1 when 'DOWNLOAD' then 2 when 'EDIT' then 3 when 'DELETE' then 4 when 'RENAME' then 5
            when 'COPY' then 6 when 'MOVE' then 7 when 'UNDELETE' then 8 when 'PREVIEW' then 9 when 'LOCK' then 10
            when 'UNLOCK' then 11 when 'SHARE' then 12 when 'ITEM_SHARED_CREATE' then 12 when 'ITEM_SHARED' then 12
            when 'COLLABORATION_INVITE' then 12 when 'UNSHARE' then 13 when 'ITEM_SHARED_UNSHARE' then 13
            when 'COLLABORATION_REMOVE' then 13 when 'ITEM_OPEN' then 14 when 'ITEM_SYNC' then 15 when 'ITEM_UNSYNC' then 16
        end as file_activity,
        _file, _row, _rest, _raw
    from input
),

classed as (
    select
        *,
        case
            when event_type in ('SHIELD_ALERT', 'FILE_MARKED_MALICIOUS') and finding_uid is not null then 2004
            when event_type in ('LOGIN', 'ADMIN_LOGIN', 'FAILED_LOGIN', 'LOGOUT') then 3002
            when event_type in ('NEW_USER', 'EDIT_USER', 'DELETE_USER', 'CHANGE_ADMIN_ROLE') and target.uid is not null then 3001
            when event_type like 'GROUP\_%' and coalesce(source.group_id, source.group_name, item_id) is not null then 3006
            when nullif(ip_address, '') is null then 0
            when file_activity is not null and item_name is not null and item_type in ('file', 'folder', 'web_link') then 6006
            else 6003
        end as class_uid
    from named
),

events as (
    select
        *,
        case class_uid
            when 0 then 99
            when 2004 then 1
            when 3002 then case event_type when 'LOGOUT' then 2 else 1 end
            when 3001 then case event_type when 'NEW_USER' then 1 when 'DELETE_USER' then 6 else 99 end
            when 3006 then case event_type
                when 'GROUP_ADD_USER' then 3 when 'GROUP_REMOVE_USER' then 4 when 'GROUP_DELETION' then 5
                when 'GROUP_CREATION' then 6 else 99 end
            when 6006 then file_activity
            else case
                when event_type ~ '(_CREATE|_CREATED|_ADD|_ADDED|CREATION)$' then 1
                when event_type ~ '^(EDIT|CHANGE|UPDATE)_|_(UPDATE|UPDATED|EDITED|CHANGED)$' then 3
                when event_type ~ '^(DELETE|REMOVE)(_|$)|_(DELETE|DELETED|REMOVE|REMOVED|DELETION)$' then 4
                else 99
            end
        end as activity_id
    from classed
)

select
    class_uid,
    activity_id,
    case when activity_id = 99 then event_type end as activity_name,
    parse_time(created_at) as time,
    {'uid': event_id, 'event_code': event_type, 'original_time': created_at} as metadata,
    concat_ws(' ', coalesce(created_by.login, created_by.name), event_type, item_name) as message,
    case
        when class_uid <> 2004 then 1
        when score >= 90 then 5
        when score >= 70 then 4
        when score >= 40 then 3
        when score is not null then 2
        else 4
    end as severity_id,
    case when class_uid = 3002 then case event_type when 'FAILED_LOGIN' then 2 else 1 end end as status_id,
    case when class_uid not in (0, 2004) then {'user': who, 'session': {'uid': session_id}} end as actor,
    case class_uid when 3002 then who when 3001 then target when 3006 then case when source.user_id is not null then target end end as user,
    case when class_uid not in (0, 2004) then ocsf_endpoint(ip_address, NULL) end as src_endpoint,
    case when class_uid = 3002 then {'name': 'Box'} end as service,
    case when class_uid = 3006 then {'uid': coalesce(source.group_id, item_id), 'name': coalesce(source.group_name, item_name)} end as "group",
    case when class_uid = 6006 then {
        'uid': item_id, 'name': item_name, 'type_id': case item_type when 'file' then 1 when 'folder' then 2 else 99 end,
        'parent_folder': source.parent.name,
        'owner': {'uid': source.owned_by.id, 'name': coalesce(source.owned_by.login, source.owned_by.name), 'email_addr': source.owned_by.login}
    } end as file,
    case when class_uid = 6003 then {'operation': event_type, 'service': {'name': 'Box'}} end as api,
    case when class_uid in (2004, 6003) and coalesce(item_id, item_name) is not null then [{'uid': item_id, 'name': item_name, 'type': item_type}] end as resources,
    case when class_uid = 2004 then {'uid': finding_uid, 'title': coalesce(rule_category, event_type), 'types': [event_type]} end as finding_info,
    case when class_uid = 2004 then true end as is_alert,
    case when class_uid = 2004 then score end as risk_score,
    case when class_uid = 2004 then [{'user': who, 'src_endpoint': ocsf_endpoint(ip_address, NULL)}] end as evidences,
    _raw as raw_data,
    _rest as unmapped,
    _file,
    _row
from events
