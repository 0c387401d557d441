-- One row per activity. `data` holds other fields for every type, so it is also kept whole.
with activities as (
    select
        id,
        coalesce(activityType, activitytype) as kind,
        coalesce(activityUuid, activityuuid) as uuid,
        coalesce(createdAt, createdat) as created,
        coalesce(primaryDescription, primarydescription) as text,
        coalesce(secondaryDescription, secondarydescription) as more,
        coalesce(accountId, accountid) as account,
        coalesce(agentId, agentid) as agent,
        coalesce(threatId, threatid, json_text(data, 'alertId'), json_text(data, 'alertid')) as threat,
        coalesce(userId, userid) as user_id,
        coalesce(json_text(data, 'username'), json_text(data, 'userName'), json_text(data, 'email')) as user_name,
        coalesce(json_text(data, 'computerName'), json_text(data, 'computername'), json_text(data, 'agentcomputername')) as host,
        coalesce(json_text(data, 'ipAddress'), json_text(data, 'ipaddress'), json_text(data, 'source')) as address,
        coalesce(json_text(data, 'agentipv4'), json_text(data, 'agentIpv4')) as agent_ip,
        coalesce(json_text(data, 'confidenceLevel'), json_text(data, 'confidencelevel')) as confidence,
        coalesce(json_text(data, 'severity'), json_text(data, 'Severity')) as severity,
        coalesce(json_text(data, 'ruleName'), json_text(data, 'rulename')) as rule_name,
        coalesce(json_text(data, 'ruleId'), json_text(data, 'ruleid')) as rule_id,
        coalesce(json_text(data, 'threatClassification'), json_text(data, 'threatclassification')) as classification,
        coalesce(json_text(data, 'fileDisplayName'), json_text(data, 'filedisplayname')) as file_name,
        ocsf_file(coalesce(json_text(data, 'filePath'), json_text(data, 'filepath'), json_text(data, 'fileDisplayName'), json_text(data, 'filedisplayname'))) as f,
        coalesce(json_text(data, 'fileContentHash'), json_text(data, 'filecontenthash')) as file_hash,
        data, _rest, _file, _row
    from input
),

classified as (
    select
        *,
        case
            when threat is not null then 2004
            when kind in (27, 33, 133) then 3002
            when kind in (23, 24, 25) then 3001
            when kind in (90, 91, 92) then 6007
            else 0
        end as class_uid,
        case
            when threat is not null then case when kind in (18, 19, 20, 3608, 4003) then 1 else 2 end
            when kind in (27, 133, 23, 90) then 1
            when kind in (33, 92) then 2
            when kind = 91 then 3
            when kind = 25 then 6
            when kind = 24 then 99
            else 0
        end as activity_id
    from activities
)

select
    parse_time(created) as time,
    class_uid,
    activity_id,
    case when activity_id = 99 then 'Modify' end as activity_name,
    case when class_uid = 2004 then coalesce(ocsf_severity_id(replace(severity, 'E_', '')), case lower(confidence) when 'malicious' then 4 when 'suspicious' then 3 end, 0) end as severity_id,
    case when class_uid = 3002 then case when kind = 133 then 2 else 1 end end as status_id,
    -- 18 and 20 are threats that the agent has stopped already.
    case when class_uid = 2004 then case when kind in (18, 20) then 2 when kind in (19, 3608) then 3 else 0 end end as action_id,
    case when class_uid = 2004 then case when kind in (18, 20) then 2 when kind in (19, 3608) then 15 else 0 end end as disposition_id,
    text as message,
    {'hostname': host, 'uid': agent, 'ip': ocsf_endpoint(agent_ip, null)['ip'], 'type_id': case when coalesce(host, agent) is not null then 0 end} as device,
    -- Of a change of users `userId` is who made it, and `username` whom it was made to.
    {'user': {'name': case when class_uid = 3001 then json_text(data, 'byUser') else user_name end, 'uid': user_id}} as actor,
    case when class_uid in (3001, 3002) then {'name': coalesce(user_name, 'unknown'), 'uid': case when class_uid = 3002 then user_id end, 'email_addr': json_text(data, 'email')} end as "user",
    case when class_uid = 3002 then {'name': 'SentinelOne console'} end as service,
    case when class_uid in (3001, 3002) then ocsf_endpoint(address, null) end as src_endpoint,
    case when class_uid = 2004 then {
        'uid': threat,
        'title': coalesce(rule_name, file_name, text),
        'desc': text,
        'types': array_compact([classification]),
        'analytic': case when rule_name is not null then {'name': rule_name, 'uid': rule_id, 'type_id': 1} end
    } end as finding_info,
    case when class_uid = 2004 then case lower(confidence) when 'malicious' then 3 when 'suspicious' then 2 else 0 end end as confidence_id,
    case when class_uid = 2004 and f['name'] is not null then [{
        'file': {'name': f['name'], 'path': f['path'], 'parent_folder': f['parent_folder'], 'ext': f['ext'], 'type_id': f['type_id'],
            'hashes': array_compact([ocsf_hash(file_hash)])}
    }] end as evidences,
    case when class_uid = 6007 then {'uid': coalesce(uuid, id), 'name': 'Full disk scan', 'type_id': 0} end as scan,
    {'uid': coalesce(uuid, id), 'original_event_uid': id, 'event_code': cast(kind as text), 'tenant_uid': account, 'original_time': created} as metadata,
    case when data is null then _rest else '{"data":' || data || coalesce(',' || substr(_rest, 2), '}') end as unmapped,
    _file,
    _row
from classified
