-- One row per notice. Zeek does not rate them: the severity follows from the kind of notice.
with notices as (
    select
        *,
        parse_time(ts) as at,
        coalesce("id.orig_h", src) as src_ip,
        coalesce("id.resp_h", dst) as dst_ip,
        -- Whose place `remote_location` is.
        coalesce(not ip_is_private(coalesce("id.orig_h", src)), false) as is_from_outside,
        {
            'country': "remote_location.country_code",
            'region': "remote_location.region",
            'city': "remote_location.city"
        } as location,
        _rest, _file, _row
    from input
)

select
    at as time,
    1 as activity_id,
    case
        when note like 'Intel::%' or note like 'TeamCymruMalwareHashRegistry::%' or note like 'Heartbleed::%'
            or note like '%SQL_Injection%' or note like 'Signatures::%' or note like 'ATTACK::%' or note like 'CVE_%' then 4
        when note like 'Scan::%' or note like '%Password_Guessing' or note like '%Bruteforcing' or note like 'Traceroute::%'
            or note like 'SSH::%' or note like 'FTP::%' then 3
        when note like 'CaptureLoss::%' or note like 'PacketFilter::%' or note like 'Weird::%' or note like 'Stats::%'
            or note = 'Notice::Tally' then 1
        else 2
    end as severity_id,
    msg as message,
    {
        'uid': concat_ws(' ', note, coalesce(uid, fuid, src, "id.orig_h"), cast(at as text)),
        'title': note,
        'desc': concat_ws('; ', msg, sub),
        'types': [split_part(note, '::', 1)],
        'created_time': at,
        'analytic': {'name': note, 'type_id': 1, 'category': split_part(note, '::', 1)}
    } as finding_info,
    [{
        'src_endpoint': {'ip': src_ip, 'port': "id.orig_p", 'location': case when is_from_outside then location end},
        'dst_endpoint': {
            'ip': dst_ip,
            'port': coalesce("id.resp_p", p),
            'location': case when not is_from_outside then location end
        },
        'connection_info': case when uid is not null then {
            'uid': uid,
            'community_uid': community_id,
            'protocol_name': proto,
            'direction_id': case
                when ip_is_private("id.orig_h") and ip_is_private("id.resp_h") then 3
                when ip_is_private("id.orig_h") then 2
                when ip_is_private("id.resp_h") then 1
                else 0
            end
        } end,
        'file': case when fuid is not null then {
            'name': coalesce(file_desc, fuid),
            'uid': fuid,
            'mime_type': file_mime_type,
            'type_id': 1
        } end
    }] as evidences,
    n as count,
    {
        'correlation_uid': uid,
        'event_code': note,
        'log_name': coalesce(_path, 'notice'),
        'logged_time': parse_time(_write_ts)
    } as metadata,
    nullif('{' || concat_ws(
        ',',
        '"suppress_for":' || suppress_for, '"dropped":' || dropped,
        '"remote_location.latitude":' || "remote_location.latitude",
        '"remote_location.longitude":' || "remote_location.longitude", substr(_rest, 2, length(_rest) - 2)
    ) || '}', '{}') as unmapped,
    _file,
    _row
from notices
