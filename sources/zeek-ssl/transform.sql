-- One row per handshake of TLS or DTLS. Logs of old sensors do not say whether it was completed.
select
    parse_time(ts) as time,
    case when established then 1 when not established then 4 else 6 end as activity_id,
    case when established then 1 when not established then 2 end as status_id,
    last_alert as status_code,
    validation_status as status_detail,
    {
        'version': case when coalesce(version, cipher, server_name, subject, ja3, ja4, cert_chain_fps[1]) is not null
            then coalesce(version, 'unknown') end,
        'cipher': cipher,
        'sni': server_name,
        'certificate': case when coalesce(subject, issuer, issuer_subject) is not null then {
            'subject': subject,
            'issuer': coalesce(issuer, issuer_subject, 'unknown'),
            'serial_number': 'unknown',
            'created_time': parse_time(not_valid_before),
            'expiration_time': parse_time(not_valid_after),
            'is_self_signed': subject = coalesce(issuer, issuer_subject),
            'fingerprints': [ocsf_hash(cert_chain_fps[1])]
        } end,
        'certificate_chain': cert_chain_fps,
        'ja3_hash': ocsf_hash(ja3),
        'ja3s_hash': ocsf_hash(ja3s)
    } as tls,
    [{'type_id': case when ja4 is not null then 1 end, 'value': ja4}] as ja4_fingerprint_list,
    {'ip': "id.orig_h", 'port': "id.orig_p"} as src_endpoint,
    {'ip': "id.resp_h", 'port': "id.resp_p", 'hostname': server_name} as dst_endpoint,
    {
        'uid': uid,
        'community_uid': community_id,
        'direction_id': case
            when ip_is_private("id.orig_h") and ip_is_private("id.resp_h") then 3
            when ip_is_private("id.orig_h") then 2
            when ip_is_private("id.resp_h") then 1
            else 0
        end
    } as connection_info,
    'tls' as app_protocol_name,
    {'correlation_uid': uid, 'log_name': coalesce(_path, 'ssl'), 'logged_time': parse_time(_write_ts)} as metadata,
    nullif('{' || concat_ws(
        ',',
        '"resumed":' || resumed, '"sni_matches_cert":' || sni_matches_cert, substr(_rest, 2, length(_rest) - 2)
    ) || '}', '{}') as unmapped,
    _file,
    _row
from input
