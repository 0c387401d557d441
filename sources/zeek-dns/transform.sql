-- One row per query with its answers. A list cannot be rebuilt item by item, so the first eight answers are written out;
-- longer lists are in `unmapped`, too.
with queries as (
    select *, parse_time(ts) as at, _rest, _file, _row from input
)

select
    at as time,
    case when rcode is null and answers is null then 1 else 6 end as activity_id,
    case when rcode = 0 then 1 when rcode > 0 then 2 end as status_id,
    case when rcode between 12 and 15 then 24 when rcode <= 23 then rcode when rcode is not null then 99 end as rcode_id,
    case when rcode > 23 then coalesce(rcode_name, cast(rcode as text)) end as rcode,
    case when query is not null then {
        'hostname': case when query = '' then '.' else query end,
        'type': coalesce(qtype_name, cast(qtype as text)),
        'class': case when qclass_name = 'C_INTERNET' then 'IN' else coalesce(qclass_name, cast(qclass as text)) end,
        'packet_uid': trans_id,
        'opcode_id': case when opcode between 0 and 6 then opcode when opcode is not null then 99 end
    } end as query,
    [
        {'rdata': answers[1], 'ttl': cast("TTLs"[1] as bigint)},
        {'rdata': answers[2], 'ttl': cast("TTLs"[2] as bigint)},
        {'rdata': answers[3], 'ttl': cast("TTLs"[3] as bigint)},
        {'rdata': answers[4], 'ttl': cast("TTLs"[4] as bigint)},
        {'rdata': answers[5], 'ttl': cast("TTLs"[5] as bigint)},
        {'rdata': answers[6], 'ttl': cast("TTLs"[6] as bigint)},
        {'rdata': answers[7], 'ttl': cast("TTLs"[7] as bigint)},
        {'rdata': answers[8], 'ttl': cast("TTLs"[8] as bigint)}
    ] as answers,
    at as query_time,
    at + arrow_cast(cast(round(rtt * 1e6) as bigint), 'Duration(Microsecond)') as response_time,
    cast(round(rtt * 1e3) as bigint) as duration,
    {'ip': "id.orig_h", 'port': "id.orig_p"} as src_endpoint,
    {'ip': "id.resp_h", 'port': "id.resp_p"} as dst_endpoint,
    {
        'uid': uid,
        'community_uid': community_id,
        'protocol_name': proto,
        'protocol_num': case proto when 'tcp' then 6 when 'udp' then 17 when 'icmp' then 1 end,
        'direction_id': case
            when ip_is_private("id.orig_h") and ip_is_private("id.resp_h") then 3
            when ip_is_private("id.orig_h") then 2
            when ip_is_private("id.resp_h") then 1
            else 0
        end
    } as connection_info,
    {'correlation_uid': uid, 'log_name': coalesce(_path, 'dns'), 'logged_time': parse_time(_write_ts)} as metadata,
    nullif('{' || concat_ws(
        ',',
        '"trans_id":' || case when query is null then trans_id end, '"AA":' || "AA", '"TC":' || "TC",
        '"RD":' || "RD", '"RA":' || "RA", '"Z":' || "Z", '"rejected":' || rejected,
        case when array_length(answers) > 8
            then '"answers":"' || replace(replace(array_to_string(answers, ' '), '\', '\\'), '"', '\"') || '"' end,
        substr(_rest, 2, length(_rest) - 2)
    ) || '}', '{}') as unmapped,
    _file,
    _row
from queries
