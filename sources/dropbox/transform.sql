-- One row per event. An event without an address is the change of an entity: the other classes need one.
with named as (
    select
        *,
        coalesce(event_type['.tag'], event_type['_tag']) as event,
        coalesce(actor['user'], actor['admin']) as login,
        assets[1] as asset,
        -- Who was added to a group is named before or behind it.
        case when participants[1]['user'] is not null then participants[1]['user'] else participants[2]['user'] end as member,
        case when participants[1]['group'] is not null then participants[1]['group'] else participants[2]['group'] end as team,
        nullif(origin.geo_location.ip_address, '') as ip,
        _file, _row, _rest, _raw
    from input
),

classed as (
    select
        *,
        coalesce(asset['.tag'], asset['_tag']) as asset_type,
        coalesce(asset.display_name, ocsf_file(asset.path.contextual)['name']) as asset_name,
        {'uid': login.account_id, 'name': coalesce(login.email, login.display_name), 'full_name': login.display_name,
            'email_addr': login.email} as who,
        {'uid': member['account_id'], 'name': coalesce(member['email'], member['display_name']),
            'full_name': member['display_name'], 'email_addr': member['email']} as target,
        case
            when event in ('login_success', 'login_fail', 'logout', 'sso_error', 'sign_in_as_session_start', 'sign_in_as_session_end') then 3002
            when event like 'member\_%' and coalesce(member['email'], member['account_id']) is not null then 3001
            when event like 'group\_%' and team['display_name'] is not null then 3006
            when ip is null then 3004
            when event ~ '^(file|folder|shared_link|shared_content|create_folder)' and asset is not null then 6006
            else 6003
        end as class_uid
    from named
),

events as (
    select
        *,
        case class_uid
            when 3002 then case when event in ('logout', 'sign_in_as_session_end') then 2 when event like 'sign\_in\_as%' then 7 else 1 end
            when 3001 then case event when 'member_add_name' then 1 when 'member_permanently_delete_account_contents' then 6 else 99 end
            when 3006 then case event
                when 'group_add_member' then 3 when 'group_remove_member' then 4 when 'group_delete' then 5 when 'group_create' then 6
                else 99 end
            when 6006 then case
                when event in ('file_add', 'create_folder') then 1 when event like '%\_download' then 2 when event = 'file_edit' then 3
                when event like 'file%\_delete' then 4 when event = 'file_rename' then 5 when event = 'file_copy' then 6
                when event = 'file_move' then 7 when event = 'file_restore' then 8 when event = 'file_preview' then 9
                when event in ('shared_link_create', 'shared_link_share', 'shared_content_add_member') then 12
                when event in ('shared_link_disable', 'shared_content_remove_member', 'shared_content_unshare') then 13
                else 99 end
            else case
                when event ~ '_(add|create|create_[a-z]+)$' then 1
                when event ~ '_(change|change_[a-z_]+|edit|enabled|disabled)$' then 3
                when event ~ '_(delete|remove|unlink)$' then 4
                else 99 end
        end as activity_id
    from classed
)

select
    class_uid,
    activity_id,
    case when activity_id = 99 then event end as activity_name,
    parse_time("timestamp") as time,
    {'event_code': event, 'log_name': coalesce(event_category['.tag'], event_category['_tag']), 'original_time': "timestamp"} as metadata,
    coalesce(event_type.description, event) as message,
    case when class_uid = 3002 then case when event in ('login_fail', 'sso_error') then 2 else 1 end end as status_id,
    {'user': who, 'app_uid': actor.app.app_id, 'app_name': actor.app.display_name} as actor,
    case when class_uid = 3002 then who when class_uid in (3001, 3006) then target end as user,
    case when ip is not null then {
        'ip': ip,
        'location': {'city': origin.geo_location.city, 'region': origin.geo_location.region, 'country': origin.geo_location.country}
    } end as src_endpoint,
    case when class_uid = 3002 then {'name': 'Dropbox'} end as service,
    case when class_uid = 3006 then {'uid': team['group_id'], 'name': team['display_name']} end as "group",
    case when class_uid = 3004 then {'name': coalesce(asset_name, event), 'type': asset_type, 'uid': asset.file_id} end as entity,
    case when class_uid = 6003 then {'operation': event, 'service': {'name': 'Dropbox'}} end as api,
    case when class_uid = 6006 then {
        'name': asset_name, 'path': asset.path.contextual, 'uid': coalesce(asset.file_id, asset.folder_id), 'size': asset.file_size,
        'type_id': case asset_type when 'file' then 1 when 'folder' then 2 else 0 end
    } end as file,
    _raw as raw_data,
    _rest as unmapped,
    _file,
    _row
from events
