-- One row per message. The authorizer's decisions are API activity, refused clients authentication.
with messages as (
    select
        "timestamp",
        level,
        trim(message) as message,
        -- At the end of the message, or of its first line in front of a stack trace
        regexp_match(message, '\(([\w.$-]+)\)\s*(?:$|\n)')[1] as logger,
        regexp_match(
            message,
            '^Principal = (?:User:)?(.+?) is (Allowed|Denied) [Oo]peration = (\S+) from host = (\S+) on resource = (\S+)'
        ) as decision,
        regexp_match(message, 'Failed authentication with [^/ ]*/([0-9A-Fa-f.:]+[0-9A-Fa-f])(?: \(channelId=[^)]*\))?(?: \(([^()]*)\))?') as refused,
        regexp_match(_file, '/(\d{12})/KafkaBrokerLogs/([a-z0-9-]+)/([^/]+)/') as delivered,
        _file, _row
    from input
),

classed as (
    select
        *,
        case
            when decision is not null then 6003
            when refused is not null then 3002
            when level in ('ERROR', 'FATAL') then 6008
            else 0
        end as class_uid
    from messages
)

select
    "timestamp" as time,
    class_uid,
    case class_uid
        when 6003 then case decision[3]
            when 'Create' then 1
            when 'Read' then 2
            when 'Describe' then 2
            when 'DescribeConfigs' then 2
            when 'Write' then 3
            when 'Alter' then 3
            when 'AlterConfigs' then 3
            when 'Delete' then 4
            else 99
        end
        when 3002 then 1
        when 6008 then 1
        else 0
    end as activity_id,
    case
        when decision[3] not in (
            'Create', 'Read', 'Describe', 'DescribeConfigs', 'Write', 'Alter', 'AlterConfigs', 'Delete'
        ) then decision[3]
    end as activity_name,
    case level when 'WARN' then 2 when 'ERROR' then 3 when 'FATAL' then 5 end as severity_id,
    case
        when decision[2] = 'Allowed' then 1
        when decision is not null or refused is not null or level in ('ERROR', 'FATAL') then 2
    end as status_id,
    refused[2] as status_detail,
    message,
    case when decision is not null then {'user': {'name': decision[1]}} end as actor,
    case when decision is not null then {'operation': decision[3], 'service': {'name': 'kafka'}} end as api,
    case when decision is not null then [{'name': decision[5], 'type': split_part(decision[5], ':', 1)}] end as resources,
    ocsf_endpoint(coalesce(decision[4], refused[1])) as src_endpoint,
    case when refused is not null then {'name': 'unknown'} end as user,
    case when refused is not null then {'name': 'kafka'} end as service,
    {'provider': 'AWS', 'region': delivered[2], 'account': {'uid': delivered[1]}} as cloud,
    {
        'event_code': level,
        'log_level': level,
        'log_name': logger,
        'log_source': delivered[3]
    } as metadata,
    _file,
    _row
from classed
