-- One row per event. Only types whose number is sure have a class of their own; all others are api_activity with the number.
with events as (
    select
        *,
        case
            when event_type_id in (3, 5, 6, 7, 8) then 3002
            when event_type_id in (11, 13, 16, 17, 24, 172, 531, 551, 553) then 3001
            when event_type_id in (4, 72) and coalesce(user_name, user_id) is not null then 3005
            else 6003
        end as class_uid,
        case event_type_id
            when 3 then 'user assumed another user' when 4 then 'role assigned' when 5 then 'logged into OneLogin' when 6 then 'failed login'
            when 7 then 'logged out' when 8 then 'logged into application' when 11 then 'password changed' when 13 then 'user created'
            when 16 then 'user activated' when 17 then 'user deleted' when 24 then 'OTP device removed' when 72 then 'privilege granted'
            when 172 then 'authentication factor removed' when 531 then 'user locked' when 551 then 'user suspended' when 553 then 'user locked'
            when 240 then 'password revealed'
        end as meaning,
        _rest, _file, _row
    from input
)

select
    parse_time(coalesce(event_timestamp, created_at)) as time,
    class_uid,
    case class_uid
        when 3002 then case event_type_id when 3 then 7 when 7 then 2 else 1 end
        when 3001 then case event_type_id when 11 then 3 when 13 then 1 when 16 then 2 when 17 then 6 when 551 then 5 when 531 then 9 when 553 then 9 else 11 end
        when 3005 then 1
        else case when event_type_id = 240 then 2 else 99 end
    end as activity_id,
    case when class_uid = 6003 and event_type_id <> 240 then concat('event type ', coalesce(cast(event_type_id as varchar), 'unknown')) end as activity_name,
    case when event_type_id = 6 or nullif(error_description, '') is not null then 2 when class_uid = 3002 then 1 end as status_id,
    coalesce(nullif(error_description, ''), nullif(custom_message, ''), nullif(notes, '')) as status_detail,
    concat_ws(' ', coalesce(actor_user_name, actor_system, user_name), coalesce(meaning, concat('event type ', cast(event_type_id as varchar))),
        case when user_id <> actor_user_id then user_name end, app_name, role_name, privilege_name) as message,
    {
        'user': {'name': coalesce(actor_user_name, case when event_type_id in (5, 6, 7, 8) then user_name end, actor_system, case when class_uid = 6003 then 'unknown' end), 'uid': actor_user_id},
        'app_uid': client_id,
        'app_name': actor_system
    } as actor,
    case when class_uid <> 6003 then {'name': coalesce(user_name, actor_user_name, login_name, 'unknown'), 'uid': user_id,
        'email_addr': case when login_name like '%@%.%' then login_name when user_name like '%@%.%' then user_name end} end as "user",
    case when class_uid = 3002 then {'name': coalesce(nullif(app_name, ''), 'OneLogin'), 'uid': app_id} end as service,
    case when event_type_id = 3 then 2 end as account_switch_type_id,
    case when event_type_id in (24, 172) then [{
        'factor_type': coalesce(otp_device_name, authentication_factor_description),
        'factor_type_id': case when coalesce(otp_device_name, authentication_factor_description) is null then 0 else 99 end
    }] end as auth_factors,
    case when class_uid = 3005 then [coalesce(privilege_name, role_name, meaning)] end as privileges,
    case when class_uid = 6003 then {
        'operation': coalesce(meaning, concat('event type ', coalesce(cast(event_type_id as varchar), 'unknown'))),
        'request': {'uid': coalesce(uuid, id, 'unknown')}
    } end as api,
    case when class_uid in (6003, 3005) then [
        {'name': app_name, 'uid': app_id, 'type': case when coalesce(app_name, app_id) is not null then 'application' end},
        {'name': role_name, 'uid': role_id, 'type': case when coalesce(role_name, role_id) is not null then 'role' end},
        {'name': group_name, 'uid': group_id, 'type': case when coalesce(group_name, group_id) is not null then 'group' end},
        {'name': policy_name, 'uid': cast(null as text), 'type': case when policy_name is not null then 'policy' end},
        {'name': user_name, 'uid': user_id, 'type': case when coalesce(user_name, user_id) is not null then 'user' end}
    ] end as resources,
    {'ip': ocsf_endpoint(ipaddr, null)['ip'], 'name': case when ocsf_endpoint(ipaddr, null)['ip'] is null and class_uid = 6003 then coalesce(nullif(ipaddr, ''), 'unknown') end} as src_endpoint,
    {'uid': coalesce(uuid, id), 'event_code': cast(event_type_id as varchar), 'tenant_uid': account_id, 'original_time': coalesce(event_timestamp, created_at)} as metadata,
    _rest as unmapped,
    _file,
    _row
from events
