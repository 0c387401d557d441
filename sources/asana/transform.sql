-- One row per event: logins, what happens to users, and everything else as an API call or, where no address is known,
-- as the change of an entity.
with classed as (
    select
        *,
        case
            when event_category = 'logins' or event_type like 'user\_log%' then 3002
            when resource.resource_type = 'user' then 3001
            when context.client_ip_address is null then 3004
            else 6003
        end as class_uid,
        {'uid': actor.gid, 'name': coalesce(actor.email, actor.name, actor.actor_type), 'full_name': actor.name,
            'email_addr': actor.email} as who,
        {'uid': resource.gid, 'name': coalesce(resource.email, resource.name), 'full_name': resource.name,
            'email_addr': resource.email} as target,
        _file, _row, _rest
    from input
),

events as (
    select
        *,
        case
            when class_uid = 3002 then case when event_type ~ 'log(ged)?_?out' then 2 else 1 end
            when class_uid = 3001 then case
                when event_type ~ '_(invited|created|added)$' then 1
                when event_type ~ '_reprovisioned$' then 2
                when event_type ~ 'password.*_changed$' then 3
                when event_type ~ 'password.*_reset' then 4
                when event_type ~ '_(deprovisioned|removed|deleted)$' then 6
                when event_type ~ '(2fa|two_factor|mfa).*enabled$' then 10
                when event_type ~ '(2fa|two_factor|mfa).*disabled$' then 11
                else 99
            end
            when event_type ~ '_(created|added)$' then 1
            when event_type ~ '_(changed|updated|enabled|disabled|renamed)$' then 3
            when event_type ~ '_(deleted|removed|revoked)$' then 4
            else 99
        end as activity_id
    from classed
)

select
    class_uid,
    activity_id,
    case when activity_id = 99 then event_type end as activity_name,
    parse_time(created_at) as time,
    {'uid': gid, 'event_code': event_type, 'log_name': event_category, 'original_time': created_at} as metadata,
    concat_ws(' ', coalesce(actor.email, actor.name, actor.actor_type), event_type, resource.name) as message,
    case
        when event_type like '%\_failed' then 2
        when class_uid = 3002 then 1
    end as status_id,
    {'user': who, 'app_name': context.oauth_app_name} as actor,
    case class_uid when 3001 then target when 3002 then case when resource.resource_type = 'user' then target else who end end as user,
    ocsf_endpoint(context.client_ip_address, NULL) as src_endpoint,
    {'user_agent': context.user_agent} as http_request,
    case when class_uid = 3002 then {'name': 'Asana'} end as service,
    case when class_uid = 3004 then {'uid': resource.gid, 'name': resource.name, 'type': resource.resource_type} end as entity,
    case when class_uid = 6003 then {'operation': event_type, 'service': {'name': 'Asana'}} end as api,
    case when class_uid = 6003 then [{'uid': resource.gid, 'name': resource.name, 'type': resource.resource_type}] end as resources,
    _rest as unmapped,
    _file,
    _row
from events
