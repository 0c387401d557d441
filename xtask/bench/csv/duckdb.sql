copy (
    select
        time as event_time,
        source_ip,
        dest_ip,
        dest_port,
        "user" as user_name,
        action,
        url,
        bytes_received
    from read_csv(
        '{file}',
        auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
        columns = {
            time: 'timestamp', device: 'varchar', serial: 'varchar', type: 'varchar', subtype: 'varchar',
            source_ip: 'varchar', source_port: 'varchar', dest_ip: 'varchar', dest_port: 'bigint', protocol: 'varchar',
            user: 'varchar', application: 'varchar', rule: 'varchar', action: 'varchar', url: 'varchar',
            category: 'varchar', bytes_sent: 'varchar', bytes_received: 'bigint', duration_ms: 'varchar',
            user_agent: 'varchar'
        }
    )
) to '{out}' (format parquet, compression zstd)
