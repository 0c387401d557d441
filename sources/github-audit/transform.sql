-- One row per event. Members and roles, teams, accounts, logins and alerts have classes of their own; all else is
-- what somebody did on the site or through the API.
with events as (
    select
        *,
        nullif("user", '') as target,
        coalesce(team, json_text(data, 'team')) as team_name,
        split_part(action, '.', -1) as verb,
        _rest, _file, _row
    from input
),

classified as (
    select
        *,
        case
            when action in ('user.login', 'user.failed_login', 'org.sso_response', 'business.sso_response') then 3002
            when action like 'secret_scanning_alert.%' or action like 'code_scanning_alert.%'
                or action like 'dependabot_alert.%' or action like 'repository_vulnerability_alert.%' then 2004
            when action in ('team.create', 'team.destroy', 'team.add_member', 'team.remove_member') then 3006
            when action like 'two_factor_authentication.%'
                or action in ('user.create', 'user.delete', 'user.destroy', 'user.suspend', 'user.unsuspend',
                    'user.change_password', 'user.forgot_password', 'user.password_reset', 'user.reset_password') then 3001
            when regexp_like(verb, '^(add|remove|update|invite)_(member|admin|user|collaborator|billing_manager)$')
                and target is not null then 3005
            else 6003
        end as class_uid
    from events
),

rated as (
    select
        *,
        case class_uid
            when 3002 then 1
            when 2004 then case when verb in ('create', 'reintroduce') then 1 when verb in ('close', 'resolve', 'fix', 'dismiss') then 3 else 2 end
            when 3006 then case verb when 'create' then 6 when 'destroy' then 5 when 'add_member' then 3 else 4 end
            when 3001 then case
                when action = 'two_factor_authentication.enabled' then 10
                when action = 'two_factor_authentication.disabled' then 11
                when verb = 'create' then 1
                when verb in ('delete', 'destroy') then 6
                when verb = 'suspend' then 5
                when verb = 'unsuspend' then 2
                when verb = 'change_password' then 3
                when verb in ('forgot_password', 'password_reset', 'reset_password') then 4
                else 99
            end
            when 3005 then case when verb like 'add%' then 1 when verb like 'remove%' then 2 else 99 end
            else case
                when regexp_like(verb, '^(create|created|add|invite|grant|access_granted|enroll|publicize)(_|$)') or operation_type = 'create' then 1
                when regexp_like(verb, '^(destroy|delete|remove|revoke|cancel|access_revoked)(_|$)') or operation_type = 'remove' then 4
                when regexp_like(verb, '^(clone|fetch|download|view|read|export)(_|$)') or operation_type = 'access' then 2
                when regexp_like(verb, '^(update|push|change|rename|transfer|set|access|enable|disable|archived|unarchived|edit)|(enable|disable)d?$')
                    or operation_type in ('modify', 'transfer', 'restore') then 3
                else 99
            end
        end as activity_id
    from classified
)

select
    parse_time(coalesce("@timestamp", at_sign_timestamp, created_at)) as time,
    class_uid,
    activity_id,
    case when activity_id = 99 then action end as activity_name,
    -- Of an alert: New, Suppressed, Resolved.
    case
        when class_uid = 2004 then case
            when activity_id = 1 then 1 when verb = 'dismiss' then 3 when activity_id = 3 then 4 end
        when action = 'user.failed_login' then 2
        when action = 'user.login' then 1
    end as status_id,
    case when class_uid = 2004 then 0 end as severity_id,
    concat_ws(' ', actor, action, coalesce(repo, org, business), nullif(target, actor)) as message,
    case when class_uid <> 2004 then {
        'user': {
            'name': coalesce(nullif(actor, ''), 'unknown'),
            'uid': actor_id,
            'type_id': case when actor_is_bot or actor like '%[bot]' then 4 end
        }
    } end as actor,
    case when class_uid in (3001, 3002, 3005, 3006) then {
        'name': coalesce(target, case when class_uid in (3001, 3002) then coalesce(nullif(actor, ''), 'unknown') end),
        'uid': case when target is not null then nullif(user_id, '0') when class_uid in (3001, 3002) then actor_id end
    } end as "user",
    case when class_uid = 3005 then [coalesce(permission,
        case when action like '%moderator%' then 'moderator' else substr(verb, strpos(verb, '_') + 1) end)] end as privileges,
    case when class_uid = 3006 then {'name': coalesce(team_name, 'unknown'), 'type': 'team'} end as "group",
    case when class_uid = 3002 then {'name': 'GitHub'} end as service,
    case when class_uid = 6003 then {
        'operation': action,
        'service': {'name': split_part(action, '.', 1)},
        'request': {'uid': request_id},
        'token': {'uid': token_id, 'type': programmatic_access_type,
            'type_id': case when programmatic_access_type is not null then 99 end}
    } end as api,
    case when class_uid in (6003, 3005, 2004) then [{
        'name': coalesce(repo, org, business),
        'uid': case when repo is not null then repo_id when org is not null then org_id else business_id end,
        'type': case when repo is not null then 'repository' when org is not null then 'organization' when business is not null then 'enterprise' end,
        'data': data
    }] end as resources,
    case when class_uid = 2004 then {
        'uid': coalesce(number, _document_id, action),
        'title': action,
        'types': [split_part(action, '.', 1)]
    } end as finding_info,
    case when class_uid <> 2004 then {
        'ip': ocsf_endpoint(actor_ip, null)['ip'],
        'name': case when ocsf_endpoint(actor_ip, null)['ip'] is null and (class_uid = 6003 or actor_location.country_code is not null)
            then coalesce(nullif(actor_ip, ''), 'unknown') end,
        'location': {'country': actor_location.country_code}
    } end as src_endpoint,
    case when class_uid <> 2004 then {'user_agent': user_agent} end as http_request,
    -- Who closed an alert, and from where.
    case when class_uid = 2004 then [{
        'actor': {'user': {'name': nullif(actor, ''), 'uid': actor_id}},
        'src_endpoint': {'ip': ocsf_endpoint(actor_ip, null)['ip']}
    }] end as evidences,
    {
        'uid': _document_id,
        'event_code': action,
        'log_name': 'audit',
        'tenant_uid': coalesce(business, org),
        'original_time': coalesce("@timestamp", at_sign_timestamp, created_at)
    } as metadata,
    case when operation_type is null then _rest
        else '{"operation_type":"' || regexp_replace(operation_type, '[^a-z_]', '', 'g') || '"' || coalesce(',' || substr(_rest, 2), '}') end as unmapped,
    _file,
    _row
from rated
