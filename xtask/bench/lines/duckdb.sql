copy (
    select
        eventTime as event_time,
        eventID as event_id,
        eventName as event_name,
        eventSource as event_source,
        awsRegion as aws_region,
        sourceIPAddress as source_ip
    from read_json(
        '{file}',
        format = 'newline_delimited',
        columns = {
            eventID: 'varchar', eventTime: 'timestamp', eventName: 'varchar', eventSource: 'varchar',
            awsRegion: 'varchar', sourceIPAddress: 'varchar'
        }
    )
) to '{out}' (format parquet, compression zstd)
