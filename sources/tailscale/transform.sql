-- One row per change, and one per flow: a record of flows holds those of one node and some seconds.
with flows as (
    select nodeId, logged, "start", "end", 'virtual' as kind, unnest(virtualTraffic) as flow, _file, _row from input
    union all
    select nodeId, logged, "start", "end", 'subnet' as kind, unnest(subnetTraffic) as flow, _file, _row from input
    union all
    select nodeId, logged, "start", "end", 'exit' as kind, unnest(exitTraffic) as flow, _file, _row from input
    union all
    select nodeId, logged, "start", "end", 'physical' as kind, unnest(physicalTraffic) as flow, _file, _row from input
),

changes as (
    select
        *,
        case
            when action is null or target['type'] is null then 0
            when action in ('LOGIN', 'LOGOUT') then 3002
            when target['type'] = 'USER' then 3001
            else 3004
        end as class,
        coalesce(actor['loginName'], actor['displayName'], actor['id']) as who,
        _file,
        _row,
        _rest
    from input
    where nodeId is null or coalesce(virtualTraffic, subnetTraffic, exitTraffic, physicalTraffic) is null
),

acted as (
    select
        *,
        case
            when class = 0 then 0
            when class = 3002 then case action when 'LOGIN' then 1 else 2 end
            when class = 3001 then case action when 'CREATE' then 1 when 'RESTORE' then 2 when 'SUSPEND' then 5 when 'DELETE' then 6 else 99 end
            else case action when 'CREATE' then 1 when 'UPDATE' then 3 when 'DELETE' then 4 when 'ENABLE' then 8 when 'DISABLE' then 9
                when 'SUSPEND' then 12 when 'RESTORE' then 13 else 99 end
        end as activity
    from changes
)

select
    coalesce(eventTime, logged) as time,
    cast(null as timestamp) as start_time,
    cast(null as timestamp) as end_time,
    class as class_uid,
    activity as activity_id,
    case when activity = 99 then action end as activity_name,
    case when class = 0 then null when error <> '' then 2 else 1 end as status_id,
    error as status_detail,
    concat_ws(' ', who, action, target['type'], target['name'], target['property']) as message,
    {'uid': eventGroupID, 'event_code': concat_ws('.', target['type'], action), 'log_name': 'configuration', 'log_source': origin} as metadata,
    case when class <> 0 then {'user': {
        'name': who,
        'uid': actor['id'],
        'email_addr': case when actor['loginName'] like '%@%.%' then actor['loginName'] end,
        'full_name': actor['displayName'],
        'type_id': case when actor['type'] = 'USER' then 1 when actor['type'] is not null then 99 end,
        'type': case when actor['type'] <> 'USER' then actor['type'] end
    }} end as actor,
    case
        when class = 3001 then {'name': target['name'], 'uid': target['id']}
        when class = 3002 then {'name': coalesce(who, 'unknown'), 'uid': actor['id']}
    end as "user",
    case when class = 3002 then {'name': 'Tailscale'} end as service,
    case when class = 3004 then {
        'name': target['name'], 'uid': target['id'], 'type': target['type'], 'data': coalesce("new", old)
    } end as entity,
    cast(null as text) as app_name,
    ocsf_endpoint(null, null) as src_endpoint,
    ocsf_endpoint(null, null) as dst_endpoint,
    ocsf_connection(null, null) as connection_info,
    {
        'packets_out': cast(null as bigint), 'bytes_out': cast(null as bigint), 'packets_in': cast(null as bigint),
        'bytes_in': cast(null as bigint), 'packets': cast(null as bigint), 'bytes': cast(null as bigint)
    } as traffic,
    case
        when coalesce(old, "new", target['property']) is null then _rest
        else '{' || concat_ws(',',
            '"property":"' || target['property'] || '"', case when old ~ '^[\[{]' then '"old":' || old end,
            case when "new" ~ '^[\[{]' then '"new":' || "new" end, nullif(substr(_rest, 2, length(_rest) - 2), '')
        ) || '}'
    end as unmapped,
    _file,
    _row
from acted
union all
select
    coalesce("end", logged) as time,
    "start" as start_time,
    "end" as end_time,
    4001 as class_uid,
    6 as activity_id,
    null as activity_name,
    null as status_id,
    null as status_detail,
    concat_ws(' ', kind, 'traffic of', nodeId) as message,
    {'uid': null, 'event_code': kind, 'log_name': 'network', 'log_source': nodeId} as metadata,
    null as actor,
    null as "user",
    null as service,
    null as entity,
    kind as app_name,
    ocsf_endpoint(flow['src'], null) as src_endpoint,
    ocsf_endpoint(flow['dst'], null) as dst_endpoint,
    ocsf_connection(cast(flow['proto'] as text), null) as connection_info,
    {
        'packets_out': flow['txPkts'], 'bytes_out': flow['txBytes'], 'packets_in': flow['rxPkts'], 'bytes_in': flow['rxBytes'],
        'packets': flow['txPkts'] + flow['rxPkts'], 'bytes': flow['txBytes'] + flow['rxBytes']
    } as traffic,
    null as unmapped,
    _file,
    _row
from flows
