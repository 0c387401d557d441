-- One row per request with its answer. `KDC_ERR_PREAUTH_REQUIRED` is how a login begins and no failure.
with requests as (
    select
        *,
        split_part(client, '/', -1) as realm,
        coalesce(error_msg, '') = 'KDC_ERR_PREAUTH_REQUIRED' as is_preauth,
        _rest, _file, _row
    from input
)

select
    parse_time(ts) as time,
    case
        when is_preauth then 6
        when request_type = 'AS' then 3
        when request_type = 'TGS' then 4
        when request_type is not null then 99
        else 0
    end as activity_id,
    case when request_type not in ('AS', 'TGS') and not is_preauth then request_type end as activity_name,
    case when is_preauth then 0 when success then 1 when not success then 2 end as status_id,
    cast(error_code as text) as status_code,
    error_msg as status_detail,
    2 as auth_protocol_id,
    {
        -- NAME/REALM, where a name may have slashes, too.
        'name': coalesce(nullif(case
            when strpos(client, '/') > 0 then substr(client, 1, length(client) - length(realm) - 1)
            else client
        end, ''), 'unknown'),
        'domain': case when strpos(client, '/') > 0 then realm end
    } as "user",
    {'name': service} as service,
    {
        'type_id': case when success and request_type = 'AS' then 1 when success and request_type = 'TGS' then 2 end,
        -- The epoch stands for no limit.
        'created_time': nullif(parse_time("from"), parse_time('0')),
        'expiration_time': nullif(parse_time(till), parse_time('0')),
        'is_renewable': renewable,
        'encryption_details': {'type': cipher}
    } as authentication_token,
    {'ip': "id.orig_h", 'port': "id.orig_p"} as src_endpoint,
    {'ip': "id.resp_h", 'port': "id.resp_p"} as dst_endpoint,
    {'correlation_uid': uid, 'log_name': coalesce(_path, 'kerberos'), 'logged_time': parse_time(_write_ts)} as metadata,
    nullif('{' || concat_ws(
        ',',
        '"forwardable":' || forwardable, substr(_rest, 2, length(_rest) - 2)
    ) || '}', '{}') as unmapped,
    _file,
    _row
from requests
