-- One row per action: logins, what happens to users, and everything else as an API call or, where no address is known, as
-- the change of an entity.
with named as (
    select
        *,
        nullif(sourceIP, '') as ip,
        coalesce(json_text(actionParams, 'dynamic.input'), json_text(actionParams, 'input')) as params,
        _file, _row, _rest, _raw
    from input
),

classed as (
    select
        *,
        coalesce(json_text(params, 'email'), json_text(params, 'name')) as target_name,
        json_text(params, 'id') as target_id,
        case
            when actionName in ('SIGN_IN', 'SIGN_OUT') then 3002
            when actionName ~ '^[A-Z]+_USER(_PASSWORD)?$' and coalesce(json_text(params, 'email'), json_text(params, 'id')) is not null then 3001
            when ip is null then 3004
            else 6003
        end as class_uid,
        {'uid': actor.id, 'name': coalesce(actor.attributes.email, actor.name), 'full_name': actor.name, 'email_addr': actor.attributes.email} as who
    from named
),

events as (
    select
        *,
        case
            when class_uid = 3002 then case actionName when 'SIGN_OUT' then 2 else 1 end
            when class_uid = 3001 then case
                when actionName ~ '^(CREATE|INVITE)' then 1 when actionName ~ '^RESET' then 4 when actionName ~ '^(DELETE|REMOVE)' then 6 else 99 end
            when actionName ~ '^(CREATE|ADD|INVITE|UPLOAD)' then 1
            when actionName ~ '^(GET|LIST|VIEW|EXPORT|DOWNLOAD|EXECUTE)' then 2
            when actionName ~ '^(UPDATE|SET|ENABLE|DISABLE|ROTATE|RESET)' then 3
            when actionName ~ '^(DELETE|REMOVE)' then 4
            else 99
        end as activity_id
    from classed
)

select
    class_uid,
    activity_id,
    case when activity_id = 99 then actionName end as activity_name,
    parse_time("timestamp") as time,
    {'event_code': actionName, 'original_time': "timestamp"} as metadata,
    concat_ws(' ', who.name, actionName, coalesce(target_name, target_id)) as message,
    case actionResult when 'SUCCEEDED' then 1 when 'FAILED' then 2 when 'PARTIALLY_FAILED' then 2 end as status_id,
    errors[1]['message'] as status_detail,
    {'user': who} as actor,
    case class_uid
        when 3002 then who
        when 3001 then {'uid': target_id, 'name': target_name, 'full_name': concat_ws(' ', json_text(params, 'givenName'), json_text(params, 'familyName')),
            'email_addr': json_text(params, 'email')}
    end as user,
    ocsf_endpoint(ip, NULL) as src_endpoint,
    {'user_agent': userAgent, 'x_forwarded_for': XForwardedFor} as http_request,
    case when class_uid = 3002 then {'name': 'Panther'} end as service,
    case when class_uid = 3004 then {'uid': target_id, 'name': coalesce(target_name, actionName)} end as entity,
    case when class_uid = 6003 then {'operation': actionName, 'service': {'name': 'Panther'}} end as api,
    case when class_uid = 6003 then [{'uid': target_id, 'name': target_name}] end as resources,
    _raw as raw_data,
    _rest as unmapped,
    _file,
    _row
from events
