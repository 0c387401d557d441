copy (
    select
        make_timestamp((ts * 1000000)::bigint) as event_time,
        uid,
        "id.orig_h" as source_ip,
        "id.orig_p" as source_port,
        "id.resp_h" as dest_ip,
        "id.resp_p" as dest_port,
        proto as protocol,
        service,
        duration,
        orig_bytes as bytes_sent,
        resp_bytes as bytes_received,
        conn_state
    from read_csv(
        '{file}',
        auto_detect = false, header = false, delim = '\t', quote = '', escape = '', comment = '#', nullstr = '-',
        columns = {
            'ts': 'double', 'uid': 'varchar', 'id.orig_h': 'varchar', 'id.orig_p': 'bigint', 'id.resp_h': 'varchar',
            'id.resp_p': 'bigint', 'proto': 'varchar', 'service': 'varchar', 'duration': 'double', 'orig_bytes': 'bigint',
            'resp_bytes': 'bigint', 'conn_state': 'varchar', 'local_orig': 'varchar', 'local_resp': 'varchar',
            'missed_bytes': 'varchar', 'history': 'varchar', 'orig_pkts': 'varchar', 'orig_ip_bytes': 'varchar',
            'resp_pkts': 'varchar', 'resp_ip_bytes': 'varchar', 'tunnel_parents': 'varchar'
        }
    )
) to '{out}' (format parquet, compression zstd)
