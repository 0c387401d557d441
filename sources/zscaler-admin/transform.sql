-- One row per entry: logins, administrators and users, and everything else as an API call or, where no address is known,
-- as the change of an entity.
with named as (
    select
        *,
        nullif(nullif(clientip, ''), 'None') as ip,
        nullif(nullif(resource, ''), 'None') as target,
        coalesce(json_text(postaction, 'id'), json_text(preaction, 'id')) as target_id,
        coalesce(json_text(postaction, 'email'), json_text(preaction, 'email')) as target_email,
        _file, _row, _rest, _raw
    from input
),

classed as (
    select
        *,
        case
            when action in ('SIGN_IN', 'SIGN_OUT', 'LOGIN', 'LOGOUT') and adminid is not null then 3002
            when subcategory in ('USER', 'ADMINISTRATOR_ADMIN_USER', 'ADMINISTRATOR_AUDITOR', 'ADMINISTRATOR_PARTNER_ADMIN')
                and coalesce(target, target_email, target_id) is not null then 3001
            when ip is null then 3004
            else 6003
        end as class_uid,
        {'uid': NULL, 'name': adminid, 'email_addr': case when adminid like '%@%.%' then adminid end, 'type_id': 2} as who
    from named
),

events as (
    select
        *,
        case
            when class_uid = 3002 then case when action in ('SIGN_OUT', 'LOGOUT') then 2 else 1 end
            when class_uid = 3001 then case action when 'CREATE' then 1 when 'DELETE' then 6 else 99 end
            else case action when 'CREATE' then 1 when 'UPDATE' then 3 when 'PATCH' then 3 when 'DELETE' then 4 else 99 end
        end as activity_id
    from classed
)

select
    class_uid,
    activity_id,
    case when activity_id = 99 then action end as activity_name,
    parse_time("time") as time,
    {'uid': recordid, 'event_code': concat_ws('.', category, subcategory, action), 'log_name': auditlogtype, 'original_time': "time"} as metadata,
    concat_ws(' ', adminid, action, subcategory, target) as message,
    case result when 'SUCCESS' then 1 when 'FAILURE' then 2 end as status_id,
    nullif(errorcode, 'None') as status_code,
    {'user': who} as actor,
    case class_uid
        when 3002 then who
        when 3001 then {'uid': target_id, 'name': coalesce(target, target_email), 'email_addr': target_email,
            'type_id': case when subcategory like 'ADMINISTRATOR%' then 2 else 1 end}
    end as user,
    ocsf_endpoint(ip, NULL) as src_endpoint,
    case when class_uid = 3002 then {'name': 'Zscaler Internet Access'} end as service,
    case when class_uid = 3004 then {'uid': target_id, 'name': coalesce(target, subcategory), 'type': subcategory} end as entity,
    case when class_uid = 6003 then {'operation': concat_ws('.', subcategory, action), 'service': {'name': interface}} end as api,
    case when class_uid = 6003 then [{'uid': target_id, 'name': coalesce(target, subcategory), 'type': subcategory}] end as resources,
    _raw as raw_data,
    _rest as unmapped,
    _file,
    _row
from events
