-- One row per login or query.
with records as (
    select
        *,
        case when QUERY_TEXT is not null or QUERY_TYPE is not null then 6005 when EVENT_TYPE is not null and IS_SUCCESS is not null then 3002 else 0 end as class_uid,
        ocsf_endpoint(nullif(CLIENT_IP, '0.0.0.0'), null) as client,
        coalesce(EVENT_TIMESTAMP, START_TIME, CREATED_ON, p_event_time) as happened,
        _rest, _file, _row
    from input
)

select
    -- Snowflake writes a blank in front of the zone.
    parse_time(regexp_replace(happened, ' ([+-]\d{4})$', '\1')) as time,
    class_uid,
    case
        when class_uid = 3002 then 1
        when class_uid = 0 then 99
        when QUERY_TYPE in ('SELECT', 'UNLOAD', 'GET_FILES') then 1
        when QUERY_TYPE in ('UPDATE', 'MERGE') or QUERY_TYPE like 'ALTER%' or QUERY_TYPE like 'RENAME%' or QUERY_TYPE in ('GRANT', 'REVOKE') then 2
        when QUERY_TYPE in ('INSERT', 'COPY', 'PUT_FILES', 'MULTI_TABLE_INSERT') then 5
        when QUERY_TYPE like 'CREATE%' or QUERY_TYPE like 'RESTORE%' then 6
        when QUERY_TYPE in ('DELETE', 'TRUNCATE_TABLE', 'REMOVE_FILES') or QUERY_TYPE like 'DROP%' then 7
        when QUERY_TYPE in ('SHOW', 'DESCRIBE', 'LIST_FILES') then 8
        else 4
    end as activity_id,
    case when class_uid = 0 then coalesce(EVENT_TYPE, 'record of another view') end as activity_name,
    case when IS_SUCCESS = 'YES' or EXECUTION_STATUS = 'SUCCESS' then 1 when IS_SUCCESS is not null or EXECUTION_STATUS like 'FAIL%' then 2 when EXECUTION_STATUS is not null then 99 end as status_id,
    case when EXECUTION_STATUS is not null and EXECUTION_STATUS <> 'SUCCESS' and EXECUTION_STATUS not like 'FAIL%' then EXECUTION_STATUS end as status,
    ERROR_CODE as status_code,
    ERROR_MESSAGE as status_detail,
    concat_ws(' ', USER_NAME, coalesce(QUERY_TYPE, EVENT_TYPE), coalesce(ERROR_MESSAGE, substr(QUERY_TEXT, 1, 200))) as message,
    {
        'user': {
            'name': case when class_uid = 6005 then coalesce(USER_NAME, 'unknown') end,
            'groups': case when class_uid = 6005 and ROLE_NAME is not null then [{'name': ROLE_NAME, 'type': 'role'}] end
        },
        'session': {'uid': case when class_uid = 6005 then SESSION_ID end},
        'app_name': case when class_uid = 3002 then concat_ws(' ', REPORTED_CLIENT_TYPE, REPORTED_CLIENT_VERSION) end
    } as actor,
    case when class_uid = 3002 then {'name': coalesce(USER_NAME, 'unknown'), 'email_addr': case when USER_NAME like '%@%.%' then USER_NAME end} end as "user",
    case when class_uid = 3002 then {'name': coalesce(CONNECTION, 'Snowflake')} end as service,
    -- What was asked for elsewhere, at a single sign-on, is not known here.
    case when class_uid = 3002 then case when SECOND_AUTHENTICATION_FACTOR is not null then true when FIRST_AUTHENTICATION_FACTOR = 'PASSWORD' then false end end as is_mfa,
    case
        when class_uid = 3002 and SECOND_AUTHENTICATION_FACTOR is not null then [
            {'factor_type': case when FIRST_AUTHENTICATION_FACTOR <> 'PASSWORD' then FIRST_AUTHENTICATION_FACTOR end, 'factor_type_id': case when FIRST_AUTHENTICATION_FACTOR = 'PASSWORD' then 11 else 99 end},
            {'factor_type': SECOND_AUTHENTICATION_FACTOR, 'factor_type_id': 99}]
        when class_uid = 3002 and FIRST_AUTHENTICATION_FACTOR is not null then [
            {'factor_type': case when FIRST_AUTHENTICATION_FACTOR <> 'PASSWORD' then FIRST_AUTHENTICATION_FACTOR end, 'factor_type_id': case when FIRST_AUTHENTICATION_FACTOR = 'PASSWORD' then 11 else 99 end}]
    end as auth_factors,
    case when class_uid = 6005 then {'name': coalesce(DATABASE_NAME, 'unknown'), 'uid': DATABASE_ID, 'type_id': 1} end as database,
    case when class_uid = 6005 then {
        'uid': QUERY_ID, 'name': coalesce(QUERY_TYPE, 'query'), 'query_string': coalesce(nullif(QUERY_TEXT, ''), QUERY_TYPE, 'unknown'), 'bytes': BYTES_SCANNED
    } end as query_info,
    case when class_uid = 6005 then TOTAL_ELAPSED_TIME end as duration,
    case when class_uid = 6005 then parse_time(regexp_replace(END_TIME, ' ([+-]\d{4})$', '\1')) end as end_time,
    case when class_uid <> 0 then {
        'ip': client.ip, 'name': case when client.ip is null and class_uid = 6005 then 'unknown' end
    } end as src_endpoint,
    {'uid': coalesce(EVENT_ID, QUERY_ID), 'event_code': coalesce(QUERY_TYPE, EVENT_TYPE), 'original_time': happened,
        'log_name': case class_uid when 3002 then 'LOGIN_HISTORY' when 6005 then 'QUERY_HISTORY' end} as metadata,
    _rest as unmapped,
    _file,
    _row
from records
