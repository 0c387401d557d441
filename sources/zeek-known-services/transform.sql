-- One row per service, once a day.
select
    parse_time(ts) as time,
    2 as activity_id,
    {
        'ip': host,
        'type_id': 0,
        'network_interfaces': [{
            'ip': host,
            'open_ports': [{
                'port': port_num,
                'protocol_name': port_proto,
                'protocol_num': case port_proto when 'tcp' then 6 when 'udp' then 17 when 'icmp' then 1 end
            }]
        }]
    } as device,
    host || ' answers on ' || port_num || '/' || port_proto as message,
    {'log_name': coalesce(_path, 'known_services'), 'logged_time': parse_time(_write_ts)} as metadata,
    _rest as unmapped,
    _file,
    _row
from input
