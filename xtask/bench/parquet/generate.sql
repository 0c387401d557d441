copy (
    select *
    from read_csv(
        '{file}',
        auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
        columns = {
            time: 'timestamp', device: 'varchar', serial: 'varchar', type: 'varchar', subtype: 'varchar',
            source_ip: 'varchar', source_port: 'bigint', dest_ip: 'varchar', dest_port: 'bigint', protocol: 'varchar',
            user: 'varchar', application: 'varchar', rule: 'varchar', action: 'varchar', url: 'varchar',
            category: 'varchar', bytes_sent: 'bigint', bytes_received: 'bigint', duration_ms: 'bigint',
            user_agent: 'varchar'
        }
    )
) to '{out}' (format parquet, compression snappy)
