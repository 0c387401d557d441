-- One row per record, of whichever of these logs.
with records as (
    select
        *,
        coalesce(_path, case
            when pkts_proc is not null then 'stats'
            when percent_lost is not null then 'capture_loss'
            when filter is not null then 'packet_filter'
            when level is not null then 'reporter'
            else 'loaded_scripts'
        end) as log,
        _rest, _file, _row
    from input
)

select
    parse_time(ts) as time,
    99 as activity_id,
    log as activity_name,
    case
        when level is not null then ocsf_severity_id(replace(level, 'Reporter::', ''))
        when percent_lost >= 10 or not success then 3
        else 1
    end as severity_id,
    case when success then 1 when not success then 2 end as status_id,
    case log
        when 'stats' then concat_ws(' ', peer, 'processed', pkts_proc, 'packets, dropped', coalesce(pkts_dropped, 0))
        when 'capture_loss' then concat_ws(' ', peer, 'lost', round(percent_lost, 3), 'percent')
        when 'packet_filter' then concat_ws(' ', node, 'filters', filter)
        when 'reporter' then message
        else name
    end as message,
    {'log_name': log, 'log_level': level, 'log_source': coalesce(peer, node), 'logged_time': parse_time(_write_ts)} as metadata,
    nullif('{' || concat_ws(
        ',',
        '"mem":' || mem, '"pkts_proc":' || pkts_proc, '"bytes_recv":' || bytes_recv,
        '"pkts_dropped":' || pkts_dropped, '"pkts_link":' || pkts_link, '"pkts_filtered":' || pkts_filtered,
        '"events_proc":' || events_proc, '"events_queued":' || events_queued,
        '"active_tcp_conns":' || active_tcp_conns, '"active_udp_conns":' || active_udp_conns,
        '"active_icmp_conns":' || active_icmp_conns, '"tcp_conns":' || tcp_conns, '"udp_conns":' || udp_conns,
        '"icmp_conns":' || icmp_conns, '"timers":' || timers, '"active_timers":' || active_timers,
        '"files":' || files, '"active_files":' || active_files, '"dns_requests":' || dns_requests,
        '"active_dns_requests":' || active_dns_requests, '"reassem_tcp_size":' || reassem_tcp_size,
        '"reassem_file_size":' || reassem_file_size, '"reassem_frag_size":' || reassem_frag_size,
        '"reassem_unknown_size":' || reassem_unknown_size, '"pkt_lag":' || pkt_lag, '"ts_delta":' || ts_delta,
        '"gaps":' || gaps, '"acks":' || acks, '"percent_lost":' || percent_lost, '"init":' || init,
        substr(_rest, 2, length(_rest) - 2)
    ) || '}', '{}') as unmapped,
    _file,
    _row
from records
