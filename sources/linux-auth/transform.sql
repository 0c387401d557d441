-- One row per message. `message repeated 3 times: [ … ]` is read like the message in it, with `count`.
with records as (
    select
        *,
        case when message like 'message repeated %' then regexp_match(message, '^message repeated (\d+) times: \[ (.*)\]$') end as repeated,
        ocsf_endpoint(hostname, null) as host,
        split_part(appname, '/', -1) as program,
        _rest, _file, _row
    from input
),

messages as (
    select *, coalesce(repeated[2], message) as text from records
),

-- The parts of the messages, each NULL for a message of another kind: a few words decide which patterns are tried. A group
-- that takes no part in a match would move those behind it, so all of them do, if with an empty text.
parsed as (
    select
        *,
        case when text like 'Accepted %' or text like 'Failed %' or text like 'Postponed %' then regexp_match(text, '^(Accepted|Failed|Postponed) (\S+) for (?:invalid user )?(.*?) from (\S+) port (\d+)') end as login,
        case when text like 'Invalid user %' then regexp_match(text, '^Invalid user (.*) from (\S+)(?: port )?(\d*)$') end as invalid,
        case when text like '%maximum authentication attempts exceeded%' then regexp_match(text, 'maximum authentication attempts exceeded for (?:invalid user )?(.*?) from (\S+) port (\d+)') end as exceeded,
        -- sshd adds up what is left at the end: `PAM 2 more authentication failures; …`.
        case when text like '%authentication failure%' then regexp_match(text, '^(?:pam_\w+\(|PAM )([\w.-]+)(?::auth\):| more) authentication failures?;.* tty=(\S*) ruser=(\S*) rhost=(\S*)(?: +user=)?(\S*)') end as refused,
        case when text like '%:session): session %' then regexp_match(text, '^pam_\w+\(([\w.-]+):session\): session (opened|closed) for user ([^\s(]+)(?:\(uid=)?(\d*)\)?(?: by )?([^\s(]*)(?:\(uid=)?(\d*)') end as pam,
        case when text like '%TTY=% ; PWD=%' then regexp_match(text, '^(\S+) : (.*?)(?: ; )?TTY=(\S+) ; PWD=.* ; USER=(\S+) ;.*COMMAND=(.*)$') end as sudo,
        case when text like '% su for %' then regexp_match(text, '^(Successful|FAILED) su for (\S+) by (\S+)') end as su,
        case when text like '% user%' or text like '%password changed for %' then regexp_match(text, '^(?:pam_\w+\([\w:.-]+\): )?(new user: name=|failed adding user ''|delete user ''|lock user ''|unlock user ''|change user ''|password changed for )([^'',\s]+)''? ?(password|)') end as account,
        case when text like '%group%' then regexp_match(text, '^(?:new group: name=|group added to \S+ name=)([^,\s]+)') end as new_group,
        case when text like '%group%' then regexp_match(text, '^(?:group|removed group) ''?([^''\s]+)''? (?:removed|owned)') end as old_group,
        case when text like '% group %' then regexp_match(text, '^(?:add|added|delete|removed) (?:user )?''?([^''\s]+)''? (?:to|from) (?:shadow )?group ''?([^''\s]+)') end as member
    from messages
),

classified as (
    select
        *,
        case
            when coalesce(login, invalid, exceeded, refused, pam, sudo, su) is not null then 3002
            when account is not null then 3001
            when coalesce(new_group, old_group, member) is not null then 3006
            else 0
        end as class_uid,
        coalesce(sudo is not null or su is not null or pam[1] in ('sudo', 'su', 'su-l', 'doas'), false) as is_switch,
        case
            when coalesce(invalid, exceeded, refused) is not null or login[1] = 'Failed' or account[1] like 'failed%' then false
            when su[1] = 'FAILED' or sudo[2] <> '' then false
            when login[1] = 'Postponed' then null
            when coalesce(login, pam, sudo, su, account, new_group, member, old_group) is not null then true
        end as worked
    from parsed
)

select
    timestamp as time,
    class_uid,
    case
        when class_uid = 3002 then case when pam[2] = 'closed' then 2 when is_switch then 7 else 1 end
        when class_uid = 3001 then case
            when account[1] like 'new%' or account[1] like 'failed%' then 1
            when account[1] like 'delete%' then 6
            when account[1] like 'lock%' then 9
            when account[1] like 'unlock%' then 12
            when account[1] like 'password%' or account[3] <> '' then 3
            else 99
        end
        when class_uid = 3006 then case
            when new_group is not null then 6
            when old_group is not null then 5
            when text like 'add%' then 3
            else 4
        end
        else 0
    end as activity_id,
    case when account[1] like 'change%' and account[3] = '' then 'Change' end as activity_name,
    case worked when true then 1 when false then 2 end as status_id,
    case when class_uid = 3002 then case
        when sudo[2] <> '' then sudo[2]
        when invalid is not null or text like '%for invalid user%' then 'invalid user'
        when exceeded is not null then 'maximum authentication attempts exceeded'
    end end as status_detail,
    message,
    coalesce(try_cast(repeated[1] as int), try_cast(refused[1] as int)) as count,
    {
        'name': case
            when class_uid = 3006 then member[1]
            when class_uid <> 0 then coalesce(nullif(coalesce(login[3], invalid[1], exceeded[1], refused[5], pam[3], sudo[4], su[2], account[2]), ''), 'unknown')
        end,
        'uid': pam[4]
    } as "user",
    {
        'app_name': program,
        'user': {'name': nullif(coalesce(sudo[1], su[3], pam[5], refused[3]), ''), 'uid': pam[6]},
        'process': {'name': case when procid is not null then program end, 'pid': try_cast(procid as int)}
    } as actor,
    case when class_uid = 3002 then ocsf_endpoint(
        nullif(coalesce(login[4], invalid[2], exceeded[2], refused[4]), ''), coalesce(login[5], invalid[3], exceeded[3])
    ) end as src_endpoint,
    case when class_uid = 3002 then {'name': coalesce(regexp_match(refused[1], '^\D.*$')[1], pam[1], program, 'unknown')} end as service,
    case when class_uid = 3002 then {'ip': host['ip'], 'hostname': host['hostname']} end as dst_endpoint,
    case when class_uid = 3002 then {'terminal': nullif(coalesce(sudo[3], refused[2]), '')} end as session,
    case when class_uid = 3002 then case
        when coalesce(login, invalid, exceeded) is not null or refused[4] <> '' then true
    end end as is_remote,
    case when pam[1] in ('cron', 'crond', 'atd') then 4 when coalesce(login, invalid, exceeded) is not null then 3 end as logon_type_id,
    case when login is not null then 99 end as auth_protocol_id,
    login[2] as auth_protocol,
    case when class_uid = 3002 and is_switch and coalesce(pam[2], '') <> 'closed' then 1 end as account_switch_type_id,
    case when class_uid = 3006 then {'name': coalesce(new_group[1], old_group[1], member[2])} end as "group",
    {'ip': host['ip'], 'hostname': host['hostname'], 'type_id': case when coalesce(host['ip'], host['hostname']) is not null then 0 end} as device,
    {'log_name': coalesce(facility, 'auth'), 'log_level': severity, 'log_provider': appname} as metadata,
    case when sudo is not null
        then '{"command":"' || replace(replace(sudo[5], '\', '\\'), '"', '\"') || '"}'
        else _rest
    end as unmapped,
    _file,
    _row
from classified
