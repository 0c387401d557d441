-- One row per event. What an event did lies in a field of the event's own name ("user.added"), which is read from _rest.
with named as (
    select
        *,
        coalesce(actor.session['user'], actor.api_key['user']) as login,
        nullif(actor.session.ip_address, '') as ip,
        regexp_match(_rest, '"(?:user|invite|service_account|project|api_key|group|role|certificate)[._][a-z_.]+":\s*\{[^{}]*?"id":\s*"([^"]+)"')[1] as target_uid,
        regexp_match(_rest, '"email":\s*"([^"]+)"')[1] as target_email,
        _file, _row, _rest
    from input
),

classed as (
    select
        *,
        case
            when type ~ '^(login|logout)\.' then 3002
            when type ~ '^(user|invite|service_account)\.' and coalesce(target_uid, target_email) is not null then 3001
            when ip is null then 3004
            else 6003
        end as class_uid,
        {'uid': coalesce(login.id, actor.api_key.service_account.id), 'name': login.email, 'email_addr': login.email,
            'type_id': case when actor.api_key.service_account.id is not null then 4 when login.id is not null then 1 else 0 end} as who,
        split_part(type, '.', 1) as kind
    from named
),

events as (
    select
        *,
        case
            when class_uid = 3002 then case kind when 'logout' then 2 else 1 end
            when class_uid = 3001 then case when type ~ '(created|added|sent)$' then 1 when type ~ 'deleted$' then 6 else 99 end
            when type ~ '(created|added|registered|sent)$' then 1
            when type ~ '(updated|enabled|disabled|activated|deactivated|archived)$' then 3
            when type ~ '(deleted|removed)$' then 4
            else 99
        end as activity_id
    from classed
)

select
    class_uid,
    activity_id,
    case when activity_id = 99 then type end as activity_name,
    parse_time(effective_at) as time,
    {'uid': id, 'event_code': type, 'original_time': effective_at} as metadata,
    concat_ws(' ', coalesce(login.email, actor.type), type, coalesce(target_email, target_uid)) as message,
    case when class_uid = 3002 then case when type like '%.failed' then 2 else 1 end end as status_id,
    case when type like '%.failed' then regexp_match(_rest, '"error_code":\s*"([^"]+)"')[1] end as status_code,
    case when type like '%.failed' then regexp_match(_rest, '"error_message":\s*"([^"]+)"')[1] end as status_detail,
    {'user': who, 'session': {'credential_uid': actor.api_key.id}} as actor,
    case class_uid
        when 3002 then who
        when 3001 then {'uid': target_uid, 'name': target_email, 'email_addr': target_email,
            'type_id': case kind when 'service_account' then 4 else 1 end}
    end as user,
    case when ip is not null then {
        'ip': ip,
        'location': {'country': actor.session.ip_address_details.country, 'region': actor.session.ip_address_details.region,
            'city': actor.session.ip_address_details.city}
    } end as src_endpoint,
    {'user_agent': actor.session.user_agent} as http_request,
    case when class_uid = 3002 then {'name': 'OpenAI'} end as service,
    case when class_uid = 3004 then {'uid': coalesce(target_uid, project.id), 'name': coalesce(project.name, kind), 'type': kind} end as entity,
    case when class_uid = 6003 then {'operation': type, 'service': {'name': 'OpenAI'}} end as api,
    case when class_uid = 6003 then [{'uid': coalesce(target_uid, project.id), 'name': coalesce(project.name, kind), 'type': kind}] end as resources,
    _rest as unmapped,
    _file,
    _row
from events
