-- One row per message. Login processes tell of each connection; auth and its workers of each refused password.
with parsed as (
    select
        *,
        regexp_match(message, '^([\w-]+)-login: ')[1] as protocol,
        regexp_match(message, ' user=<([^>]*)>')[1] as login,
        regexp_match(message, ' method=([^,\s]+)')[1] as method,
        regexp_match(message, ' rip=([0-9A-Fa-f.:]+)')[1] as rip,
        regexp_match(message, ' lip=([0-9A-Fa-f.:]+)')[1] as lip,
        regexp_match(message, '[ <]session=<([^>]*)>')[1] as session_id,
        -- auth-worker(123): … pam(ann,192.0.2.10,<session>): unknown user
        regexp_match(message, '^auth(?:-worker)?.*?: ([\w-]+)\(([^,()]*),([0-9A-Fa-f.:]+)(?:,<([^>]*)>)?\): (.*)$') as refused,
        regexp_match(message, '^([\w-]+)\(([^)]*)\)(?:<\d+>)?(?:<[^>]*>)?: (?:Info: )?(?:Disconnected: )?(?:Logged out|Disconnected)') as logout,
        ocsf_endpoint(hostname, null) as host,
        _rest, _file, _row
    from input
),

classified as (
    select
        *,
        case
            when regexp_like(message, '-login: (Info: )?Login: ') then 'login'
            when protocol is not null and message like '%auth failed%' then 'failure'
            when regexp_like(refused[5], '(?i)unknown user|failed|mismatch|expired|disabled|not allowed') or regexp_like(refused[4], '(?i)unknown user|failed|mismatch') then 'failure'
            when logout is not null then 'logout'
        end as kind
    from parsed
)

select
    timestamp as time,
    case when kind is not null then 3002 else 0 end as class_uid,
    case kind when 'logout' then 2 when 'login' then 1 when 'failure' then 1 else 0 end as activity_id,
    case when message like '%: Fatal: %' or message like '%: Panic: %' then 6 when message like '%Error: %' then 3 when message like '%Warning: %' then 2 else 1 end as severity_id,
    case kind when 'failure' then 2 when 'login' then 1 when 'logout' then 1 end as status_id,
    case when kind = 'failure' then coalesce(
        regexp_match(message, '(\(auth failed[^)]*\))')[1], regexp_replace(coalesce(refused[5], refused[4]), ' \(.*$', '')
    ) end as status_detail,
    cast(case when kind = 'failure' then regexp_match(message, 'auth failed, (\d+) attempts')[1] end as int) as count,
    regexp_replace(message, '(given password: )[^)]*', '\1***') as message,
    case when kind is not null then {
        'name': coalesce(nullif(coalesce(login, refused[2], logout[2]), ''), 'unknown'),
        'email_addr': ocsf_user(coalesce(login, refused[2], logout[2]))['email_addr']
    } end as "user",
    case when kind is not null then ocsf_endpoint(coalesce(rip, refused[3]), null) end as src_endpoint,
    case when kind is not null then {'ip': coalesce(ocsf_endpoint(lip, null)['ip'], host['ip']), 'hostname': host['hostname']} end as dst_endpoint,
    case when kind is not null then {'name': coalesce(protocol, logout[1], 'dovecot')} end as service,
    case when kind is not null then {'uid': session_id} end as session,
    case when kind is not null and coalesce(method, refused[1]) is not null then 99 end as auth_protocol_id,
    case when kind is not null then coalesce(method, refused[1]) end as auth_protocol,
    case when kind is not null then true end as is_remote,
    case when kind is not null and protocol is not null then not coalesce(regexp_like(message, ', (TLS|secured)'), false) end as is_cleartext,
    {'ip': host['ip'], 'hostname': host['hostname'], 'type_id': case when coalesce(host['ip'], host['hostname']) is not null then 0 end} as device,
    {'app_name': coalesce(appname, 'dovecot'), 'process': {'name': case when procid is not null then appname end, 'pid': try_cast(procid as int)}} as actor,
    {'log_provider': appname, 'log_name': facility, 'log_level': severity} as metadata,
    _rest as unmapped,
    _file,
    _row
from classified
