copy (
    with input as (
        select unnest(from_json(json, '{
            "Records": [{
                "eventID": "varchar", "eventTime": "timestamp", "eventName": "varchar", "eventSource": "varchar",
                "awsRegion": "varchar", "recipientAccountId": "varchar", "sourceIPAddress": "varchar",
                "userAgent": "varchar", "errorCode": "varchar", "requestParameters": "json",
                "userIdentity": {"type": "varchar", "arn": "varchar"}
            }]
        }').Records) as record
        from read_json_objects('{file}', format = 'unstructured', maximum_object_size = {bytes})
    )
    select
        record.eventTime as event_time,
        record.eventID as event_id,
        record.eventName as event_name,
        record.eventSource as event_source,
        record.awsRegion as aws_region,
        record.recipientAccountId as account_id,
        record.sourceIPAddress as source_ip,
        record.userAgent as user_agent,
        record.errorCode as error_code,
        record.userIdentity.type as actor_type,
        record.userIdentity.arn as actor_arn,
        record.requestParameters as request_parameters
    from input
    qualify row_number() over (partition by record.eventID) = 1
) to '{out}' (format parquet, compression zstd)
