-- One row per event. Sessions are logons to a server, commands in them processes, connections in them network activity.
with named as (
    select
        *,
        coalesce("addr.remote", addr_remote) as remote,
        split_part(event, '.', 1) as kind,
        coalesce(server_hostname, server_id) as server,
        coalesce("user", login) as who_name,
        _file, _row, _rest
    from input
),

classed as (
    select
        *,
        case
            when event in ('user.login', 'auth', 'session.start', 'session.end') and who_name is not null then 3002
            when event = 'session.command' and pid is not null and server is not null then 1007
            when event = 'session.network' and dst_addr is not null then 4001
            when kind = 'user' and name is not null then 3001
            when remote is not null then 6003
            else 3004
        end as class_uid,
        {'name': who_name, 'email_addr': case when who_name like '%@%.%' then who_name end} as who
    from named
),

events as (
    select
        *,
        case
            when class_uid = 3002 then case event when 'session.end' then 2 else 1 end
            when class_uid = 1007 then 1
            when class_uid = 4001 then 1
            when class_uid = 3001 then case
                when event = 'user.create' then 1 when event = 'user.delete' then 6 when event like 'user.password%' then 3 else 99 end
            when event ~ '\.(create|created|add|upsert)$' then 1
            when event ~ '\.(update|updated)$' then 3
            when event ~ '\.(delete|deleted|remove)$' then 4
            else 99
        end as activity_id
    from classed
)

select
    class_uid,
    activity_id,
    case when activity_id = 99 then event end as activity_name,
    parse_time("time") as time,
    {'uid': uid, 'event_code': code, 'log_name': event, 'tenant_uid': cluster_name, 'original_time': "time"} as metadata,
    concat_ws(' ', who_name, event, coalesce(name, nullif(array_to_string(array_concat([path], argv), ' '), ''), server)) as message,
    -- The last letter of a code: information, warning (something failed or was refused), error.
    case when code ~* 'E$' then 4 when code ~* 'W$' then 2 else 1 end as severity_id,
    case
        when success then 1
        when success = false or code ~* '[WE]$' then 2
        when return_code = 0 then 1
        when return_code <> 0 then 2
        when code ~* 'I$' then 1
    end as status_id,
    coalesce(error, case when success = false then message end) as status_detail,
    {'user': who, 'session': {'uid': sid}, 'process': case when class_uid = 4001 and pid is not null then {'pid': pid, 'name': program} end} as actor,
    -- Of a session the login on the server, else the Teleport user.
    case class_uid when 3002 then case when event like 'session.%' and login is not null then {'name': login, 'email_addr': null} else who end when 3001 then {'name': name, 'email_addr': case when name like '%@%.%' then name end} end as user,
    case when class_uid = 3002 then {'uid': sid, 'is_remote': remote is not null} end as session,
    case
        when class_uid = 4001 then ocsf_endpoint(src_addr, NULL)
        when class_uid in (3001, 3002, 3004, 6003) then ocsf_endpoint(remote, NULL)
    end as src_endpoint,
    case
        when class_uid = 4001 then ocsf_endpoint(dst_addr, dst_port)
        when class_uid = 3002 and server is not null then ocsf_endpoint(server, NULL)
    end as dst_endpoint,
    case when class_uid in (3001, 3002, 3004, 6003) then {'user_agent': user_agent} end as http_request,
    case when class_uid = 3002 then remote is not null end as is_remote,
    case when class_uid = 3002 then {'name': 'Teleport', 'uid': cluster_name} end as service,
    case when class_uid = 3002 and method is not null then case method when 'saml' then 5 when 'oidc' then 4 when 'github' then 6 else 99 end end as auth_protocol_id,
    case when class_uid = 3002 and method not in ('saml', 'oidc', 'github') then method end as auth_protocol,
    case when class_uid in (1007, 4001) then {'uid': server_id, 'hostname': server_hostname, 'type_id': 1} end as device,
    case when class_uid = 1007 then {
        'pid': pid, 'name': program, 'path': path, 'cmd_line': array_to_string(array_concat([path], argv), ' '),
        'file': {'name': ocsf_file(path)['name'], 'path': path, 'type_id': 1},
        'parent_process': {'pid': ppid}, 'user': {'name': login}
    } end as process,
    case when class_uid = 1007 then return_code end as exit_code,
    case when class_uid = 3004 then {'name': coalesce(name, server, event), 'type': kind} end as entity,
    case when class_uid = 6003 then {'operation': event, 'service': {'name': 'Teleport', 'uid': cluster_name}} end as api,
    case when class_uid = 6003 then [{'name': coalesce(name, server), 'type': kind}] end as resources,
    _rest as unmapped,
    _file,
    _row
from events
