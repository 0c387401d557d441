-- One row per cmdlet: permissions, role groups and new mailboxes have classes of their own.
with cmdlets as (
    select
        *,
        ocsf_endpoint(nullif(ClientIP, ''), null) as client,
        replace(regexp_match(Parameters, '"Name"\s*:\s*"Identity"\s*,\s*"Value"\s*:\s*"((?:[^"\\]|\\.)*)"')[1], '\\', '\') as identity,
        regexp_match(Parameters, '"Name"\s*:\s*"(?:User|Member|Trustee)"\s*,\s*"Value"\s*:\s*"((?:[^"\\]|\\.)*)"')[1] as target,
        regexp_match(Parameters, '"Name"\s*:\s*"(?:Name|UserPrincipalName|MicrosoftOnlineServicesID|DisplayName)"\s*,\s*"Value"\s*:\s*"((?:[^"\\]|\\.)*)"')[1] as name,
        regexp_match(Parameters, '"Name"\s*:\s*"AccessRights"\s*,\s*"Value"\s*:\s*"([^"]*)"')[1] as rights,
        _rest, _file, _row
    from input
),

classified as (
    select
        *,
        case
            when regexp_like(Operation, '^(Add|Remove)-(MailboxPermission|RecipientPermission|MailboxFolderPermission)$') and target is not null then 3005
            when regexp_like(Operation, '^(Add|Remove)-(RoleGroupMember|DistributionGroupMember|UnifiedGroupLinks)$|^(New|Remove)-(RoleGroup|DistributionGroup|UnifiedGroup)$') then 3006
            when regexp_like(Operation, '^(New|Enable|Disable|Remove)-(Mailbox|RemoteMailbox|MailUser)$') then 3001
            else 6003
        end as class_uid
    from cmdlets
)

select
    parse_time(TimeGenerated) as time,
    class_uid,
    case class_uid
        when 3005 then case when Operation like 'Add-%' then 1 else 2 end
        when 3006 then case when Operation like 'New-%' then 6 when Operation like 'Remove-%Group' then 5 when Operation like 'Remove-%' then 4 else 3 end
        when 3001 then case when Operation like 'New-%' then 1 when Operation like 'Enable-%' then 2 when Operation like 'Disable-%' then 5 else 6 end
        else case
            when regexp_like(Operation, '^(New|Add|Install)-') then 1
            when regexp_like(Operation, '^(Get|Search|Test)-') then 2
            when regexp_like(Operation, '^(Set|Update|Enable|Disable|Start|Stop)-') then 3
            when regexp_like(Operation, '^(Remove|Uninstall)-') then 4
            else 99
        end
    end as activity_id,
    case when class_uid = 6003 and not regexp_like(Operation, '^(New|Add|Install|Get|Search|Test|Set|Update|Enable|Disable|Start|Stop|Remove|Uninstall)-') then Operation end as activity_name,
    case ResultStatus when 'True' then 1 when 'False' then 2 end as status_id,
    concat_ws(' ', coalesce(nullif(UserId, ''), 'somebody'), Operation, coalesce(identity, name)) as message,
    {'user': {'name': coalesce(nullif(UserId, ''), 'unknown'), 'uid': UserKey,
        'email_addr': case when UserId like '%@%.%' then UserId end, 'type_id': case when UserId like 'NT AUTHORITY%' then 3 end}} as actor,
    case when class_uid = 3005 or (class_uid = 3006 and target is not null) then {'name': target}
        when class_uid = 3001 then {'name': coalesce(name, identity, 'unknown')} end as "user",
    case when class_uid = 3005 then [coalesce(rights, Operation)] end as privileges,
    case when class_uid = 3006 then {'name': coalesce(identity, name, 'unknown')} end as "group",
    case when class_uid = 6003 then {
        'operation': Operation,
        'service': {'name': 'Exchange'},
        'request': {'uid': coalesce(OfficeId, 'unknown'), 'data': Parameters}
    } end as api,
    case when class_uid in (6003, 3005) then [{'name': coalesce(identity, name, OfficeObjectId)}] end as resources,
    {'ip': client.ip, 'port': client.port, 'name': case when client.ip is null and class_uid = 6003 then 'unknown' end} as src_endpoint,
    {'uid': OfficeId, 'event_code': Operation, 'log_name': 'ExchangeAdmin', 'tenant_uid': OrganizationId, 'original_time': TimeGenerated} as metadata,
    case when class_uid = 6003 then _rest else '{"Parameters":' || case when Parameters like '[%' then Parameters else 'null' end || coalesce(',' || substr(_rest, 2), '}') end as unmapped,
    _file,
    _row
from classified
