-- One row per transaction. It is what its last message says: a whole one ends with an ACK. Old logs have those alone.
with transactions as (
    select
        *,
        coalesce(uid, json_text(uids, '[0]')) as connection,
        case when msg_types is null then 'ACK' else msg_types[-1] end as last_type,
        coalesce(assigned_addr, assigned_ip, client_addr, "id.orig_h") as client,
        coalesce(server_addr, "id.resp_h") as server,
        _rest, _file, _row
    from input
)

select
    parse_time(ts) as time,
    case last_type
        when 'DISCOVER' then 1
        when 'OFFER' then 2
        when 'REQUEST' then 3
        when 'DECLINE' then 4
        when 'ACK' then 5
        when 'NAK' then 6
        when 'RELEASE' then 7
        when 'INFORM' then 8
        else case when last_type is null then 0 else 99 end
    end as activity_id,
    case
        when last_type not in ('DISCOVER', 'OFFER', 'REQUEST', 'DECLINE', 'ACK', 'NAK', 'RELEASE', 'INFORM') then last_type
    end as activity_name,
    case last_type when 'ACK' then 1 when 'NAK' then 2 when 'DECLINE' then 2 end as status_id,
    cast(round(duration * 1e3) as bigint) as duration,
    cast(round(lease_time) as bigint) as lease_dur,
    cast(trans_id as text) as transaction_uid,
    {
        'ip': client,
        'port': "id.orig_p",
        'mac': mac,
        'hostname': coalesce(client_fqdn, host_name),
        'domain': domain,
        -- A client that has neither address nor name yet.
        'name': coalesce(host_name, case when coalesce(client, client_fqdn) is null then coalesce(mac, 'unknown') end)
    } as src_endpoint,
    {'ip': server, 'port': "id.resp_p"} as dst_endpoint,
    {
        'uid': connection,
        'community_uid': community_id,
        'protocol_name': 'udp',
        'protocol_num': 17,
        'direction_id': 0
    } as connection_info,
    {'correlation_uid': connection, 'log_name': coalesce(_path, 'dhcp'), 'logged_time': parse_time(_write_ts)} as metadata,
    nullif('{' || concat_ws(
        ',',
        '"uids":' || case when strpos(uids, ',') > 0 then uids end,
        '"msg_types":["' || case when msg_types[1] is not null then array_to_string(msg_types, '","') end || '"]',
        substr(_rest, 2, length(_rest) - 2)
    ) || '}', '{}') as unmapped,
    _file,
    _row
from transactions
