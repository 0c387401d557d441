copy (
    select
        make_timestamp("start" * 1000000) as event_time,
        "account-id" as account_id,
        "interface-id" as interface_id,
        srcaddr as source_ip,
        dstaddr as dest_ip,
        srcport as source_port,
        dstport as dest_port,
        protocol,
        packets,
        bytes,
        action
    from read_csv(
        '{file}',
        auto_detect = false, header = true, delim = ' ', quote = '', escape = '', nullstr = '-',
        columns = {
            'version': 'varchar', 'account-id': 'varchar', 'interface-id': 'varchar', 'srcaddr': 'varchar',
            'dstaddr': 'varchar', 'srcport': 'bigint', 'dstport': 'bigint', 'protocol': 'bigint', 'packets': 'bigint',
            'bytes': 'bigint', 'start': 'bigint', 'end': 'varchar', 'action': 'varchar', 'log-status': 'varchar'
        }
    )
) to '{out}' (format parquet, compression zstd)
