-- One row per entry. An action is a mutation of Wiz's API: its first word says what it does.
with named as (
    select
        *,
        nullif(coalesce(sourceIP, sourceip), '') as ip,
        coalesce(actionParameters, actionparameters) as parameters,
        coalesce(serviceAccount, serviceaccount) as service_account,
        regexp_replace(action, '^(Create|Update|Delete|Reset|Revoke|Rotate|Add|Remove|Get|Set|Move)', '') as kind,
        _file, _row, _rest, _raw
    from input
),

targeted as (
    select
        *,
        json_text(parameters, 'input.id') as target_id,
        coalesce(json_text(parameters, 'input.email'), json_text(parameters, 'input.patch.email')) as target_email,
        coalesce(json_text(parameters, 'input.name'), json_text(parameters, 'input.patch.name')) as target_name
    from named
),

classed as (
    select
        *,
        case
            when action ~ '^(Login|Logout)' then 3002
            when kind in ('User', 'UserPassword', 'ServiceAccount', 'ServiceAccountSecret')
                and coalesce(target_id, target_email, target_name) is not null then 3001
            when ip is null then 3004
            else 6003
        end as class_uid,
        {'uid': coalesce("user".id, service_account.id), 'name': coalesce("user".name, service_account.name), 'full_name': NULL,
            'email_addr': case when "user".name like '%@%.%' then "user".name when "user".id like '%@%.%' then "user".id end,
            'type_id': case when "user".id is not null then 1 when service_account.id is not null then 4 else 0 end} as who
    from targeted
),

events as (
    select
        *,
        case
            when class_uid = 3002 then case when action like 'Logout%' then 2 else 1 end
            when class_uid = 3001 then case
                when action ~ 'Password|Secret' then 4 when action like 'Create%' then 1 when action like 'Delete%' then 6 else 99 end
            when action ~ '^(Create|Add)' then 1
            when action ~ '^(Get|List|Export|Download)' then 2
            when action ~ '^(Update|Set|Move|Rotate|Reset)' then 3
            when action ~ '^(Delete|Remove|Revoke)' then 4
            else 99
        end as activity_id
    from classed
)

select
    class_uid,
    activity_id,
    case when activity_id = 99 then action end as activity_name,
    parse_time("timestamp") as time,
    {'uid': id, 'event_code': action, 'correlation_uid': coalesce(requestId, requestid), 'original_time': "timestamp"} as metadata,
    concat_ws(' ', who.name, action, coalesce(target_name, target_email, target_id)) as message,
    ocsf_status_id(status) as status_id,
    {'user': who} as actor,
    case class_uid
        when 3002 then who
        when 3001 then {'uid': target_id, 'name': coalesce(target_email, target_name), 'full_name': target_name, 'email_addr': target_email,
            'type_id': case when kind like 'Service%' then 4 else 1 end}
    end as user,
    ocsf_endpoint(ip, NULL) as src_endpoint,
    {'user_agent': coalesce(userAgent, useragent)} as http_request,
    case when class_uid = 3002 then {'name': 'Wiz'} end as service,
    case when class_uid = 3004 then {'uid': target_id, 'name': coalesce(target_name, kind), 'type': kind} end as entity,
    case when class_uid = 6003 then {'operation': action, 'request': {'uid': coalesce(requestId, requestid)}, 'service': {'name': 'Wiz'}} end as api,
    case when class_uid = 6003 then [{'uid': target_id, 'name': coalesce(target_name, kind), 'type': kind}] end as resources,
    _raw as raw_data,
    _rest as unmapped,
    _file,
    _row
from events
