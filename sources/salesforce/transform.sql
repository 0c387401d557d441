-- One row per event: logins, findings of threat detection, and everything else as a call.
with events as (
    select
        *,
        case
            when EVENT_TYPE in ('Login', 'LoginEvent', 'LoginAs', 'Logout', 'LogoutEvent', 'LoginAsEvent', 'IdentityVerificationEvent') then 3002
            when regexp_like(EVENT_TYPE, '^(CredentialStuffing|ReportAnomaly|ApiAnomaly|SessionHijacking|GuestUserAnomaly)') then 2004
            else 6003
        end as class_uid,
        coalesce(nullif(CLIENT_IP, ''), nullif(SOURCE_IP, '')) as ip,
        coalesce(REPORT_ID_DERIVED, REPORT_ID) as report,
        coalesce(nullif(USER_ID_DERIVED, ''), USER_ID) as uid,
        lower(coalesce(METHOD, METHOD_NAME)) as verb,
        _rest, _file, _row
    from input
),

rated as (
    select
        *,
        case
            when class_uid = 3002 then case when EVENT_TYPE like 'Logout%' then 2 when EVENT_TYPE like 'LoginAs%' then 7 else 1 end
            when class_uid = 2004 then 1
            when regexp_like(verb, '^(get|query|read|describe|retrieve|search|head)') or EVENT_TYPE in ('ReportExport', 'Report', 'URI', 'LightningPageView', 'ContentTransfer', 'DocumentAttachmentDownloads', 'ListViewEvent', 'ReportEvent', 'Search') then 2
            when regexp_like(verb, '^(post|create|insert|convert)') then 1
            when regexp_like(verb, '^(put|patch|update|upsert|merge)') then 3
            when verb like 'delete%' then 4
            else 99
        end as activity_id
    from events
)

select
    parse_time(coalesce(TIMESTAMP_DERIVED, TIMESTAMP)) as time,
    class_uid,
    activity_id,
    case when activity_id = 99 then EVENT_TYPE end as activity_name,
    case
        when LOGIN_STATUS = 'LOGIN_NO_ERROR' then 1
        when LOGIN_STATUS is not null then 2
        when coalesce(REQUEST_STATUS, STATUS) in ('S', 'R', 'Success') then 1
        when coalesce(REQUEST_STATUS, STATUS) in ('F', 'A', 'N', 'Failed', 'Failure') then 2
        when coalesce(REQUEST_STATUS, STATUS) = 'U' then 0
        when STATUS_CODE between '200' and '399' then 1
        when STATUS_CODE between '400' and '599' then 2
    end as status_id,
    STATUS_CODE as status_code,
    coalesce(case when LOGIN_STATUS <> 'LOGIN_NO_ERROR' then LOGIN_STATUS end, EXCEPTION_MESSAGE) as status_detail,
    case when class_uid = 2004 then coalesce(ocsf_severity_id(SEVERITY), 0) end as severity_id,
    concat_ws(' ', coalesce(USER_NAME, uid), EVENT_TYPE, coalesce(CONNECTED_APP_NAME, ENTITY_NAME, report, URI, LOGIN_STATUS)) as message,
    case when class_uid = 6003 or DELEGATED_USER_ID is not null then {
        'user': {
            'name': coalesce(DELEGATED_USER_NAME, USER_NAME, case when uid is null then 'unknown' end), 'uid': coalesce(DELEGATED_USER_ID, uid),
            'type': case when DELEGATED_USER_ID is null then USER_TYPE end,
            'type_id': case when DELEGATED_USER_ID is null and USER_TYPE is not null then 99 end,
            'email_addr': case when USER_NAME like '%@%.%' and DELEGATED_USER_ID is null then USER_NAME end
        },
        'session': {'uid': case when class_uid = 6003 then coalesce(SESSION_KEY, LOGIN_KEY) end},
        'app_name': coalesce(CONNECTED_APP_NAME, CLIENT_NAME),
        'app_uid': coalesce(CONNECTED_APP_ID, json_text(_rest, 'CLIENT_ID'))
    } end as actor,
    case when class_uid = 3002 then {
        'name': coalesce(USER_NAME, case when uid is null then 'unknown' end), 'uid': uid,
        'email_addr': case when USER_NAME like '%@%.%' then USER_NAME end,
        'type': USER_TYPE, 'type_id': case when USER_TYPE is not null then 99 end
    } end as "user",
    case when class_uid = 3002 then {'uid': coalesce(SESSION_KEY, LOGIN_KEY)} end as session,
    case when class_uid = 3002 then {'name': 'Salesforce', 'uid': ORGANIZATION_ID} end as service,
    case when class_uid = 3002 and EVENT_TYPE like 'LoginAs%' then 2 end as account_switch_type_id,
    case when class_uid = 3002 then nullif(LOGIN_TYPE, '') end as logon_type,
    case when class_uid = 3002 and nullif(LOGIN_TYPE, '') is not null then 99 end as logon_type_id,
    case when class_uid = 6003 then {
        'operation': concat_ws(' ', EVENT_TYPE, coalesce(METHOD_NAME, METHOD), CONNECTION_TYPE),
        'version': json_text(_rest, 'API_VERSION'),
        'request': {'uid': coalesce(REQUEST_ID, 'unknown'), 'flags': case when OAUTH_SCOPES is not null then string_to_array(OAUTH_SCOPES, ' ') end}
    } end as api,
    case when class_uid = 6003 then [{
        'name': coalesce(CONNECTED_APP_NAME, ENTITY_NAME, URI), 'uid': coalesce(CONNECTED_APP_ID, report, DASHBOARD_ID),
        'type': case when CONNECTED_APP_ID is not null then 'connected app' when report is not null then 'report' when ENTITY_NAME is not null then 'entity' end
    }] end as resources,
    case when class_uid = 2004 then {'uid': coalesce(EVENT_IDENTIFIER, REQUEST_ID, EVENT_TYPE), 'title': EVENT_TYPE, 'desc': SUMMARY, 'types': [EVENT_TYPE]} end as finding_info,
    case when class_uid = 2004 then [{'user': {'name': coalesce(USER_NAME, uid), 'uid': uid}, 'src_endpoint': {'ip': ocsf_endpoint(ip, null)['ip']}}] end as evidences,
    case when class_uid <> 2004 then {'ip': ocsf_endpoint(ip, null)['ip'], 'name': case when ocsf_endpoint(ip, null)['ip'] is null and class_uid = 6003 then coalesce(nullif(ip, ''), 'unknown') end} end as src_endpoint,
    case when class_uid <> 2004 then {
        'user_agent': coalesce(USER_AGENT, BROWSER_TYPE),
        'url': {'path': case when URI like '/%' then split_part(URI, '?', 1) end, 'query_string': case when URI like '/%' then nullif(split_part(URI, '?', 2), '') end}
    } end as http_request,
    {'uid': REQUEST_ID, 'event_code': EVENT_TYPE, 'tenant_uid': ORGANIZATION_ID, 'original_time': coalesce(TIMESTAMP_DERIVED, TIMESTAMP)} as metadata,
    _rest as unmapped,
    _file,
    _row
from rated
