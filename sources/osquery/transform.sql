-- One row per result. What it is about is told from the columns that the query selected: results carry no table's name.
with results as (
    select
        *,
        try_cast(json_text(columns, 'pid') as bigint) as pid,
        json_text(columns, 'path') as path,
        json_text(columns, 'cmdline') as cmdline,
        json_text(columns, 'target_path') as target_path,
        nullif(json_text(columns, 'remote_address'), '') as remote_address,
        nullif(coalesce(json_text(columns, 'username'), json_text(columns, 'user')), '') as user_name,
        json_text(columns, 'uid') as uid,
        json_text(columns, 'name') as item,
        json_text(columns, 'version') as version,
        json_text(columns, 'host') as host,
        coalesce(hostIdentifier, json_text(decorations, 'hostname'), json_text(decorations, 'host_uuid')) as device_name,
        _rest, _file, _row
    from input
),

classified as (
    select
        *,
        case
            when columns is null then 0
            when target_path is not null then 1001
            when remote_address is not null then 4001
            when host is not null and user_name is not null then 3002
            when version is not null and item is not null and name ilike '%package%' then 5020
            when json_text(columns, 'command') is not null and action = 'added' and user_name is not null then 1009
            when pid is not null and coalesce(path, cmdline) is not null then 1007
            else 0
        end as class_uid
    from results
)

select
    parse_time(coalesce(unixTime, calendarTime, json_text(columns, 'time'))) as time,
    class_uid,
    case class_uid
        when 1007 then case action when 'removed' then 2 else 1 end
        when 4001 then case action when 'removed' then 2 else 1 end
        -- 8 is a login that is over, in the table `last`.
        when 3002 then case when action = 'removed' or json_text(columns, 'type') = '8' then 2 else 1 end
        when 1001 then case upper(json_text(columns, 'action')) when 'CREATED' then 1 when 'UPDATED' then 3 when 'DELETED' then 4
            when 'MOVED_FROM' then 5 when 'MOVED_TO' then 5 when 'ATTRIBUTES_MODIFIED' then 6 when 'OPENED' then 14 when 'ACCESSED' then 2 else 0 end
        when 5020 then 2
        when 1009 then 1
        else 0
    end as activity_id,
    case severity when 2 then 4 when 1 then 3 else 1 end as severity_id,
    coalesce(message, concat_ws(' ', name, coalesce(action, 'row') || ':', coalesce(nullif(cmdline, ''), json_text(columns, 'command'), target_path, remote_address, nullif(path, ''), item, user_name),
        'on ' || device_name)) as message,
    {
        'hostname': ocsf_endpoint(device_name, null)['hostname'],
        'uid': coalesce(json_text(decorations, 'host_uuid'), hostIdentifier),
        'name': case when device_name is null then 'unknown' end,
        'type_id': 0
    } as device,
    {
        'process': {
            'pid': case when class_uid = 1007 then try_cast(json_text(columns, 'parent') as bigint) when class_uid in (1001, 4001) then pid end,
            'cmd_line': case when class_uid = 1007 then json_text(columns, 'pcmdline') when class_uid in (1001, 4001) then cmdline end,
            'file': case when class_uid in (1001, 4001) and pid is not null then ocsf_file(path) end
        },
        'user': {'name': user_name, 'uid': uid},
        'app_name': case when class_uid in (1001, 1007) and coalesce(user_name, uid, json_text(columns, 'parent')) is null then 'unknown' end
    } as actor,
    case when class_uid = 1007 then {
        'pid': pid,
        'name': coalesce(item, ocsf_file(path)['name']),
        'cmd_line': cmdline,
        'file': case when path <> '' then ocsf_file(path) end,
        'user': {'name': user_name, 'uid': uid}
    } end as process,
    case when class_uid = 1001 then {
        'name': ocsf_file(target_path)['name'], 'path': target_path, 'parent_folder': ocsf_file(target_path)['parent_folder'], 'ext': ocsf_file(target_path)['ext'], 'type_id': 1,
        'size': try_cast(json_text(columns, 'size') as bigint),
        'hashes': array_compact([ocsf_hash(json_text(columns, 'sha256')), ocsf_hash(json_text(columns, 'sha1')), ocsf_hash(json_text(columns, 'md5'))])
    } end as file,
    case when class_uid in (3002, 4001) then {
        'ip': ocsf_endpoint(coalesce(json_text(columns, 'local_address'), host), null)['ip'],
        'port': try_cast(json_text(columns, 'local_port') as int)
    } end as src_endpoint,
    case when class_uid in (3002, 4001) then {
        'ip': ocsf_endpoint(remote_address, null)['ip'],
        'port': try_cast(json_text(columns, 'remote_port') as int),
        'hostname': case when class_uid = 3002 then coalesce(device_name, 'unknown') end
    } end as dst_endpoint,
    case when class_uid = 4001 then ocsf_connection(json_text(columns, 'protocol'), null) end as connection_info,
    case when class_uid = 3002 then {'name': user_name, 'uid': uid} end as "user",
    case when class_uid = 1009 then {'script_content': {'value': json_text(columns, 'command')}, 'type_id': 6} end as script,
    case when class_uid = 5020 then {'name': item, 'version': version, 'architecture': json_text(columns, 'arch')} end as package,
    {'event_code': name, 'original_time': coalesce(calendarTime, unixTime)} as metadata,
    case when columns is null then _rest else '{"action":"' || coalesce(action, '') || '","columns":' || columns || coalesce(',"decorations":' || decorations, '')
        || coalesce(',' || substr(_rest, 2), '}') end as unmapped,
    _file,
    _row
from classified
