copy (
    with input as (
        select unnest(Records) as record
        from read_json(
            '{file}',
            maximum_object_size = {bytes},
            columns = {
                Records: 'struct(
                    eventID varchar, eventTime timestamp, eventName varchar, eventSource varchar, awsRegion varchar,
                    sourceIPAddress varchar
                )[]'
            }
        )
    )
    select
        record.eventTime as event_time,
        record.eventID as event_id,
        record.eventName as event_name,
        record.eventSource as event_source,
        record.awsRegion as aws_region,
        record.sourceIPAddress as source_ip
    from input
) to '{out}' (format parquet, compression zstd)
