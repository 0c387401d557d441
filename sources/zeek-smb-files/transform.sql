-- One row per action on a file, pipe or printer.
with actions as (
    select
        *,
        ocsf_file(name) as named,
        replace(action, 'SMB::', '') as verb,
        _rest, _file, _row
    from input
)

select
    parse_time(ts) as time,
    case verb when 'FILE_OPEN' then 2 else 99 end as activity_id,
    case verb when 'FILE_OPEN' then null else verb end as activity_name,
    verb as command,
    path as share,
    case when verb like 'FILE%' then 1 when verb like 'PIPE%' then 2 when verb like 'PRINT%' then 3 else 0 end as share_type_id,
    case when coalesce(name, fuid) is not null then {
        'name': coalesce(named['name'], nullif(name, ''), fuid, 'unknown'),
        'path': case when name = '<share_root>' then path when name <> '' then concat_ws('\', path, name) end,
        'ext': named['ext'],
        'uid': fuid,
        'type_id': case when name in ('', '<share_root>') then 2 when verb like 'PIPE%' then 6 else 1 end,
        'size': size,
        'modified_time': parse_time("times.modified"),
        'accessed_time': parse_time("times.accessed"),
        'created_time': parse_time("times.created")
    } end as file,
    {'ip': "id.orig_h", 'port': "id.orig_p"} as src_endpoint,
    {'ip': "id.resp_h", 'port': "id.resp_p"} as dst_endpoint,
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
    {'correlation_uid': uid, 'log_name': coalesce(_path, 'smb_files'), 'logged_time': parse_time(_write_ts)} as metadata,
    nullif('{' || concat_ws(
        ',',
        '"times.changed":"' || parse_time("times.changed") || '"', substr(_rest, 2, length(_rest) - 2)
    ) || '}', '{}') as unmapped,
    _file,
    _row
from actions
