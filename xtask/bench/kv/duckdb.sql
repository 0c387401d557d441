copy (
    select
        make_timestamp(regexp_extract(line, ' eventtime=(\d+)', 1)::bigint // 1000) as event_time,
        regexp_extract(line, ' srcip=(\S+)', 1) as source_ip,
        regexp_extract(line, ' srcport=(\S+)', 1)::bigint as source_port,
        regexp_extract(line, ' dstip=(\S+)', 1) as dest_ip,
        regexp_extract(line, ' dstport=(\S+)', 1)::bigint as dest_port,
        regexp_extract(line, ' user="([^"]*)"', 1) as user_name,
        regexp_extract(line, ' action="([^"]*)"', 1) as action,
        regexp_extract(line, ' service="([^"]*)"', 1) as service,
        regexp_extract(line, ' devname="([^"]*)"', 1) as device,
        regexp_extract(line, ' policyid=(\S+)', 1)::bigint as policy_id,
        regexp_extract(line, ' sentbyte=(\S+)', 1)::bigint as bytes_sent,
        regexp_extract(line, ' rcvdbyte=(\S+)', 1)::bigint as bytes_received
    from read_csv(
        '{file}',
        auto_detect = false, header = false, delim = '\x01', quote = '', escape = '', columns = {line: 'varchar'}
    )
) to '{out}' (format parquet, compression zstd)
