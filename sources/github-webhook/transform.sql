-- One row per delivery. The body does not name its event: what it carries tells.
with deliveries as (
    select
        *,
        coalesce(x_github_event, event, case
            when alert is not null then 'alert'
            when pull_request is not null then 'pull_request'
            when workflow_job is not null then 'workflow_job'
            when workflow_run is not null then 'workflow_run'
            when release is not null then 'release'
            when comment is not null then 'issue_comment'
            when issue is not null then 'issues'
            when key is not null then 'deploy_key'
            when hook is not null then 'hook'
            when team is not null and member is not null then 'membership'
            when member is not null then 'member'
            when team is not null then 'team'
            when membership is not null then 'organization'
            when after is not null or action = 'push' then 'push'
            when repository is not null then 'repository'
            else 'unknown'
        end) as kind,
        coalesce(pull_request, workflow_job, workflow_run, release, comment, issue, key, hook, alert, head_commit) as subject,
        _rest, _file, _row
    from input
),

classified as (
    select
        *,
        case
            when alert is not null then 2004
            when kind in ('member', 'organization') and coalesce(member.login, membership['user']['login']) is not null
                and action in ('added', 'removed', 'member_added', 'member_removed', 'edited') then 3005
            when kind = 'membership' or (kind = 'team' and action in ('created', 'deleted')) then 3006
            else 6003
        end as class_uid,
        coalesce(sender.login, json_text(subject, 'user.login'), json_text(subject, 'author.username'), 'unknown') as actor_name
    from deliveries
),

rated as (
    select
        *,
        case class_uid
            when 2004 then case when action in ('created', 'appeared_in_branch', 'reopened', 'reintroduced', 'publicly_leaked') then 1
                when action in ('closed_by_user', 'fixed', 'resolved', 'dismissed', 'auto_dismissed') then 3 else 2 end
            when 3005 then case when action like '%added' then 1 when action like '%removed' then 2 else 99 end
            when 3006 then case when action = 'created' then 6 when action = 'deleted' then 5 when action = 'added' then 3 when action = 'removed' then 4 else 99 end
            else case
                when kind = 'push' then 3
                when action in ('created', 'opened', 'requested', 'queued', 'published', 'added', 'submitted') then 1
                when action in ('deleted', 'removed') then 4
                when action in ('edited', 'updated', 'closed', 'reopened', 'synchronize', 'completed', 'in_progress', 'renamed', 'transferred', 'publicized', 'privatized', 'archived', 'unarchived', 'labeled') then 3
                else 99
            end
        end as activity_id
    from classified
)

select
    parse_time(coalesce(
        received_at, json_text(subject, 'completed_at'), json_text(subject, 'updated_at'), json_text(subject, 'started_at'),
        json_text(subject, 'timestamp'), json_text(subject, 'created_at'), case when kind = 'repository' and action = 'created' then json_text(repository, 'created_at') else json_text(repository, 'updated_at') end
    )) as time,
    class_uid,
    activity_id,
    case when activity_id = 99 then concat_ws('.', kind, nullif(action, kind)) end as activity_name,
    -- Of an alert: New, Suppressed, Resolved.
    case when class_uid = 2004 then case
        when activity_id = 1 then 1 when action in ('dismissed', 'auto_dismissed') then 3 when activity_id = 3 then 4 end
    else case json_text(subject, 'conclusion') when 'success' then 1 when 'failure' then 2 when 'cancelled' then 99 when 'skipped' then 99 when 'timed_out' then 2 end end as status_id,
    case when class_uid <> 2004 and json_text(subject, 'conclusion') in ('cancelled', 'skipped') then json_text(subject, 'conclusion') end as status,
    json_text(subject, 'conclusion') as status_detail,
    case when class_uid = 2004 then coalesce(ocsf_severity_id(coalesce(json_text(alert, 'rule.security_severity_level'),
        json_text(alert, 'security_advisory.severity'), json_text(alert, 'rule.severity'))), 0) end as severity_id,
    concat_ws(' ', actor_name, concat_ws('.', kind, nullif(action, kind)), coalesce(json_text(repository, 'full_name'), organization.login),
        coalesce(json_text(subject, 'title'), json_text(subject, 'name'), ref, team.name, member.login)) as message,
    case when class_uid <> 2004 then {
        'user': {'name': actor_name, 'uid': sender.id, 'type_id': case sender.type when 'User' then 1 when 'Bot' then 4 end}
    } end as actor,
    case when class_uid in (3005, 3006) then {
        'name': coalesce(member.login, membership['user']['login']),
        'uid': coalesce(member.id, membership['user']['id'])
    } end as "user",
    case when class_uid = 3005 then [coalesce(membership.role, json_text(changes, 'permission.to'), json_text(changes, 'role_name.to'), 'member')] end as privileges,
    case when class_uid = 3006 then {'name': coalesce(team.name, 'unknown'), 'uid': team.id, 'privileges': case when team.permission is not null then [team.permission] end} end as "group",
    case when class_uid = 6003 then {
        'operation': concat_ws('.', kind, nullif(action, kind)),
        'service': {'name': 'GitHub'},
        'request': {'uid': coalesce(json_text(subject, 'id'), json_text(subject, 'node_id'), number, after, json_text(repository, 'id'), 'unknown'), 'data': subject}
    } end as api,
    case when class_uid in (6003, 3005, 2004) then [{
        'name': coalesce(json_text(repository, 'full_name'), organization.login, enterprise.slug),
        'uid': coalesce(json_text(repository, 'id'), organization.id, enterprise.id),
        'type': case when repository is not null then 'repository' else 'organization' end,
        'data': repository
    }] end as resources,
    case when class_uid = 2004 then {
        'uid': coalesce(json_text(alert, 'number'), json_text(alert, 'html_url'), 'unknown'),
        'title': coalesce(json_text(alert, 'rule.description'), json_text(alert, 'secret_type_display_name'),
            json_text(alert, 'secret_type'), json_text(alert, 'security_advisory.summary'), kind),
        'types': [kind],
        'src_url': json_text(alert, 'html_url'),
        'created_time': parse_time(json_text(alert, 'created_at'))
    } end as finding_info,
    case when class_uid = 2004 then [{'actor': {'user': {'name': actor_name, 'uid': sender.id}}, 'data': alert}] end as evidences,
    case when class_uid = 6003 then {'name': 'unknown'} end as src_endpoint,
    {'event_code': concat_ws('.', kind, nullif(action, kind)), 'log_name': kind, 'correlation_uid': coalesce(json_text(subject, 'run_id'), after),
        'tenant_uid': coalesce(enterprise.slug, organization.login)} as metadata,
    coalesce('{"changes":' || case when left(changes, 1) in ('{', '[') then changes end || coalesce(',' || substr(_rest, 2), '}'), _rest) as unmapped,
    _file,
    _row
from rated
