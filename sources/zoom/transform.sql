-- One row per entry. Operation logs say in words whom or what was changed, and from where they do not say.
with classed as (
    select
        *,
        regexp_match(operation_detail, 'User (\S+@\S+)')[1] as target,
        trim(regexp_match(operation_detail, 'Group (.+?)(  - |$)')[1]) as group_name,
        _file, _row, _rest
    from input
),

named as (
    select
        *,
        case
            when operation_detail is null and email is not null then 3002
            when category_type = 'User' and target is not null then 3001
            when category_type like '%Group' and group_name is not null then 3006
            else 3004
        end as class_uid
    from classed
),

events as (
    select
        *,
        case class_uid
            when 3002 then case type when 'Sign in' then 1 when 'Sign out' then 2 else 99 end
            when 3001 then case action when 'Add' then 1 when 'Delete' then 6 else 99 end
            when 3006 then case action when 'Add' then 6 when 'Delete' then 5 else 99 end
            else case action when 'Add' then 1 when 'Update' then 3 when 'Delete' then 4 else 99 end
        end as activity_id
    from named
)

select
    class_uid,
    activity_id,
    case when activity_id = 99 then coalesce(action, type, 'unknown') end as activity_name,
    parse_time("time") as time,
    {'event_code': coalesce(action, type), 'log_name': case class_uid when 3002 then 'activities' else 'operation' end,
        'original_time': "time"} as metadata,
    operation_detail as message,
    case when class_uid = 3002 then 1 end as status_id,
    case when class_uid <> 3002 then {'user': {'name': operator, 'email_addr': operator}} end as actor,
    case class_uid when 3002 then {'name': email, 'email_addr': email} when 3001 then {'name': target, 'email_addr': target} end as user,
    case when class_uid = 3002 then ocsf_endpoint(ip_address, NULL) end as src_endpoint,
    case when class_uid = 3002 then {'user_agent': concat_ws(' ', client_type, version)} end as http_request,
    case when class_uid = 3002 then {'name': 'Zoom'} end as service,
    case when class_uid = 3006 then {'name': group_name, 'type': category_type} end as "group",
    case when class_uid = 3004 then {'name': coalesce(trim(split_part(operation_detail, '  - ', 1)), category_type), 'type': category_type} end as entity,
    _rest as unmapped,
    _file,
    _row
from events
