-- One row per entry: logins, and everything else as an API call or, where no address is known, as the change of an entity.
with classed as (
    select
        *,
        case
            when operation_name in ('Login', 'Logout') then 3002
            when nullif(request_ip, '') is null then 3004
            else 6003
        end as class_uid,
        {'uid': user_id, 'name': coalesce(user_email, user_name), 'full_name': user_name, 'email_addr': user_email} as who,
        _file, _row, _rest
    from input
),

events as (
    select
        *,
        case
            when operation_name = 'Login' then 1
            when operation_name = 'Logout' then 2
            when operation_name ~ '(Creation|Create|Import|Invitation|Addition)$' then 1
            when operation_name ~ '(Change|Update|Set|Edit|Move|Rename|Enable|Disable)$' then 3
            when operation_name ~ '(Deletion|Destruction|Delete|Removal|Clearance|Unset)$' then 4
            else 99
        end as activity_id
    from classed
)

select
    class_uid,
    activity_id,
    case when activity_id = 99 then operation_name end as activity_name,
    parse_time(created_at) as time,
    {'uid': id, 'event_code': operation_name, 'tenant_uid': tenant_id, 'original_time': created_at} as metadata,
    concat_ws(' ', coalesce(user_email, user_name), operation_name) as message,
    case when class_uid = 3002 then 1 end as status_id,
    {'user': who} as actor,
    case when class_uid = 3002 then who end as user,
    ocsf_endpoint(request_ip, NULL) as src_endpoint,
    {'user_agent': request_user_agent} as http_request,
    case when class_uid = 3002 then {'name': 'Tines'} end as service,
    case when class_uid = 3004 then {'uid': tenant_id, 'name': operation_name, 'type': 'tenant'} end as entity,
    case when class_uid = 6003 then {'operation': operation_name, 'service': {'name': 'Tines'}} end as api,
    case when class_uid = 6003 then [{'uid': tenant_id, 'type': 'tenant'}] end as resources,
    _rest as unmapped,
    _file,
    _row
from events
