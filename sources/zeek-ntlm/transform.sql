-- One row per login. The name is absent from anonymous logins and from those whose last message was not seen.
select
    parse_time(ts) as time,
    1 as activity_id,
    case when success then 1 when not success then 2 end as status_id,
    1 as auth_protocol_id,
    3 as logon_type_id,
    true as is_remote,
    {'name': coalesce(nullif(username, ''), 'unknown'), 'domain': domainname} as "user",
    {'ip': "id.orig_h", 'port': "id.orig_p", 'hostname': hostname} as src_endpoint,
    {
        'ip': "id.resp_h",
        'port': "id.resp_p",
        'hostname': server_dns_computer_name,
        'name': server_nb_computer_name,
        'domain': server_tree_name
    } as dst_endpoint,
    {'correlation_uid': uid, 'log_name': coalesce(_path, 'ntlm'), 'logged_time': parse_time(_write_ts)} as metadata,
    _rest as unmapped,
    _file,
    _row
from input
