-- One row per event: alerts are findings, with both ends as evidence; flows and TLS events are network activity.
with events as (
    select
        *,
        event.event_type = 'alert' as is_alert,
        -- What became of the connection: an alert says so, and so does a failed check of a certificate.
        lower(coalesce(event.alert.action, event.revocation_check.action)) as fate,
        coalesce(event.tls.sni, event.sni, event.http.hostname) as server,
        coalesce(event.tls_error.error_message, event.revocation_check.status) as problem,
        regexp_match(_file, '(\d{12})_network-firewall_\w+?_([a-z]+(?:-[a-z]+)+-\d)_') as delivered,
        _raw, _rest, _file, _row
    from input
)

select
    coalesce(parse_time(event.timestamp), parse_time(event_timestamp)) as time,
    case when is_alert then 2004 else 4001 end as class_uid,
    case
        when is_alert then 1
        when problem is not null then 4
        when event.event_type in ('netflow', 'tls') then 6
        else 99
    end as activity_id,
    case
        when not is_alert and problem is null and event.event_type not in ('netflow', 'tls') then event.event_type
    end as activity_name,
    case
        when not is_alert then null
        when event.alert.severity = 1 then 4
        when event.alert.severity = 2 then 3
        when event.alert.severity = 3 then 2
        else 1
    end as severity_id,
    is_alert,
    case when not is_alert and problem is not null then 2 end as status_id,
    problem as status_detail,
    coalesce(event.alert.signature, problem) as message,
    case fate when 'allowed' then 1 when 'pass' then 1 when 'blocked' then 2 when 'drop' then 2 when 'reject' then 2 end
        as action_id,
    case fate when 'allowed' then 1 when 'pass' then 1 when 'blocked' then 2 when 'drop' then 6 when 'reject' then 25 end
        as disposition_id,
    {
        'uid': event.alert.signature_id,
        'name': coalesce(event.alert.signature, event.alert.signature_id),
        'category': event.alert.category,
        'version': event.alert.rev
    } as firewall_rule,
    case
        when is_alert then {
            'uid': concat_ws('-', event.flow_id, event.alert.signature_id),
            'title': event.alert.signature,
            'types': case when event.alert.category <> '' then [event.alert.category] end,
            'analytic': {
                'uid': event.alert.signature_id,
                'name': event.alert.signature,
                'type_id': 1,
                'category': event.alert.category,
                'version': event.alert.rev
            }
        }
    end as finding_info,
    case
        when is_alert then [{
            'src_endpoint': {'ip': event.src_ip, 'port': event.src_port},
            'dst_endpoint': {'ip': event.dest_ip, 'port': event.dest_port, 'hostname': server},
            'connection_info': ocsf_connection(event.proto),
            'http_request': {
                'http_method': regexp_match(
                    event.http.http_method, '^(CONNECT|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT|TRACE)$'
                )[1],
                'user_agent': event.http.http_user_agent,
                'url': case
                    when event.http.url is not null then {'path': event.http.url, 'hostname': event.http.hostname}
                end,
                'version': event.http.protocol
            }
        }]
    end as evidences,
    case when not is_alert then {'ip': event.src_ip, 'port': event.src_port} end as src_endpoint,
    case when not is_alert then {'ip': event.dest_ip, 'port': event.dest_port, 'hostname': server} end as dst_endpoint,
    case when not is_alert then ocsf_connection(event.proto) end as connection_info,
    case when not is_alert then event.app_proto end as app_protocol_name,
    case when not is_alert then {'packets': event.netflow.pkts, 'bytes': event.netflow.bytes} end as traffic,
    case
        when not is_alert and event.tls.version is not null then {'version': event.tls.version, 'sni': event.tls.sni}
    end as tls,
    event.netflow."start" as start_time,
    event.netflow."end" as end_time,
    {'provider': 'AWS', 'region': regexp_match(availability_zone, '^([a-z]+(?:-[a-z]+)+-\d)')[1],
        'zone': availability_zone, 'account': {'uid': delivered[1]}} as cloud,
    {
        'event_code': event.event_type,
        'log_name': event.event_type,
        'log_source': firewall_name,
        'correlation_uid': event.flow_id,
        'original_time': event.timestamp
    } as metadata,
    -- Suricata's records have more than columns can hold.
    case when event.event_type is distinct from 'netflow' then _raw end as raw_data,
    case
        when event.event_type = 'netflow' then '{' || concat_ws(',', '"netflow":' || json_text(_raw, 'event.netflow'),
            '"tcp":' || json_text(_raw, 'event.tcp'), nullif(substr(_rest, 2, length(_rest) - 2), '')) || '}'
        else _rest
    end as unmapped,
    _file,
    _row
from events
