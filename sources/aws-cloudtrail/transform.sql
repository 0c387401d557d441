-- One row per API call. CloudTrail delivers an event more than once now and then: the first of each eventID stays.
select
    eventTime as event_time,
    eventID as event_id,
    eventName as event_name,
    eventSource as event_source,
    eventType as event_type,
    eventCategory as event_category,
    awsRegion as aws_region,
    coalesce(recipientAccountId, userIdentity.accountId) as account_id,
    -- A failed console login has a message and no code.
    case when coalesce(errorCode, errorMessage) is null then 'success' else 'failure' end as outcome,
    errorCode as error_code,
    errorMessage as error_message,
    userIdentity.type as actor_type,
    userIdentity.principalId as actor_id,
    userIdentity.arn as actor_arn,
    coalesce(userIdentity.userName, userIdentity.sessionContext.sessionIssuer.userName) as actor_name,
    userIdentity.accountId as actor_account_id,
    userIdentity.invokedBy as invoked_by,
    userIdentity.accessKeyId as access_key_id,
    userIdentity.sessionContext.sessionIssuer.arn as session_issuer_arn,
    userIdentity.sessionContext.attributes.creationDate as session_created_at,
    cast(userIdentity.sessionContext.attributes.mfaAuthenticated = 'true' as boolean) as mfa_authenticated,
    -- Calls that AWS makes on someone's behalf carry the service's name in place of an address.
    case
        when sourceIPAddress = 'AWS Internal' or sourceIPAddress like '%.amazonaws.com' then null
        else sourceIPAddress
    end as source_ip,
    case
        when sourceIPAddress = 'AWS Internal' or sourceIPAddress like '%.amazonaws.com' then sourceIPAddress
    end as source_service,
    userAgent as user_agent,
    readOnly as read_only,
    managementEvent as management_event,
    resources,
    requestParameters as request_parameters,
    responseElements as response_elements,
    additionalEventData as additional_event_data,
    requestID as request_id,
    vpcEndpointId as vpc_endpoint_id,
    tlsDetails.tlsVersion as tls_version,
    now() as processed_at,
    _file,
    _row
from input
qualify eventID is null or row_number() over (partition by eventID order by _row) = 1
