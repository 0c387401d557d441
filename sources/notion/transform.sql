-- One row per event: logins, what people change on their own account, and everything else as an API call or, where no
-- address is known, as the change of an entity.
with classed as (
    select
        *,
        case
            when type in ('user.login', 'user.logout', 'user.login_failed') then 3002
            when type like 'user.%' then 3001
            when ocsf_endpoint(ip_address, NULL) is null then 3004
            else 6003
        end as class_uid,
        {'uid': actor.id, 'name': coalesce(actor.person.email, actor.type), 'email_addr': actor.person.email} as who,
        _file, _row, _rest
    from input
),

events as (
    select
        *,
        case
            when class_uid = 3002 then case type when 'user.logout' then 2 else 1 end
            when class_uid = 3001 then case
                when type ~ 'password.*(added|updated|changed)$' then 3
                when type ~ 'mfa.*(added|enabled)$' then 10
                when type ~ 'mfa.*(removed|disabled)$' then 11
                when type ~ '^user\.(deleted|removed)$' then 6
                else 99 end
            when type ~ '(added|created|invited|published)$' then 1
            when type ~ 'viewed$' then 2
            when type ~ '(updated|edited|changed|moved|renamed|enabled|disabled)$' then 3
            when type ~ '(deleted|removed)$' then 4
            else 99
        end as activity_id
    from classed
)

select
    class_uid,
    activity_id,
    case when activity_id = 99 then type end as activity_name,
    parse_time("timestamp") as time,
    {'uid': id, 'event_code': type, 'tenant_uid': workspace_id, 'original_time': "timestamp"} as metadata,
    concat_ws(' ', actor.person.email, type) as message,
    case when class_uid = 3002 then case type when 'user.login_failed' then 2 else 1 end end as status_id,
    {'user': who} as actor,
    case when class_uid in (3001, 3002) then who end as user,
    ocsf_endpoint(ip_address, NULL) as src_endpoint,
    case when class_uid = 3002 then {'name': 'Notion'} end as service,
    case when class_uid = 3004 then {'uid': workspace_id, 'name': split_part(type, '.', 1), 'type': split_part(type, '.', 1)} end as entity,
    case when class_uid = 6003 then {'operation': type, 'service': {'name': 'Notion'}} end as api,
    case when class_uid = 6003 then [{'uid': workspace_id, 'type': 'workspace'}] end as resources,
    _rest as unmapped,
    _file,
    _row
from events
