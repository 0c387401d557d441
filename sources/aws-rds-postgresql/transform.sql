-- One row per message. What a client did or tried is activity of the database; what the server says of itself is not.
with messages as (
    select
        "timestamp",
        client,
        nullif(nullif("user", ''), '[unknown]') as user_name,
        nullif(nullif(database, ''), '[unknown]') as database_name,
        pid,
        level,
        trim(message) as message,
        regexp_match(client, '^(.*)\((\d+)\)$') as address,
        -- AUDIT: type, statement, substatement, class, command, object type, object name, statement, parameters
        regexp_match(message, '(?s)^AUDIT: (?:SESSION|OBJECT),\d+,\d+,([A-Z_]+),([^,]*),([^,]*),([^,]*),(.*)$') as audit,
        regexp_match(message, '(?s)^(?:duration: [\d.]+ ms\s+)?(?:statement|(?:parse|bind|execute) [^:]*): (.*)$')[1] as logged,
        _file, _row
    from input
),

statements as (
    select
        *,
        case when level = 'STATEMENT' then message else coalesce(
            -- Quoted where it has commas or quotes; its parameters stand behind it.
            replace(regexp_match(audit[5], '(?s)^"((?:[^"]|"")*)"')[1], '""', '"'), split_part(audit[5], ',', 1), logged
        ) end as statement,
        upper(coalesce(audit[2], regexp_match(case when level = 'STATEMENT' then message else logged end, '^\s*([A-Za-z]+)')[1]))
            as command
    from messages
),

classed as (
    select
        *,
        case
            when message like 'connection received:%' and client is not null then 4001
            when user_name is null then case when level in ('ERROR', 'FATAL', 'PANIC') then 6008 else 0 end
            when message like 'connection auth%:%' or message like 'disconnection:%' then 3002
            when level = 'FATAL' and regexp_like(
                message, 'authentication failed|pg_hba\.conf|^(role|database) ".*" does not exist|not permitted to log in'
            ) then 3002
            when (statement is not null or level = 'ERROR') and client is not null then 6005
            when level in ('ERROR', 'FATAL', 'PANIC') then 6008
            else 0
        end as class_uid
    from statements
)

select
    "timestamp" as time,
    class_uid,
    case
        when class_uid = 6008 or class_uid = 4001 then 1
        -- Who is let in is authenticated first, and authorized then: one logon.
        when class_uid = 3002 then case when message like 'disconnection:%' then 2 when message like 'connection authenticated:%' then 99 else 1 end
        when class_uid = 0 or command is null then 0
        when command like 'INSERT%' or command like 'COPY%' then 5
        when command like 'UPDATE%' or command like 'ALTER%' or command like 'GRANT%' or command like 'REVOKE%' then 2
        when command like 'DELETE%' or command like 'DROP%' or command like 'TRUNCATE%' then 7
        when command like 'CREATE%' then 6
        else 4
    end as activity_id,
    case when class_uid = 3002 and message like 'connection authenticated:%' then 'connection authenticated' end as activity_name,
    case level
        when 'WARNING' then 2
        when 'ERROR' then 3
        when 'FATAL' then case when class_uid = 3002 then 3 else 4 end
        when 'PANIC' then 6
    end as severity_id,
    case
        when class_uid = 0 then null
        when level in ('ERROR', 'FATAL', 'PANIC', 'STATEMENT') then 2
        else 1
    end as status_id,
    message,
    case when class_uid in (3002, 4001, 6005) then coalesce(
        ocsf_endpoint(address[1], address[2]), ocsf_endpoint('localhost')
    ) end as src_endpoint,
    case when class_uid = 6005 then {'user': {'name': user_name}, 'session': {'uid': cast(pid as varchar)}} end as actor,
    case when class_uid = 3002 then {'name': user_name} end as user,
    case when class_uid = 3002 then {'uid': cast(pid as varchar)} end as session,
    case when class_uid = 3002 then {'name': concat_ws('/', 'postgresql', database_name)} end as service,
    case when class_uid = 3002 then client is distinct from '[local]' end as is_remote,
    case when class_uid = 6005 then {'name': coalesce(database_name, user_name), 'type_id': 1} end as database,
    case when class_uid = 6005 then 1 end as type_id,
    case when class_uid = 6005 and audit[3] in ('TABLE', 'VIEW') then {'name': audit[4]} end as "table",
    case
        when class_uid = 6005 and statement is not null then {'name': command, 'query_string': statement}
    end as query_info,
    {
        'event_code': level,
        'log_level': level,
        'log_name': 'postgresql'
    } as metadata,
    case when class_uid not in (3002, 6005) then '{"pid":' || pid || '}' end as unmapped,
    _file,
    _row
from classed
