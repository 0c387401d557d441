-- One row per envelope. What lies inside a message is text: give it to the pack that knows it.
with events as (
    select
        *,
        coalesce(s3.bucket.name, detail.bucket.name) as bucket_name,
        coalesce(s3.object.key, detail.object.key) as object_key,
        coalesce(eventName, "detail-type", Event, messageType) as name,
        coalesce(requestParameters."sourceIPAddress", detail."source-ip-address") as address,
        coalesce(userIdentity."principalId", detail.requester) as principal,
        _raw, _rest, _file, _row
    from input
),

classed as (
    select
        *,
        case when bucket_name is not null and object_key is not null then 6005 else 0 end as class_uid,
        case
            when name like 'ObjectCreated:%' or name = 'Object Created' then 5
            when name like 'ObjectRemoved:%' or name like 'LifecycleExpiration:%' or name = 'Object Deleted' then 7
            when name like '%Tagging%' or name like '%Acl%' or name like '%ACL%' or name like '%Storage Class%' then 2
            else 99
        end as activity
    from events
)

select
    coalesce(
        parse_time(eventTime), parse_time("time"), parse_time("Time"), parse_time(Sns."Timestamp"),
        parse_time(attributes."SentTimestamp"), parse_time(kinesis."approximateArrivalTimestamp"),
        parse_time(logEvents[1]['timestamp'])
    ) as time,
    class_uid,
    case when class_uid = 6005 then activity else 0 end as activity_id,
    case when class_uid = 6005 and activity = 99 then name end as activity_name,
    case when class_uid = 6005 then 1 end as status_id,
    case when class_uid = 0 then coalesce(
        nullif(concat_ws(': ', Sns."Subject", Sns."Message"), ''), body, base64_text(kinesis.data), logEvents[1]['message'], _raw
    ) end as message,
    case when class_uid = 6005 then {'user': {'uid': coalesce(principal, 'unknown')}} end as actor,
    case when class_uid = 6005 then {
        'ip': address, 'name': case when address is null then 'unknown' end
    } end as src_endpoint,
    case when class_uid = 6005 then 2 end as type_id,
    case when class_uid = 6005 then {
        'name': bucket_name,
        'uid': s3.bucket.arn,
        'type_id': 1,
        'owner': {'uid': s3.bucket."ownerIdentity"."principalId"},
        'file': {
            'name': coalesce(nullif(regexp_match(object_key, '([^/]*)/?$')[1], ''), object_key),
            'path': object_key,
            'type_id': case when object_key like '%/' then 2 else 1 end,
            'size': coalesce(s3.object.size, detail.object.size),
            'version': coalesce(s3.object."versionId", detail.object."version-id")
        }
    } end as databucket,
    {
        'provider': 'AWS',
        'region': coalesce(awsRegion, region, parse_arn(coalesce(eventSourceARN, Sns."TopicArn"))['region']),
        'account': {'uid': coalesce(account, owner, parse_arn(coalesce(eventSourceARN, Sns."TopicArn"))['account_id'])}
    } as cloud,
    {
        'uid': coalesce(
            id, responseElements['x-amz-request-id'], messageId, Sns."MessageId", eventID, "RequestId"
        ),
        'event_code': name,
        'log_source': coalesce(eventSource, source, case when Sns is not null then 'aws:sns' end, Service),
        'log_name': coalesce(logGroup, eventSourceARN, Sns."TopicArn", "Bucket"),
        'correlation_uid': detail."request-id"
    } as metadata,
    case when class_uid = 6005 or cardinality(logEvents) > 1 or attributes is not null then _raw end as raw_data,
    _rest as unmapped,
    _file,
    _row
from classed
