-- One row per certificate. The log has no addresses: who showed the certificate is known by its name alone.
with certificates as (
    select
        *,
        coalesce(
            nullif(split_part(split_part("certificate.subject", 'CN=', 2), ',', 1), ''),
            nullif("certificate.subject", ''),
            fingerprint,
            id
        ) as common_name,
        client_cert and not coalesce(host_cert, false) as is_client,
        _rest, _file, _row
    from input
)

select
    parse_time(ts) as time,
    99 as activity_id,
    'Certificate' as activity_name,
    {
        'version': 'unknown',
        'certificate': {
            'uid': id,
            'version': cast("certificate.version" as text),
            'serial_number': "certificate.serial",
            'subject': "certificate.subject",
            'issuer': coalesce(nullif("certificate.issuer", ''), 'unknown'),
            'created_time': parse_time("certificate.not_valid_before"),
            'expiration_time': parse_time("certificate.not_valid_after"),
            'is_self_signed': "certificate.subject" = "certificate.issuer",
            'fingerprints': [ocsf_hash(fingerprint)]
        },
        'key_length': "certificate.key_length"
    } as tls,
    {'name': case when is_client then common_name end} as src_endpoint,
    {'name': case when is_client is distinct from true then common_name end} as dst_endpoint,
    {'log_name': coalesce(_path, 'x509'), 'logged_time': parse_time(_write_ts)} as metadata,
    nullif('{' || concat_ws(
        ',',
        '"basic_constraints.ca":' || "basic_constraints.ca",
        '"basic_constraints.path_len":' || "basic_constraints.path_len", '"host_cert":' || host_cert,
        '"client_cert":' || client_cert, substr(_rest, 2, length(_rest) - 2)
    ) || '}', '{}') as unmapped,
    _file,
    _row
from certificates
