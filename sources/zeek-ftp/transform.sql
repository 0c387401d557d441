-- One row per command with its reply.
with commands as (
    select
        *,
        case
            when command in ('STOR', 'STOU', 'APPE') then 1
            when command = 'RETR' then 2
            when command in ('DELE', 'RMD') then 4
            when command in ('RNFR', 'RNTO') then 5
            when command in ('LIST', 'NLST', 'MLSD', 'MLST') then 6
            when command is not null then 99
            else 0
        end as activity,
        _rest, _file, _row
    from input
)

select
    parse_time(ts) as time,
    activity as activity_id,
    case when activity = 99 then command end as activity_name,
    case when reply_code >= 400 then 2 when reply_code >= 100 then 1 end as status_id,
    cast(reply_code as text) as status_code,
    command,
    arg as name,
    [reply_code] as codes,
    [reply_msg] as command_responses,
    case when "data_channel.passive" then 'passive' when not "data_channel.passive" then 'active' end as type,
    "data_channel.resp_p" as port,
    case when activity in (1, 2, 4, 5) and coalesce(arg, fuid) is not null then {
        'name': coalesce(nullif(split_part(arg, '/', -1), ''), arg, fuid),
        'path': arg,
        'uid': fuid,
        'mime_type': mime_type,
        'size': file_size,
        'type_id': 1
    } end as file,
    {'user': {'name': "user"}} as actor,
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
    {'correlation_uid': uid, 'log_name': coalesce(_path, 'ftp'), 'logged_time': parse_time(_write_ts)} as metadata,
    nullif('{' || concat_ws(
        ',',
        '"file_size":' || case when activity not in (1, 2, 4, 5) then file_size end,
        substr(_rest, 2, length(_rest) - 2)
    ) || '}', '{}') as unmapped,
    _file,
    _row
from commands
