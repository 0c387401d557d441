-- One row per message. The app `admin_audit` tells in words who did what to which file, user or group.
with parsed as (
    select
        reqId, level, "time" as logged, remoteAddr, app, method, url, message, userAgent, version,
        nullif("user", '--') as who,
        regexp_match(message, '^Login failed: ''?(.*?)''? \(Remote IP: ''?([^'')]*)''?\)') as failed,
        regexp_match(message, '^(Login successful|Login attempt|Logout occurred):? ?"?([^"]*)"?') as login,
        regexp_match(message, '^User (created|deleted|enabled|disabled): "([^"]*)"|^Password of user "([^"]*)" has been changed') as account,
        regexp_match(message, '^(?:User|Password of user) [^"]*"([^"]*)"')[1] as account_name,
        regexp_match(message, '^User "([^"]*)" (added to|removed from) group "([^"]*)"') as member,
        regexp_match(message, '^Group (created|deleted): "([^"]*)"') as grp,
        regexp_match(message, '^File (?:with id "[^"]*" )?(accessed|created|deleted|updated|written to|renamed|copied|shared|unshared|restored)\w*\b[^"]*"([^"]*)"') as file,
        regexp_match(message, '^The (?:file|folder) "([^"]*)".* has been (shared|unshared)') as shared,
        _raw, _rest, _file, _row
    from input
),

classified as (
    select
        *,
        case
            when failed is not null or login is not null then 3002
            when account is not null then 3001
            when coalesce(member, grp) is not null then 3006
            when coalesce(file, shared) is not null and remoteAddr <> '' then 6006
            else 0
        end as class_uid
    from parsed
)

select
    parse_time(logged) as time,
    class_uid,
    case class_uid
        when 3002 then case login[1] when 'Logout occurred' then 2 else 1 end
        when 3001 then case account[1] when 'created' then 1 when 'deleted' then 6 when 'enabled' then 2 when 'disabled' then 5 else 3 end
        when 3006 then case when member[2] = 'added to' then 3 when member is not null then 4 when grp[1] = 'created' then 6 else 5 end
        when 6006 then case coalesce(file[1], shared[2])
            when 'accessed' then 14 when 'created' then 1 when 'deleted' then 4 when 'updated' then 3 when 'written to' then 3
            when 'renamed' then 5 when 'copied' then 6 when 'restored' then 8 when 'shared' then 12 when 'unshared' then 13 else 0
        end
        else 0
    end as activity_id,
    case level when 0 then 1 when 1 then 1 when 2 then 2 when 3 then 3 when 4 then 6 else 0 end as severity_id,
    case
        when failed is not null then 2
        when class_uid = 3002 and login[1] = 'Login attempt' then 0
        when class_uid <> 0 then 1
    end as status_id,
    message,
    {'name': case
        when class_uid = 3002 then coalesce(nullif(coalesce(failed[1], login[2]), ''), who, 'unknown')
        when class_uid = 3001 then coalesce(account_name, 'unknown')
        when class_uid = 3006 then member[1]
    end} as "user",
    case when class_uid in (3001, 3002, 3006, 6006) then {
        'user': {'name': case when class_uid <> 3002 then who end},
        'app_name': case when class_uid = 6006 or app not in ('no app in context', 'core') then coalesce(app, 'Nextcloud') end
    } end as actor,
    case when class_uid = 3006 then {'name': coalesce(member[3], grp[2])} end as "group",
    case when class_uid = 6006 then ocsf_file(coalesce(file[2], shared[1])) end as file,
    case when class_uid <> 0 then ocsf_endpoint(coalesce(nullif(remoteAddr, ''), failed[2]), null) end as src_endpoint,
    case when class_uid = 3002 then {'name': 'Nextcloud'} end as service,
    case when class_uid = 3002 then true end as is_remote,
    case when class_uid <> 0 then {'http_method': case when method in ('GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH') then method end,
        'url': ocsf_url(url), 'user_agent': nullif(userAgent, '--')} end as http_request,
    {'uid': reqId, 'log_name': app, 'log_level': cast(level as text), 'log_version': version, 'original_time': logged} as metadata,
    case when class_uid = 0 then _raw end as raw_data,
    _rest as unmapped,
    _file,
    _row
from classified
