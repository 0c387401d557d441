-- One row per record of any of the three feeds: sign-ins have a category, item usages an item, audit events an object.
with classified as (
    select
        *,
        case
            when category is not null then 3002
            when item_uuid is not null then 6005
            when object_type in ('user', 'invite') or (object_type in ('mfa', 'sso', 'trusted_device', 'cred') and action in ('enblmfa', 'updatmfa', 'disblmfa')) then 3001
            when object_type in ('group', 'gm', 'guser') then 3006
            else 6003
        end as class_uid,
        coalesce(client.ip_address, session.ip) as ip,
        _rest, _file, _row
    from input
),

rated as (
    select
        *,
        case class_uid
            when 3002 then 1
            when 6005 then case
                when action in ('fill', 'reveal', 'secure-copy', 'enter-item-edit-mode', 'export', 'share', 'other') then 1
                when action in ('server-update', 'update') then 2 when action in ('create', 'server-create') then 6 when action = 'server-fetch' then 1 else 99 end
            when 3001 then case
                when action in ('create', 'join', 'accept', 'provision') then 1 when action in ('reactivate', 'activate') then 2
                when action in ('changepw', 'changemp', 'chngpsk') then 3 when action in ('beginr', 'completr', 'cancelr') then 4
                when action = 'suspend' then 5 when action in ('delete', 'remove', 'purge') then 6
                when action = 'enblmfa' then 10 when action = 'disblmfa' then 11 else 99 end
            when 3006 then case
                when action = 'create' then 6 when action in ('delete', 'purge') then 5 when action in ('join', 'add') then 3
                when action in ('leave', 'remove') then 4 else 99 end
            else case
                when action in ('create', 'join', 'grant', 'enbl', 'add', 'share', 'activate') then 1
                when action in ('view', 'export', 'read') then 2
                when action in ('update', 'updatea', 'patch', 'rename', 'set', 'changeks', 'upguest', 'verify', 'dvrfydmn') then 3
                when action in ('delete', 'purge', 'remove', 'revoke', 'leave', 'trash', 'deolddev', 'dealldev') then 4
                else 99 end
        end as activity_id
    from classified
)

select
    parse_time(timestamp) as time,
    class_uid,
    activity_id,
    case when activity_id = 99 then coalesce(action, 'unknown') end as activity_name,
    case when category in ('success', 'firewall_reported_success') then 1 when category is not null then 2 end as status_id,
    case when class_uid = 3002 then type end as status_detail,
    concat_ws(' ', coalesce(target_user.email, "user"['email'], actor_details.email, actor_uuid), coalesce(action, category), object_type,
        coalesce(object_details.name, item_uuid, object_uuid)) as message,
    case when class_uid <> 3002 then {
        'user': {
            'name': coalesce(actor_details.email, "user"['email'], actor_details.name, "user"['name'], case when coalesce(actor_uuid, "user"['uuid']) is null then 'unknown' end),
            'email_addr': coalesce(actor_details.email, "user"['email']),
            'uid': coalesce(actor_uuid, "user"['uuid']),
            'full_name': coalesce(actor_details.name, "user"['name'])
        },
        'session': {'uid': session.uuid, 'created_time': parse_time(session.login_time)},
        'app_name': client.app_name
    } end as actor,
    case when class_uid = 3002 then {
        'name': coalesce(target_user.email, target_user.name, 'unknown'), 'email_addr': target_user.email,
        'uid': target_user.uuid, 'full_name': target_user.name
    } when class_uid = 3001 then {
        'name': coalesce(object_details.email, object_details.name, case when object_uuid is null then 'unknown' end), 'email_addr': object_details.email,
        'uid': object_uuid, 'full_name': object_details.name
    } when class_uid = 3006 and aux_uuid is not null then {
        'name': coalesce(aux_details.email, aux_details.name), 'email_addr': aux_details.email, 'uid': aux_uuid, 'full_name': aux_details.name
    } end as "user",
    case when class_uid = 3006 then {'name': object_details.name, 'uid': coalesce(object_uuid, 'unknown')} end as "group",
    case when class_uid = 3002 then {'name': '1Password', 'version': client.app_version} end as service,
    case when class_uid = 3002 then {'uid': session_uuid} end as session,
    case when class_uid = 3002 and type = 'mfa_ok' then true end as is_mfa,
    case when class_uid = 6003 then {'operation': concat_ws('.', object_type, action), 'request': {'uid': coalesce(uuid, 'unknown')}} end as api,
    case when class_uid = 6003 then [{'name': object_details.name, 'uid': coalesce(object_uuid, 'unknown'), 'type': object_type}] end as resources,
    case when class_uid = 6005 then {'uid': vault_uuid, 'name': case when vault_uuid is null then 'unknown' end, 'type': 'vault', 'type_id': 99} end as databucket,
    case when class_uid = 6005 then {'uid': item_uuid} end as "table",
    {
        'ip': ocsf_endpoint(ip, null)['ip'],
        'name': case when ocsf_endpoint(ip, null)['ip'] is null then coalesce(nullif(ip, ''), 'unknown') end,
        'uid': session.device_uuid,
        'location': {'country': coalesce(location.country, country), 'region': location.region, 'city': location.city,
            'lat': location.latitude, 'long': location.longitude},
        'os': {'name': client.os_name, 'version': client.os_version, 'type_id': case
            when client.os_name is null then null when client.os_name like 'Win%' then 100 when client.os_name = 'Android' then 201
            when client.os_name in ('iOS', 'iPadOS') then 301 when client.os_name like 'Mac%' then 300 when lower(client.os_name) like '%linux%' then 200 else 0 end}
    } as src_endpoint,
    {'uid': uuid, 'event_code': coalesce(category, nullif(concat_ws('.', object_type, action), '')), 'tenant_uid': account_uuid, 'original_time': timestamp,
        'log_name': case when category is not null then 'signinattempts' when item_uuid is not null then 'itemusages' else 'auditevents' end} as metadata,
    '{' || nullif(concat_ws(',', '"details":' || case when left(details, 1) in ('{', '[') then details end,
        '"client_platform":"' || replace(client.platform_name || coalesce(' ' || client.platform_version, ''), '"', '') || '"', substr(_rest, 2, length(_rest) - 2)), '') || '}' as unmapped,
    _file,
    _row
from rated
