-- One row per activity: logins, deleted accounts, and everything else as an API call or, where no address is known, as
-- the change of an entity.
with named as (
    select
        *,
        coalesce(actor.email_address, actor.unauthenticated_email_address) as login,
        nullif(actor.ip_address, '') as ip,
        _file, _row, _rest
    from input
),

classed as (
    select
        *,
        case
            when type ~ '(login_(succeeded|failed|attempted)|logged_in|logged_out|logout)$' then 3002
            when coalesce(deleted_user_id, deleted_user_email) is not null or type = 'account_deleted' then 3001
            when ip is null then 3004
            else 6003
        end as class_uid,
        {'uid': coalesce(actor.user_id, actor.api_key_id, actor.admin_api_key_id), 'name': coalesce(login, actor.type), 'email_addr': login} as who
    from named
),

events as (
    select
        *,
        case
            when class_uid = 3002 then case when type ~ 'out$' then 2 else 1 end
            when class_uid = 3001 then 6
            when type ~ '_(created|added|uploaded|sent|connected|started)$' then 1
            when type ~ '_(viewed|accessed|downloaded|listed|read)$' then 2
            when type ~ '_(updated|toggled|activated|deactivated|enabled|disabled|renamed|published|resolved)$' then 3
            when type ~ '_(deleted|removed|revoked|disconnected)$' then 4
            else 99
        end as activity_id
    from classed
)

select
    class_uid,
    activity_id,
    case when activity_id = 99 then type end as activity_name,
    parse_time(created_at) as time,
    {'uid': id, 'event_code': type, 'tenant_uid': organization_id, 'original_time': created_at} as metadata,
    concat_ws(' ', coalesce(login, actor.type), type, deleted_user_email) as message,
    case when type ~ '_failed$' then 2 when type ~ 'login_succeeded$' then 1 end as status_id,
    {'user': who} as actor,
    case
        when class_uid = 3001 and type <> 'account_deleted' then {'uid': deleted_user_id, 'name': deleted_user_email, 'email_addr': deleted_user_email}
        when class_uid in (3001, 3002) then who
    end as user,
    ocsf_endpoint(ip, NULL) as src_endpoint,
    {'user_agent': actor.user_agent} as http_request,
    case when class_uid = 3002 then {'name': 'Claude'} end as service,
    case when class_uid = 3004 then {'uid': organization_id, 'name': type, 'type': 'organization'} end as entity,
    case when class_uid = 6003 then {'operation': type, 'service': {'name': 'Claude'}} end as api,
    case when class_uid = 6003 then [{'uid': organization_id, 'type': 'organization'}] end as resources,
    _rest as unmapped,
    _file,
    _row
from events
