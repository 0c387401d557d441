-- One row per event. What Atlas does by itself has no address and is the change of an entity.
with named as (
    select
        *,
        coalesce(eventTypeName, eventtypename) as event,
        nullif(coalesce(remoteAddress, remoteaddress), '') as ip,
        coalesce(targetUsername, targetusername) as target,
        coalesce(targetPublicKey, targetpublickey) as target_key,
        coalesce(groupId, orgId, orgid) as place,
        _file, _row, _rest
    from input
),

classed as (
    select
        *,
        case
            when event ~ '_TEAM$' and target is not null and teamId is not null then 3006
            when target is not null then 3001
            when ip is null then 3004
            else 6003
        end as class_uid,
        {'uid': coalesce(userId, userid, publicKey), 'name': coalesce(username, publicKey), 'email_addr': case when username like '%@%.%' then username end} as who
    from named
),

events as (
    select
        *,
        case
            when class_uid = 3006 then case when event ~ 'JOINED|ADDED' then 3 when event ~ 'REMOVED' then 4 else 99 end
            when class_uid = 3001 then case when event ~ '^(JOINED|ADDED|CREATED)' then 1 when event ~ '^(REMOVED|DELETED)' then 6 else 99 end
            when event ~ '(ADDED|CREATED|CREATED_AUDIT|ADDED_AUDIT)$' then 1
            when event ~ '(CHANGED|UPDATED|MODIFIED|ENABLED|DISABLED|REQUIRED|CHANGED_AUDIT|UPDATED_AUDIT)$' then 3
            when event ~ '(DELETED|REMOVED|DELETED_AUDIT|REMOVED_AUDIT)$' then 4
            else 99
        end as activity_id
    from classed
)

select
    class_uid,
    activity_id,
    case when activity_id = 99 then event end as activity_name,
    parse_time(created) as time,
    {'uid': id, 'event_code': event, 'tenant_uid': coalesce(orgId, orgid), 'original_time': created} as metadata,
    concat_ws(' ', coalesce(username, publicKey), event, coalesce(target, target_key, clusterName)) as message,
    {'user': who} as actor,
    case when class_uid in (3001, 3006) then {'name': target, 'email_addr': case when target like '%@%.%' then target end} end as user,
    case when class_uid = 3006 then {'uid': teamId} end as "group",
    ocsf_endpoint(ip, NULL) as src_endpoint,
    case when class_uid = 3004 then {'uid': coalesce(target_key, place), 'name': clusterName,
        'type': case when target_key is not null then 'API key' when clusterName is not null then 'cluster' when groupId is not null then 'project' else 'organization' end} end as entity,
    case when class_uid = 6003 then {'operation': event, 'service': {'name': 'MongoDB Atlas'}} end as api,
    case when class_uid = 6003 then [{'uid': coalesce(target_key, place), 'name': clusterName,
        'type': case when target_key is not null then 'API key' when clusterName is not null then 'cluster' when groupId is not null then 'project' else 'organization' end}] end as resources,
    _rest as unmapped,
    _file,
    _row
from events
