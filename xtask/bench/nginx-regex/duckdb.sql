copy (
    with input as (
        select regexp_extract(
            line,
            '^(\S+) \S+ (\S+) \[([^\]]+)\] "([^"]*)" (\d{3}) (\d+|-) "([^"]*)" "([^"]*)"',
            ['host', 'user', 'time', 'request', 'status', 'bytes', 'referer', 'agent']
        ) as record
        from read_csv(
            '{file}',
            auto_detect = false, header = false, delim = '\x01', quote = '', escape = '', columns = {line: 'varchar'}
        )
    )
    select
        strptime(record.time, '%d/%b/%Y:%H:%M:%S %z') as event_time,
        record.host as source_ip,
        record."user" as user_name,
        record.request as request,
        record.status::bigint as status,
        try_cast(record.bytes as bigint) as bytes_sent,
        record.referer as referer,
        record.agent as user_agent
    from input
) to '{out}' (format parquet, compression zstd)
