-- One row per record of any of the data sets; which one it is, its fields tell. Times are text or numbers, as the job says.
with records as (
    select
        *,
        case
            when QueryName is not null then 4003
            when ActionType in ('login', 'logout') and "When" is not null then 3002
            when ActionType is not null and "When" is not null then 6003
            when AppDomain is not null or AppUUID is not null then 3002
            when ClientRequestHost is not null or ClientRequestMethod is not null then 4002
            else 0
        end as class,
        lower(nullif(coalesce(SecurityAction, case when AppDomain is null then Action end), '')) as verdict,
        coalesce(SourceIP, SrcIP, ActorIP, IPAddress, ClientIP) as address,
        coalesce(ResponseCode, RCode) as dns_code,
        coalesce(ClientRequestURI, ClientRequestPath || coalesce(ClientRequestQuery, '')) as uri,
        _file,
        _row,
        _rest
    from input
),

acted as (
    select
        *,
        case
            when class = 4002 then coalesce(ocsf_http_activity_id(ClientRequestMethod), 0)
            when class = 3002 then case coalesce(ActionType, Action) when 'logout' then 2 else 1 end
            when class = 4003 then 2
            when class = 0 then 0
            when lower(ActionType) ~ '^(add|create|invite)|_(add|create)$' then 1
            when lower(ActionType) ~ '^(get|view|read)' then 2
            when lower(ActionType) ~ '^(change|update|edit|set|rotate|purge|deploy)|_(set|edit|update)$' then 3
            when lower(ActionType) ~ '^(delete|remove|revoke)|_(del|delete|remove)$' then 4
            else 99
        end as activity,
        case
            when verdict is null then null
            when verdict in ('block', 'drop') then 2
            when verdict in ('allow', 'skip', 'bypass') then 1
            when verdict like '%challenge%' then 23
            when verdict = 'log' then 17
            else 99
        end as disposed
    from records
)

select
    parse_time(coalesce(Datetime, EdgeStartTimestamp, "When", CreatedAt, Timestamp)) as time,
    case when class = 4002 then parse_time(EdgeEndTimestamp) end as end_time,
    class as class_uid,
    activity as activity_id,
    case when activity = 99 then coalesce(ActionType, ClientRequestMethod) end as activity_name,
    case when disposed = 2 then 2 else 1 end as severity_id,
    case class
        when 4002 then case when EdgeResponseStatus >= 400 then 2 when EdgeResponseStatus > 0 then 1 end
        when 3002 then case when coalesce(Allowed, ActionResult) then 1 else 2 end
        when 6003 then case when ActionResult then 1 else 2 end
        when 4003 then case when dns_code = 0 then 1 when dns_code is not null then 2 end
    end as status_id,
    case when class = 4002 then cast(EdgeResponseStatus as text) end as status_code,
    case class
        when 4002 then concat_ws(' ', ClientRequestMethod, ClientRequestHost || uri, cast(EdgeResponseStatus as text), verdict)
        when 3002 then concat_ws(' ', coalesce(Email, ActorEmail), coalesce(Action, ActionType), AppDomain)
        when 6003 then concat_ws(' ', ActorEmail, ActionType, ResourceType, ResourceID)
        when 4003 then concat_ws(' ', address, 'asked for', QueryName)
    end as message,
    {
        'uid': coalesce(RayID, ID), 'event_code': coalesce(ActionType, Action),
        'log_name': case class when 4003 then 'dns' when 6003 then 'audit_logs' when 3002 then case when ActionType is null then 'access_requests' else 'audit_logs' end
            when 4002 then case when Datetime is not null then 'firewall_events' else 'http_requests' end end
    } as metadata,
    case when class <> 0 then {
        'ip': ocsf_endpoint(address, null)['ip'],
        'port': coalesce(ClientSrcPort, SrcPort),
        -- Jobs choose their fields: the address may not be among them.
        'name': case when ocsf_endpoint(address, null)['ip'] is null then coalesce(nullif(address, ''), 'unknown') end,
        'autonomous_system': {'number': ClientASN},
        'location': {'country': upper(nullif(coalesce(ClientCountry, Country), ''))}
    } end as src_endpoint,
    case class
        when 4002 then {'hostname': ClientRequestHost, 'ip': nullif(OriginIP, ''), 'port': cast(null as bigint)}
        when 4003 then {'hostname': cast(null as text), 'ip': DstIP, 'port': DstPort}
        when 3002 then {'hostname': AppDomain, 'ip': cast(null as text), 'port': cast(null as bigint)}
    end as dst_endpoint,
    case when class = 4002 then {
        'http_method': case when activity <> 99 then upper(ClientRequestMethod) end,
        'url': case when uri is not null then {
            'scheme': ClientRequestScheme, 'hostname': ClientRequestHost, 'path': coalesce(ClientRequestPath, split_part(uri, '?', 1)),
            'query_string': nullif(split_part(uri, '?', 2), '')
        } end,
        'user_agent': ClientRequestUserAgent,
        'referrer': ClientRequestReferer,
        'version': ClientRequestProtocol,
        'length': ClientRequestBytes
    } end as http_request,
    case when class = 4002 and EdgeResponseStatus > 0 then {
        'code': EdgeResponseStatus, 'length': EdgeResponseBytes, 'latency': EdgeTimeToFirstByteMs
    } end as http_response,
    case when class = 4002 and nullif(ClientSSLProtocol, 'none') <> '' then {'version': ClientSSLProtocol, 'cipher': ClientSSLCipher} end as tls,
    case when class = 4002 then disposed end as disposition_id,
    case when class = 4002 and disposed = 99 then verdict end as disposition,
    case when class = 4002 then case when disposed in (2, 23) then 2 when disposed = 1 then 1 when disposed is not null then 3 end end as action_id,
    case when class = 4002 then {
        'uid': nullif(coalesce(SecurityRuleID, RuleID), ''), 'name': nullif(coalesce(SecurityRuleDescription, Description), ''),
        'type': case when coalesce(SecurityRuleID, RuleID) <> '' then Source end
    } end as firewall_rule,
    case when class in (3002, 6003) then {'user': {
        'name': coalesce(nullif(ActorEmail, ''), nullif(Email, ''), ActorID, 'unknown'),
        'uid': coalesce(ActorID, UserUID),
        'email_addr': coalesce(ActorEmail, Email),
        'type_id': case when ActorType = 'user' or Email <> '' then 1 when ActorType is not null then 99 else 0 end,
        'type': case when ActorType <> 'user' then ActorType end
    }} end as actor,
    case when class = 3002 then {
        'name': coalesce(nullif(Email, ''), nullif(ActorEmail, ''), 'unknown'), 'uid': coalesce(UserUID, ActorID), 'email_addr': coalesce(Email, ActorEmail)
    } end as "user",
    case when class = 3002 then {'name': coalesce(AppDomain, 'Cloudflare'), 'uid': AppUUID} end as service,
    case when class = 6003 then {'operation': ActionType, 'request': {'uid': ID, 'data': coalesce(nullif(NewValue, '{}'), OldValue)}} end as api,
    case when class = 6003 and ResourceID <> '' then [{'uid': ResourceID, 'type': ResourceType}] end as resources,
    case when class = 4003 then {'hostname': QueryName, 'type': coalesce(QueryTypeName, case QueryType
        when '1' then 'A' when '2' then 'NS' when '5' then 'CNAME' when '6' then 'SOA' when '12' then 'PTR' when '15' then 'MX' when '16' then 'TXT'
        when '28' then 'AAAA' when '33' then 'SRV' when '64' then 'SVCB' when '65' then 'HTTPS' when '255' then 'ANY' else QueryType end)} end as query,
    case when class = 4003 then case when dns_code between 0 and 10 then dns_code when dns_code is not null then 99 end end as rcode_id,
    case when class = 4003 and dns_code > 10 then cast(dns_code as text) end as rcode,
    case when class = 6003 and nullif(NewValue, '{}') is not null and OldValue is not null
        then '{' || concat_ws(',', '"OldValue":' || case when OldValue ~ '^[\[{]' then OldValue end, nullif(substr(_rest, 2, length(_rest) - 2), '')) || '}'
        else _rest end as unmapped,
    _file,
    _row
from acted
