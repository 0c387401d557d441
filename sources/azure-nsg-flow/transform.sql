-- One row per flow: a record holds the flows of one interface and minute, as lines of values between commas.
with rules as (
    select "time", category, macAddress, resourceId as resource, unnest(properties['flows']) as of_rule, _file, _row, _rest
    from input
),

interfaces as (
    select "time", category, macAddress, resource, of_rule['rule'] as rule, unnest(of_rule['flows'])['flowTuples'] as tuples, _file, _row, _rest
    from rules
),

lists as (
    select "time", category, macAddress, targetResourceID as resource, unnest(flowRecords['flows']) as list, _file, _row, _rest
    from input
),

groups as (
    select "time", category, macAddress, resource, list['aclID'] as acl, unnest(list['flowGroups']) as flow_group, _file, _row, _rest
    from lists
),

flows as (
    select "time", category, macAddress, resource, null as acl, rule, string_to_array(unnest(tuples), ',') as v, false as is_vnet, _file, _row, _rest
    from interfaces
    union all
    select
        "time", category, macAddress, resource, acl, flow_group['rule'] as rule, string_to_array(unnest(flow_group['flowTuples']), ',') as v,
        true as is_vnet, _file, _row, _rest
    from groups
    union all
    -- What holds no flows stays a row.
    select
        "time", category, macAddress, coalesce(resourceId, targetResourceID) as resource, null as acl, null as rule, null as v,
        false as is_vnet, _file, _row, _rest
    from input
    where properties['flows'] is null and flowRecords['flows'] is null
),

parts as (
    select
        *,
        case when v is null then 0 else 4001 end as class,
        -- Flow logs of networks have one letter for the state and for a flow that was denied.
        case when is_vnet then v[8] else v[9] end as state,
        (is_vnet and v[8] = 'D') or (not is_vnet and v[8] = 'D') as is_denied,
        case when is_vnet then v[6] when v[6] = 'T' then 'tcp' when v[6] = 'U' then 'udp' end as protocol,
        case v[7] when 'I' then 'inbound' when 'O' then 'outbound' end as direction
    from flows
)

select
    case when class = 0 then "time" when is_vnet then to_timestamp_millis(try_cast(v[1] as bigint)) else to_timestamp_seconds(try_cast(v[1] as bigint)) end as time,
    class as class_uid,
    case when class = 0 then 0 when is_denied then 5 when state = 'B' then 1 when state = 'E' then 2 else 6 end as activity_id,
    case when class = 4001 then case when is_denied then 2 else 1 end end as action_id,
    case when class = 4001 then case when is_denied then 2 else 1 end end as disposition_id,
    case when class = 4001 then ocsf_endpoint(v[2], v[4]) end as src_endpoint,
    case when class = 4001 then ocsf_endpoint(v[3], v[5]) end as dst_endpoint,
    case when class = 4001 then ocsf_connection(protocol, direction) end as connection_info,
    case when class = 4001 then {
        'packets_out': try_cast(nullif(v[10], '') as bigint),
        'bytes_out': try_cast(nullif(v[11], '') as bigint),
        'packets_in': try_cast(nullif(v[12], '') as bigint),
        'bytes_in': try_cast(nullif(v[13], '') as bigint),
        'packets': try_cast(nullif(v[10], '') as bigint) + try_cast(nullif(v[12], '') as bigint),
        'bytes': try_cast(nullif(v[11], '') as bigint) + try_cast(nullif(v[13], '') as bigint)
    } end as traffic,
    case when class = 4001 then {'name': rule} end as firewall_rule,
    {'uid': acl} as policy,
    case when class = 4001 then {'interface_uid': macAddress} end as network_observation_point,
    {'log_name': category, 'logged_time': "time"} as metadata,
    {
        'provider': 'Azure',
        'account': {
            'uid': (regexp_match(lower(resource), '^/subscriptions/([^/]+)'))[1],
            'type_id': case when lower(resource) like '/subscriptions/%' then 13 end
        }
    } as cloud,
    resource as message,
    -- `X` encrypted, `NX` not, others why not.
    case when is_vnet then '{' || concat_ws(',', '"encryption":"' || v[9] || '"', nullif(substr(_rest, 2, length(_rest) - 2), '')) || '}'
        else _rest end as unmapped,
    _file,
    _row
from parts
