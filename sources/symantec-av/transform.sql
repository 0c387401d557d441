-- One row per line. A time is six bytes in hexadecimal digits: years from 1970, months from 0, day, hour, minute, second, on
-- the host's own clock; they are read as UTC.
with digits as (
    select *, lower("time") as t, '0123456789abcdef' as d, _raw, _rest, _file, _row
    from input
),

events as (
    select
        *,
        concat(
            1970 + 16 * strpos(d, substr(t, 1, 1)) + strpos(d, substr(t, 2, 1)) - 17, '-', lpad(cast(16 * strpos(d, substr(t, 3, 1)) + strpos(d, substr(t, 4, 1)) - 17 + 1 as text), 2, '0'), '-',
            lpad(cast(16 * strpos(d, substr(t, 5, 1)) + strpos(d, substr(t, 6, 1)) - 17 as text), 2, '0'), ' ', lpad(cast(16 * strpos(d, substr(t, 7, 1)) + strpos(d, substr(t, 8, 1)) - 17 as text), 2, '0'), ':',
            lpad(cast(16 * strpos(d, substr(t, 9, 1)) + strpos(d, substr(t, 10, 1)) - 17 as text), 2, '0'), ':', lpad(cast(16 * strpos(d, substr(t, 11, 1)) + strpos(d, substr(t, 12, 1)) - 17 as text), 2, '0')
        ) as said_time,
        case
            when virus is not null and event in ('1', '5', '46', '47', '48', '49', '50', '51') then 2004
            when event in ('2', '3') then 6007
            when event in ('4', '7') then 6002
            else 0
        end as class_uid,
        case event when '1' then 'Alert' when '2' then 'Scan ended' when '3' then 'Scan started' when '4' then 'Definitions updated' when '5' then 'Infection'
            when '7' then 'Definitions loaded' when '46' then 'Anomaly begun' when '47' then 'Action taken' when '48' then 'Remediation pending'
            when '49' then 'Remediation failed' when '50' then 'Remediation done' when '51' then 'Anomaly ended' else 'Event ' || event end as title,
        case action0 when '1' then 'Quarantined' when '2' then 'Renamed' when '3' then 'Deleted' when '4' then 'Left alone' when '5' then 'Cleaned'
            when '14' then 'Pending repair' when '15' then 'Partially repaired' when '19' then 'Cleaned by deletion' when '20' then 'Access denied'
            when '21' then 'Process ended' when '22' then 'No repair available' when '23' then 'All actions failed' end as taken
    from digits
)

select
    case when regexp_like(t, '^[0-9a-f]{12}$') then parse_time(said_time) end as time,
    class_uid,
    case class_uid when 2004 then case when event in ('1', '5', '46') then 1 else 2 end when 6007 then case event when '3' then 1 else 2 end
        when 6002 then 8 else 0 end as activity_id,
    case when class_uid = 2004 then 4 else 1 end as severity_id,
    case when class_uid = 2004 then case action0 when '1' then 2 when '3' then 2 when '5' then 2 when '19' then 2 when '20' then 2 when '21' then 2
        when '4' then 3 else 0 end end as action_id,
    case when class_uid = 2004 then case action0 when '1' then 3 when '3' then 5 when '4' then 17 when '5' then 11 when '14' then 14 when '15' then 12
        when '19' then 5 when '20' then 2 when '21' then 2 when '22' then 13 when '23' then 13 else 0 end end as disposition_id,
    concat_ws(' ', title, virus, trim(file), nullif(description, ''), 'on ' || computer) as message,
    {'hostname': computer, 'type_id': 0, 'uid': guid, 'mac': case when regexp_like(macaddr, '^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$') then macaddr end,
        'ip': ocsf_endpoint(address, null)['ip'], 'domain': ntdomain} as device,
    {'user': ocsf_user("user")} as actor,
    case when class_uid = 2004 then {
        -- The session of the detection; a line without one gives itself.
        'uid': coalesce(log_session_guid, md5(_raw)),
        'title': virus,
        'desc': concat_ws(': ', title, taken),
        'types': ['Malware']
    } end as finding_info,
    case when class_uid = 2004 then [{'name': virus, 'uid': virus_id, 'classification_ids': [0]}] end as malware,
    case when class_uid = 2004 then [{'file': ocsf_file(file), 'user': ocsf_user("user")}] end as evidences,
    case when class_uid = 6007 then {'uid': coalesce(scanid, 'unknown'), 'type_id': 0} end as scan,
    case when class_uid = 6002 then {'name': 'Symantec Endpoint Protection definitions', 'vendor_name': 'Symantec', 'version': version} end as app,
    {'event_code': event, 'log_name': 'AV', 'original_time': "time", 'product': {'name': 'Endpoint Protection', 'vendor_name': 'Symantec', 'version': version}} as metadata,
    case when class_uid = 0 then _raw end as raw_data,
    _rest as unmapped,
    _file,
    _row
from events
