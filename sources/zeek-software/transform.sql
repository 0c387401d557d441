-- One row per program of a host, when it was first seen and when its version changed.
select
    parse_time(ts) as time,
    2 as activity_id,
    {'ip': host, 'type_id': 0} as device,
    {
        'name': coalesce(name, unparsed_version, software_type),
        'version': concat_ws(
            '-',
            nullif(concat_ws('.', "version.major", "version.minor", "version.minor2", "version.minor3"), ''),
            "version.addl"
        ),
        'feature': {'name': software_type}
    } as product,
    unparsed_version as message,
    {'log_name': coalesce(_path, 'software'), 'logged_time': parse_time(_write_ts)} as metadata,
    nullif('{' || concat_ws(
        ',',
        '"host_p":' || host_p, substr(_rest, 2, length(_rest) - 2)
    ) || '}', '{}') as unmapped,
    _file,
    _row
from input
