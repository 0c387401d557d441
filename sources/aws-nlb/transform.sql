-- One row per TLS connection, written when it ended. What is none stays as a base event.
with connections as (
    select
        *,
        case when type = 'tls' then elb end as balancer,
        case when type = 'tls' then listener end as tls_listener,
        parse_arn(chosen_cert_arn) as certificate,
        regexp_match("client:port", '^\[?(.*?)\]?:(\d+)$') as client_parts,
        regexp_match("destination:port", '^\[?(.*?)\]?:(\d+)$') as destination_parts,
        regexp_match(_file, '(\d{12})_elasticloadbalancing_([a-z0-9-]+)_') as delivered,
        _raw, _rest, _file, _row
    from input
)

select
    time,
    case when type = 'tls' then 4001 else 0 end as class_uid,
    -- Close; an alert of the client or a handshake that never ended is a failure.
    case
        when type is distinct from 'tls' then 0
        when incoming_tls_alert is not null or tls_protocol_version is null then 4
        else 2
    end as activity_id,
    case
        when type is distinct from 'tls' then null
        when incoming_tls_alert is not null or tls_protocol_version is null then 2
        else 1
    end as status_id,
    incoming_tls_alert as status_code,
    tls_connection_creation_time as start_time,
    case when type = 'tls' then time end as end_time,
    connection_time as duration,
    ocsf_endpoint(client_parts[1], client_parts[2]) as src_endpoint,
    -- The destination is the listener, not the target behind it.
    {
        'ip': ocsf_endpoint(destination_parts[1])['ip'],
        'hostname': domain_name,
        'port': try_cast(destination_parts[2] as int),
        'svc_name': balancer
    } as dst_endpoint,
    {'name': balancer, 'uid': tls_listener} as load_balancer,
    case
        when tls_protocol_version is not null then {
            'version': tls_protocol_version,
            'cipher': tls_cipher,
            'sni': domain_name,
            'handshake_dur': tls_handshake_time
        }
    end as tls,
    case when type = 'tls' then ocsf_connection('tcp', 'inbound') end as connection_info,
    {'bytes_out': received_bytes, 'bytes_in': sent_bytes, 'bytes': received_bytes + sent_bytes} as traffic,
    {
        'provider': 'AWS',
        'region': coalesce(certificate.region, delivered[2]),
        'account': {'uid': coalesce(certificate.account_id, delivered[1])}
    } as cloud,
    {'log_name': 'access log', 'log_version': version} as metadata,
    case when type is distinct from 'tls' then _raw end as message,
    _rest as unmapped,
    _file,
    _row
from connections
