-- One row per audit record, whatever the workload. Which class it is goes by the operation.
with records as (
    select
        *,
        coalesce(CreationTime, creationtime) as created,
        coalesce(Id, id) as record_id,
        rtrim(coalesce(Operation, operation), '.') as op,
        coalesce(Workload, workload) as service_name,
        coalesce(nullif(UserId, ''), userid, UserKey, userkey) as user_name,
        coalesce(nullif(ObjectId, ''), objectid) as object_id,
        coalesce(Parameters, parameters) as params,
        coalesce(ResultStatus, resultstatus) as result,
        ocsf_endpoint(coalesce(nullif(ClientIP, ''), nullif(clientip, ''), ClientIPAddress, ActorIpAddress), null) as client,
        _rest, _file, _row
    from input
),

classified as (
    select
        *,
        case
            when op in ('UserLoggedIn', 'UserLoginFailed', 'UserLoggedOff', 'MailboxLogin', 'TeamsSessionStarted') then 3002
            when op in ('Add user', 'Delete user', 'Update user', 'Restore user', 'Disable account', 'Enable account',
                'Change user password', 'Reset user password', 'Set force change user password', 'Enable Strong Authentication',
                'Disable Strong Authentication', 'User registered security info', 'User deleted security info') then 3001
            when op in ('Add member to role', 'Remove member from role', 'Add eligible member to role',
                'Add app role assignment grant to user', 'Add app role assignment to service principal',
                'Add-MailboxPermission', 'Remove-MailboxPermission', 'Add-RecipientPermission', 'Remove-RecipientPermission',
                'SiteCollectionAdminAdded', 'SiteCollectionAdminRemoved') then 3005
            when op in ('Add group', 'Delete group', 'Add member to group', 'Remove member from group', 'Add-RoleGroupMember',
                'Remove-RoleGroupMember', 'TeamCreated', 'TeamDeleted', 'MemberAdded', 'MemberRemoved',
                'AddedToGroup', 'RemovedFromGroup') then 3006
            when op in ('Send', 'SendAs', 'SendOnBehalf') and json_text(_rest, 'Item.Subject') is not null then 4009
            when op in ('AlertTriggered', 'AlertEntityGenerated', 'AlertUpdated') or op like 'DLPRule%' then 2004
            when SourceFileName is not null and service_name in ('SharePoint', 'OneDrive', 'MicrosoftTeams') then 6006
            else 6003
        end as class_uid,
        case
            when op like '%Permission' then regexp_match(params, '"Name"\s*:\s*"(?:User|Trustee)"\s*,\s*"Value"\s*:\s*"([^"]*)"')[1]
            when op like '%RoleGroupMember' then regexp_match(params, '"Name"\s*:\s*"Member"\s*,\s*"Value"\s*:\s*"([^"]*)"')[1]
            when op in ('MemberAdded', 'MemberRemoved') then json_text(_rest, 'Members[0].UPN')
            when service_name = 'AzureActiveDirectory' then object_id
            else json_text(_rest, 'TargetUserOrGroupName')
        end as target,
        -- Entra ID says in properties which role or group it was.
        replace(regexp_match(ModifiedProperties, '"Name"\s*:\s*"(?:Role|Group)\.DisplayName"[^}]*?"(?:NewValue|OldValue)"\s*:\s*"((?:[^"\\]|\\.)+)"')[1], '\"', '') as property_name
    from records
),

rated as (
    select
        *,
        case class_uid
            when 3002 then case when op = 'UserLoggedOff' then 2 else 1 end
            when 3001 then case op
                when 'Add user' then 1 when 'Enable account' then 2 when 'Change user password' then 3
                when 'Reset user password' then 4 when 'Disable account' then 5 when 'Delete user' then 6
                when 'Enable Strong Authentication' then 10 when 'User registered security info' then 10
                when 'Disable Strong Authentication' then 11 when 'User deleted security info' then 11 else 99 end
            when 3005 then case when op like 'Remove%' or op like '%Removed' then 2 else 1 end
            when 3006 then case
                when op in ('Add group', 'TeamCreated') then 6 when op in ('Delete group', 'TeamDeleted') then 5
                when op like 'Remove%' or op like '%Removed' then 4 else 3 end
            when 4009 then 1
            when 2004 then case when op in ('AlertUpdated', 'DLPRuleUndo') then 2 else 1 end
            when 6006 then case
                when op like '%Sync%Download%' or op like '%Sync%Upload%' then 15
                when op like 'FileUpload%' then 1 when op like 'FileDownload%' then 2 when op like 'FileModified%' then 3
                when op like '%Deleted%' or op like '%Recycled' then 4 when op like '%Renamed' then 5 when op like '%Copied' then 6
                when op like '%Moved' then 7 when op like '%Restored' then 8 when op = 'FilePreviewed' then 9
                when op = 'FileCheckedOut' then 10 when op = 'FileCheckedIn' then 11
                when regexp_like(op, '^Sharing(Set|Invitation(Created|Accepted))|LinkCreated$|^AddedTo(Secure|Sharing)Link') then 12
                when regexp_like(op, '^Sharing(Revoked|InvitationRevoked)|LinkRemoved$|^RemovedFrom(Secure|Sharing)Link') then 13
                when op like 'FileAccessed%' then 14 else 99 end
            else case
                when regexp_like(op, '^(New-|Add|Create|Enable-|Install-)|(Created|Added)$') then 1
                when regexp_like(op, '^(Get-|Search|View|MailItemsAccessed|Read)|(Accessed|Viewed|Exported|Downloaded)$') then 2
                when regexp_like(op, '^(Set|Update|Move|Consent|Disable-)|(Modified|Changed|Updated|Set)$') then 3
                when regexp_like(op, '^(Remove|Delete|SoftDelete|HardDelete|Uninstall-)|(Deleted|Removed)$') then 4 else 99 end
        end as activity_id
    from classified
)

select
    parse_time(created) as time,
    class_uid,
    activity_id,
    case when activity_id = 99 then op end as activity_name,
    case when op = 'UserLoginFailed' then 2 when result in ('True', 'PartiallySucceeded') then 1 when result = 'False' then 2 else ocsf_status_id(result) end as status_id,
    LogonError as status_detail,
    case when class_uid = 2004 then coalesce(ocsf_severity_id(json_text(_rest, 'Severity')), 0) end as severity_id,
    concat_ws(' ', user_name, op, coalesce(SourceFileName, target, object_id), property_name) as message,
    case when class_uid in (2004, 4009) then null else {
        'user': {
            'name': coalesce(user_name, 'unknown'),
            'email_addr': case when user_name like '%@%.%' then user_name end,
            'uid': coalesce(UserKey, userkey),
            'type_id': case coalesce(UserType, usertype) when 0 then 1 when 2 then 2 when 3 then 2 when 4 then 3 when 5 then 4 when 6 then 4 end
        },
        'session': {'uid': json_text(_rest, 'AppAccessContext.AADSessionId')},
        'app_uid': nullif(coalesce(ClientAppId, ApplicationId), ''), 'app_name': json_text(_rest, 'AppAccessContext.ClientAppName')
    } end as actor,
    case when class_uid in (3001, 3002, 3005) or (class_uid = 3006 and target is not null) then {
        'name': case when class_uid = 3002 then coalesce(user_name, 'unknown') else coalesce(target, object_id, 'unknown') end,
        'uid': case when class_uid = 3002 then coalesce(UserKey, userkey) end
    } end as "user",
    case when class_uid = 3005 then [coalesce(property_name,
        regexp_match(params, '"Name"\s*:\s*"AccessRights"\s*,\s*"Value"\s*:\s*"([^"]*)"')[1], op)] end as privileges,
    case when class_uid = 3006 then {'uid': json_text(_rest, 'TeamGuid'), 'name': coalesce(property_name, json_text(_rest, 'TeamName'),
        regexp_match(params, '"Name"\s*:\s*"Identity"\s*,\s*"Value"\s*:\s*"([^"]*)"')[1], object_id, 'unknown')} end as "group",
    case when class_uid = 3002 then {'name': coalesce(service_name, 'Microsoft 365'), 'uid': object_id} end as service,
    case when class_uid = 6003 then {'operation': op, 'service': {'name': service_name},
        'request': {'uid': record_id, 'data': coalesce(params, ModifiedProperties)}} end as api,
    case when class_uid in (6003, 3005) then [{'name': coalesce(object_id, json_text(_rest, 'MailboxOwnerUPN')), 'data': ModifiedProperties}] end as resources,
    case when class_uid = 6006 then {
        'name': SourceFileName,
        'path': concat_ws('/', nullif(SourceRelativeUrl, ''), SourceFileName),
        'ext': SourceFileExtension,
        'type_id': case ItemType when 'File' then 1 when 'Folder' then 2 else 0 end,
        'url': {'url_string': case when object_id like 'http%' then object_id end}
    } end as file,
    case when class_uid = 6006 then SiteUrl end as share,
    case when class_uid = 4009 then 0 end as direction_id,
    case when class_uid = 4009 then {
        'from': coalesce(json_text(_rest, 'SendAsUserSmtp'), json_text(_rest, 'SendOnBehalfOfUserSmtp'), json_text(_rest, 'MailboxOwnerUPN'), user_name),
        'sender': user_name, 'subject': json_text(_rest, 'Item.Subject'),
        'message_uid': json_text(_rest, 'Item.InternetMessageId'), 'size': try_cast(json_text(_rest, 'Item.SizeInBytes') as bigint)} end as email,
    case when class_uid = 2004 then {'uid': coalesce(json_text(_rest, 'AlertId'), record_id, op), 'title': coalesce(json_text(_rest, 'Name'), op),
        'desc': json_text(_rest, 'Comments'), 'types': [json_text(_rest, 'Category')]} end as finding_info,
    case when class_uid = 2004 then [{'user': {'name': user_name}, 'data': coalesce(params, ExtendedProperties)}] end as evidences,
    case when class_uid <> 2004 then {'ip': client.ip, 'port': client.port,
        'name': case when client.ip is null and class_uid in (6003, 6006) then 'unknown' end} end as src_endpoint,
    case when class_uid in (2004, 4009) then null else {'user_agent': coalesce(UserAgent,
        json_text(_rest, 'ClientInfoString'),
        case when class_uid = 3002 then regexp_match(ExtendedProperties, '"Name"\s*:\s*"UserAgent"\s*,\s*"Value"\s*:\s*"([^"]+)"')[1] end)} end as http_request,
    {'uid': record_id, 'event_code': op, 'log_name': service_name, 'type': coalesce(RecordType, recordtype),
        'tenant_uid': coalesce(OrganizationId, organizationid), 'original_time': created} as metadata,
    '{' || nullif(concat_ws(',',
        '"ExtendedProperties":' || case when left(ExtendedProperties, 1) in ('{', '[') then ExtendedProperties end,
        '"Parameters":' || case when class_uid <> 6003 and left(params, 1) in ('{', '[') then params end,
        '"ModifiedProperties":' || case when class_uid not in (6003, 3005) and left(ModifiedProperties, 1) in ('{', '[') then ModifiedProperties end,
        substr(_rest, 2, length(_rest) - 2)), '') || '}' as unmapped,
    _file,
    _row
from rated
