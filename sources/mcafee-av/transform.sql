-- One row per line. Lines of the access protection have 8 cells, those of port blocking 6 without a user, those of scans 7.
-- Times are those of the host's own clock, without a zone: they are read as UTC.
with lines as (
    select
        *,
        trim(what) as action,
        what like '%port blocking%' as is_port,
        coalesce(regexp_like(what, 'locked by .*rule'), false) as is_rule,
        _raw, _rest, _file, _row
    from input
),

parts as (
    select
        *,
        case when not is_port then cell4 end as user_name,
        case when is_port then cell4 else cell5 end as process,
        case when not is_port then cell6 end as object,
        case when is_port then cell6 end as address,
        -- A rule, or what the scanner calls the malware.
        case when is_port then cell5 else cell7 end as name,
        case when is_rule or coalesce(cell7, '') <> '' then 2004 else 0 end as class_uid
    from lines
)

select
    -- Lines of statistics have no time: they get that of the line before.
    coalesce(parse_time(date || ' ' || "time"),
        last_value(parse_time(date || ' ' || "time")) ignore nulls over (order by _row rows between unbounded preceding and current row)) as time,
    class_uid,
    case when class_uid = 2004 then 1 else 0 end as activity_id,
    case when class_uid = 0 then 1 when is_rule then 2 else 4 end as severity_id,
    case when action like 'Would be blocked%' then 3 when action like 'Blocked%' then 2 when regexp_like(action, '^(Deleted|Cleaned|Moved)') then 2
        when action like 'No Action%' then 1 else 0 end as action_id,
    case when action like 'Would be blocked%' then 17 when action like 'Blocked%' then 2 when action like 'Deleted%' then 5 when action like 'Cleaned%' then 11
        when action like 'Moved%' then 3 when action like 'No Action%' then 16 else 0 end as disposition_id,
    concat_ws(' ', coalesce(name || ':', action), coalesce(object, address), 'by ' || process) as message,
    {'user': ocsf_user(user_name), 'app_name': process} as actor,
    case when class_uid = 2004 then {
        -- Lines have no identifier: the same line gives the same one.
        'uid': md5(_raw),
        'title': name,
        'desc': action,
        'types': [case when is_rule then 'Access protection' else 'Malware' end],
        'analytic': {'name': name, 'type_id': case when is_rule then 1 else 5 end}
    } end as finding_info,
    case when class_uid = 2004 then [{
        'file': case when regexp_like(object, '^([A-Za-z]:|\\\\)') then ocsf_file(object) end,
        'reg_key': {'path': case when starts_with(upper(object), '\REGISTRY\') then object end},
        'dst_endpoint': ocsf_endpoint(address, null),
        'actor': {'app_name': process},
        'name': cell8
    }] end as evidences,
    case when class_uid = 2004 and not is_rule then [{'name': name, 'classification_ids': [0]}] end as malware,
    {'original_time': date || ' ' || "time"} as metadata,
    case when class_uid = 0 then _raw end as raw_data,
    _rest as unmapped,
    _file,
    _row
from parts
