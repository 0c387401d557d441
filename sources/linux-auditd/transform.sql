-- One row per event, which is all records of one number. `m` is the record of an event that is no system call.
with events as (
    select
        *,
        types[1] as type,
        coalesce(
            USER_AUTH, USER_LOGIN, USER_LOGOUT, USER_START, USER_END, USER_ERR, USER_CMD, USER_CHAUTHTOK, USER_MGMT, ADD_USER, DEL_USER,
            ACCT_LOCK, ACCT_UNLOCK, ADD_GROUP, DEL_GROUP, GRP_MGMT, SERVICE_START, SERVICE_STOP, DAEMON_START, DAEMON_END,
            SYSTEM_BOOT, SYSTEM_SHUTDOWN, ANOM_ABEND, USER_ACCT, CRED_ACQ, CRED_DISP, CRED_REFR, LOGIN, CONFIG_CHANGE
        ) as m,
        -- The last path is what the call was about; those before it are its folders.
        PATH[cast(array_length(PATH) as bigint)] as path,
        SOCKADDR[1] as sock,
        -- Numbers are those of x86_64.
        coalesce(SYSCALL['SYSCALL'], case when SYSCALL['arch'] = 'c000003e' then case SYSCALL['syscall']
            when '2' then 'open' when '85' then 'creat' when '257' then 'openat' when '437' then 'openat2'
            when '87' then 'unlink' when '263' then 'unlinkat' when '84' then 'rmdir'
            when '82' then 'rename' when '264' then 'renameat' when '316' then 'renameat2'
            when '90' then 'chmod' when '91' then 'fchmod' when '268' then 'fchmodat'
            when '92' then 'chown' when '93' then 'fchown' when '94' then 'lchown' when '260' then 'fchownat'
            when '188' then 'setxattr' when '189' then 'lsetxattr' when '190' then 'fsetxattr'
            when '83' then 'mkdir' when '258' then 'mkdirat' when '86' then 'link' when '88' then 'symlink' when '265' then 'linkat' when '266' then 'symlinkat'
            when '76' then 'truncate' when '77' then 'ftruncate' when '165' then 'mount' when '166' then 'umount2'
            when '42' then 'connect' when '43' then 'accept' when '288' then 'accept4' when '49' then 'bind'
            when '59' then 'execve' when '322' then 'execveat'
        end end) as call,
        _raw, _file, _row
    from input
),

-- 0200, port, address: an IPv4 socket in hexadecimal digits.
parsed as (
    select
        *,
        case when sock['saddr'] like '0200%' then sock['saddr'] end as inet,
        coalesce(m['acct'], m['id'], m['grp']) as account,
        coalesce(SYSCALL['success'], m['res']) as result
    from events
),

sockets as (
    select
        *,
        coalesce(sock['laddr'], concat_ws('.',
            strpos('0123456789ABCDEF', substr(inet, 9, 1)) * 16 + strpos('0123456789ABCDEF', substr(inet, 10, 1)) - 17,
            strpos('0123456789ABCDEF', substr(inet, 11, 1)) * 16 + strpos('0123456789ABCDEF', substr(inet, 12, 1)) - 17,
            strpos('0123456789ABCDEF', substr(inet, 13, 1)) * 16 + strpos('0123456789ABCDEF', substr(inet, 14, 1)) - 17,
            strpos('0123456789ABCDEF', substr(inet, 15, 1)) * 16 + strpos('0123456789ABCDEF', substr(inet, 16, 1)) - 17
        )) as address,
        coalesce(try_cast(sock['lport'] as int), cast(strpos('0123456789ABCDEF', substr(inet, 5, 1)) * 4096 + strpos('0123456789ABCDEF', substr(inet, 6, 1)) * 256
            + strpos('0123456789ABCDEF', substr(inet, 7, 1)) * 16 + strpos('0123456789ABCDEF', substr(inet, 8, 1)) - 4369 as int)) as port
    from parsed
),

classified as (
    select
        *,
        case
            when (EXECVE is not null or call in ('execve', 'execveat')) and SYSCALL is not null then 1007
            when type = 'ANOM_ABEND' and m['pid'] is not null then 1007
            when call in ('connect', 'accept', 'accept4', 'bind') and nullif(address, '') is not null then 4001
            when path['name'] is not null and call in ('open', 'openat', 'openat2', 'creat', 'unlink', 'unlinkat', 'rmdir', 'rename', 'renameat', 'renameat2',
                'chmod', 'fchmod', 'fchmodat', 'chown', 'fchown', 'lchown', 'fchownat', 'setxattr', 'lsetxattr', 'fsetxattr', 'mkdir', 'mkdirat',
                'link', 'linkat', 'symlink', 'symlinkat', 'truncate', 'ftruncate', 'mount', 'umount2') then 1001
            when type in ('USER_AUTH', 'USER_LOGIN', 'USER_LOGOUT', 'USER_START', 'USER_END', 'USER_ERR', 'USER_CMD') then 3002
            when type in ('ADD_USER', 'DEL_USER', 'USER_MGMT', 'ACCT_LOCK', 'ACCT_UNLOCK', 'USER_CHAUTHTOK') then 3001
            when type in ('ADD_GROUP', 'DEL_GROUP', 'GRP_MGMT') then 3006
            when type in ('SERVICE_START', 'SERVICE_STOP', 'DAEMON_START', 'DAEMON_END') then 6002
            else 0
        end as class_uid
    from sockets
)

select
    timestamp as time,
    class_uid,
    case class_uid
        when 1007 then case type when 'ANOM_ABEND' then 2 else 1 end
        when 1001 then case
            when path['nametype'] = 'CREATE' and call not like 'rename%' then 1
            when call like 'unlink%' or call = 'rmdir' then 4
            when call like 'rename%' then 5
            when call like '%chmod%' or call like '%chown%' then 7
            when call like '%xattr' then 6
            when call like '%truncate' then 3
            when call = 'mount' then 12
            when call = 'umount2' then 13
            when call like '%link%' or call like 'mkdir%' or call = 'creat' then 1
            else 14
        end
        when 4001 then case call when 'bind' then 7 else 1 end
        when 3002 then case when type in ('USER_END', 'USER_LOGOUT') then 2 when type = 'USER_CMD' or m['exe'] in ('/usr/bin/sudo', '/usr/bin/su', '/bin/su') then 7 else 1 end
        when 3001 then case type when 'ADD_USER' then 1 when 'DEL_USER' then 6 when 'ACCT_LOCK' then 9 when 'ACCT_UNLOCK' then 12 when 'USER_CHAUTHTOK' then 3 else 99 end
        when 3006 then case
            when type = 'ADD_GROUP' then 6 when type = 'DEL_GROUP' then 5 when m['op'] like 'add%' then 3 when m['op'] like 'delet%' or m['op'] like 'remov%' then 4 else 99
        end
        when 6002 then case when type like '%_START' then 3 else 4 end
        else 0
    end as activity_id,
    case when type = 'USER_MGMT' or (type = 'GRP_MGMT' and coalesce(m['op'], '') not like 'add%' and coalesce(m['op'], '') not like 'delet%' and coalesce(m['op'], '') not like 'remov%')
        then coalesce(m['op'], type) end as activity_name,
    case when type like 'ANOM_%' then 3 when type in ('AVC', 'USER_AVC') then 2 else 1 end as severity_id,
    case when result in ('yes', 'success', '1') then 1 when result in ('no', 'failed', '0') then 2 end as status_id,
    SYSCALL['exit'] as status_code,
    concat_ws(' ', type, call, coalesce(m['op'], m['cmd']), m['unit'], account, coalesce(PROCTITLE['proctitle'], SYSCALL['exe'], m['exe']), case when class_uid = 1001 then path['name'] end,
        case when class_uid = 4001 then address end, case when SYSCALL is null then result end) as message,
    {
        'app_name': case when class_uid = 0 then type end,
        'user': {
            'name': coalesce(nullif(coalesce(SYSCALL['AUID'], m['AUID']), 'unset'), SYSCALL['UID'], m['UID']),
            'uid': coalesce(nullif(coalesce(SYSCALL['auid'], m['auid']), '4294967295'), SYSCALL['uid'], m['uid'])
        },
        'session': {'uid': nullif(coalesce(SYSCALL['ses'], m['ses']), '4294967295')},
        'process': {
            'pid': case when class_uid = 1007 and SYSCALL is not null then SYSCALL['ppid'] when SYSCALL is not null then SYSCALL['pid'] else try_cast(m['pid'] as bigint) end,
            'name': case when class_uid <> 1007 then SYSCALL['comm'] end,
            'path': case when class_uid <> 1007 then coalesce(SYSCALL['exe'], m['exe']) end,
            'cmd_line': case when type = 'USER_CMD' then m['cmd'] when class_uid <> 1007 then PROCTITLE['proctitle'] end
        }
    } as actor,
    case when class_uid = 1007 then {
        'pid': coalesce(SYSCALL['pid'], try_cast(m['pid'] as bigint)),
        'name': coalesce(SYSCALL['comm'], m['comm']),
        'path': coalesce(SYSCALL['exe'], m['exe']),
        'file': ocsf_file(coalesce(SYSCALL['exe'], m['exe'])),
        'cmd_line': coalesce(nullif(concat_ws(' ', EXECVE['a0'], EXECVE['a1'], EXECVE['a2'], EXECVE['a3'], EXECVE['a4'], EXECVE['a5'], EXECVE['a6'], EXECVE['a7'],
            EXECVE['a8'], EXECVE['a9'], case when try_cast(EXECVE['argc'] as int) > 10 then '…' end), ''), PROCTITLE['proctitle']),
        'working_directory': CWD['cwd'],
        'user': {'name': coalesce(SYSCALL['EUID'], SYSCALL['UID'], m['UID']), 'uid': coalesce(SYSCALL['euid'], SYSCALL['uid'], m['uid'])},
        'parent_process': {'pid': SYSCALL['ppid']}
    } end as process,
    case when class_uid = 1001 then ocsf_file(case when path['name'] like '/%' or CWD['cwd'] is null then path['name'] else CWD['cwd'] || '/' || path['name'] end) end as file,
    case when class_uid in (3002, 3001, 3006) then {
        'name': case when class_uid = 3006 then case when type = 'GRP_MGMT' then m['acct'] end else coalesce(account, 'unknown') end,
        'uid': case when class_uid <> 3006 then m['id'] end
    } end as "user",
    case when class_uid = 3006 then {'name': coalesce(m['grp'], m['acct'], m['id'], 'unknown')} end as "group",
    case
        when class_uid in (3002, 3001, 3006) then {'ip': ocsf_endpoint(nullif(m['addr'], '?'), null)['ip'], 'hostname': ocsf_endpoint(nullif(nullif(m['hostname'], m['addr']), '?'), null)['hostname'], 'port': null}
        when class_uid = 4001 and call <> 'connect' then {'ip': ocsf_endpoint(address, null)['ip'], 'hostname': null, 'port': port}
        when class_uid = 4001 then {'ip': null, 'hostname': node, 'port': null}
    end as src_endpoint,
    case
        when class_uid = 4001 and call = 'connect' then {'ip': ocsf_endpoint(address, null)['ip'], 'hostname': null, 'port': port}
        when class_uid = 3002 or call like 'accept%' then {'ip': null, 'hostname': node, 'port': null}
    end as dst_endpoint,
    case when class_uid = 4001 then ocsf_connection(null, case call when 'connect' then 'outbound' when 'bind' then 'unknown' else 'inbound' end) end as connection_info,
    case when class_uid = 3002 then {'name': coalesce(regexp_match(m['exe'], '([^/]+)$')[1], case when type = 'USER_CMD' then 'sudo' end, m['terminal'], 'unknown')} end as service,
    case when class_uid = 3002 then {'uid': nullif(m['ses'], '4294967295'), 'terminal': m['terminal']} end as session,
    case when type = 'USER_CMD' then 1 end as account_switch_type_id,
    case when class_uid = 3002 and ocsf_endpoint(nullif(m['addr'], '?'), null)['ip'] is not null then true end as is_remote,
    case when class_uid = 6002 then {'name': coalesce(m['unit'], 'auditd'), 'version': m['ver']} end as app,
    {'hostname': node, 'name': case when node is null then 'unknown' end, 'type_id': 0} as device,
    {'uid': event_id, 'event_code': type, 'log_name': SYSCALL['key']} as metadata,
    _raw as raw_data,
    _file,
    _row
from classified
