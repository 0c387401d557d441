-- One row per connection. Zeek tells from the sizes of packets whether the login succeeded.
with connections as (
    select
        *,
        -- Whose place `remote_location` is.
        coalesce(not ip_is_private("id.orig_h"), false) as is_from_outside,
        {
            'country': "remote_location.country_code",
            'region': "remote_location.region",
            'city': "remote_location.city"
        } as location,
        _rest, _file, _row
    from input
)

select
    parse_time(ts) as time,
    case when auth_success then 1 when not auth_success then 4 else 6 end as activity_id,
    case when auth_success then 1 when not auth_success then 2 end as status_id,
    cast(version as text) as protocol_ver,
    {'fingerprint': {'algorithm_id': case when hassh is not null then 20 end, 'value': hassh}} as client_hassh,
    {'fingerprint': {'algorithm_id': case when "hasshServer" is not null then 20 end, 'value': "hasshServer"}} as server_hassh,
    {'ip': "id.orig_h", 'port': "id.orig_p", 'location': case when is_from_outside then location end} as src_endpoint,
    {'ip': "id.resp_h", 'port': "id.resp_p", 'location': case when not is_from_outside then location end} as dst_endpoint,
    {
        'uid': uid,
        'community_uid': community_id,
        'protocol_name': 'tcp',
        'protocol_num': 6,
        'direction_id': case
            when ip_is_private("id.orig_h") and ip_is_private("id.resp_h") then 3
            when ip_is_private("id.orig_h") then 2
            when ip_is_private("id.resp_h") then 1
            else 0
        end
    } as connection_info,
    {'correlation_uid': uid, 'log_name': coalesce(_path, 'ssh'), 'logged_time': parse_time(_write_ts)} as metadata,
    nullif('{' || concat_ws(
        ',',
        '"auth_attempts":' || auth_attempts, '"remote_location.latitude":' || "remote_location.latitude",
        '"remote_location.longitude":' || "remote_location.longitude", substr(_rest, 2, length(_rest) - 2)
    ) || '}', '{}') as unmapped,
    _file,
    _row
from connections
