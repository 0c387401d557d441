-- One row per entry: logins, what happens to users, and everything else as the change of an entity.
with named as (
    select
        *,
        split_part(event.action, '.', 2) as action,
        split_part(event.category, '.', 2) as category,
        nullif(event['user'], '') as login,
        nullif(event['params']['user_name'], '') as target,
        nullif(event['params']['ip'], '') as ip,
        _file, _row, _rest, _raw
    from input
),

classed as (
    select
        *,
        case
            when category = 'UserSession' then 3002
            when category = 'UserManagement' and target is not null then 3001
            else 3004
        end as class_uid
    from named
),

events as (
    select
        *,
        case
            when class_uid = 3002 then case when action ilike '%logout%' then 2 when action ilike '%login%' then 1 else 99 end
            when class_uid = 3001 then case
                when action ~ '^(Add|Create|Post)' then 1 when action ~ 'Password' then 3 when action ~ '^(Delete|Remove)' then 6 else 99 end
            when action ~ '^(Add|Create|Put)' then 1
            when action ~ '^(Get|View|Export|Download)' then 2
            when action ~ '^(Post|Update|Edit|Change|Patch)' then 3
            when action ~ '^(Delete|Remove)' then 4
            else 99
        end as activity_id
    from classed
)

select
    class_uid,
    activity_id,
    case when activity_id = 99 then action end as activity_name,
    parse_time("time") as time,
    {'event_code': event.action, 'log_name': category, 'original_time': "time"} as metadata,
    concat_ws(' ', login, category, action, coalesce(target, event['params']['name'], event['params']['vendor_name'])) as message,
    case
        when event['params']['status'] ilike 'success%' then 1
        when event['params']['status'] ilike 'fail%' or (class_uid = 3002 and action ilike '%fail%') then 2
    end as status_id,
    {'user': {'name': login, 'email_addr': case when login like '%@%.%' then login end}, 'app_name': case when login is null then 'Axonius' end} as actor,
    case class_uid
        when 3002 then {'name': coalesce(login, target, 'unknown'), 'email_addr': case when login like '%@%.%' then login end}
        when 3001 then {'name': target, 'email_addr': case when target like '%@%.%' then target end}
    end as user,
    ocsf_endpoint(ip, NULL) as src_endpoint,
    case when class_uid = 3002 then {'name': 'Axonius'} end as service,
    case when class_uid = 3004 then {
        'uid': event['params']['config_id'], 'type': category,
        'name': coalesce(event['params']['name'], event['params']['vendor_name'], category)
    } end as entity,
    _raw as raw_data,
    _rest as unmapped,
    _file,
    _row
from events
