copy (
    select
        strptime(day || zone, '[%d/%b/%Y:%H:%M:%S%z]') as event_time,
        host as source_ip,
        "user" as user_name,
        request,
        status,
        bytes as bytes_sent,
        referer as referer,
        agent as user_agent
    from read_csv(
        '{file}',
        auto_detect = false, header = false, delim = ' ', quote = '"', escape = '"', nullstr = '-',
        columns = {
            host: 'varchar', ident: 'varchar', user: 'varchar', day: 'varchar', zone: 'varchar', request: 'varchar',
            status: 'bigint', bytes: 'bigint', referer: 'varchar', agent: 'varchar'
        }
    )
) to '{out}' (format parquet, compression zstd)
