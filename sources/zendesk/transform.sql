-- One row per entry. A new role is user_access, other changes of users account_change.
with classed as (
    select
        *,
        regexp_match(change_description, 'Role changed from .+ to (.+)$')[1] as new_role,
        nullif(ip_address, '') as ip,
        _file, _row, _rest
    from input
),

named as (
    select
        *,
        case
            when action = 'login' then 3002
            when source_type = 'user' and new_role is not null then 3005
            when source_type = 'user' then 3001
            when ip is null then 3004
            else 6003
        end as class_uid,
        {'uid': actor_id, 'name': actor_name} as who
    from classed
),

events as (
    select
        *,
        case class_uid
            when 3002 then 1
            when 3005 then 1
            when 3001 then case
                when change_description ilike 'Password%' then 3
                when action = 'create' then 1
                when action = 'destroy' then 6
                else 99 end
            else case action when 'create' then 1 when 'update' then 3 when 'destroy' then 4 else 99 end
        end as activity_id
    from named
)

select
    class_uid,
    activity_id,
    case when activity_id = 99 then action end as activity_name,
    parse_time(created_at) as time,
    {'uid': id, 'event_code': concat_ws('.', source_type, action), 'original_time': created_at} as metadata,
    concat_ws(': ', source_label, change_description) as message,
    case when class_uid = 3002 then case when regexp_like(change_description, '(?i)unsuccessful|fail') then 2 else 1 end end as status_id,
    {'user': who} as actor,
    case when class_uid = 3002 then who when class_uid in (3001, 3005) then {'uid': source_id, 'name': regexp_replace(source_label, '^(Team member|End user|Customer|User|Agent): ', '')} end as user,
    case when class_uid = 3005 then [new_role] end as privileges,
    ocsf_endpoint(ip, NULL) as src_endpoint,
    case when class_uid = 3002 then {'name': 'Zendesk'} end as service,
    case when class_uid = 3004 then {'uid': source_id, 'name': source_label, 'type': source_type} end as entity,
    case when class_uid = 6003 then {'operation': concat_ws('.', source_type, action), 'service': {'name': 'Zendesk'}} end as api,
    case when class_uid = 6003 then [{'uid': source_id, 'name': source_label, 'type': source_type}] end as resources,
    _rest as unmapped,
    _file,
    _row
from events
