-- One row per message of Connect. It tells of an envelope; a recipient who cannot authenticate is a failed login.
with classed as (
    select
        *,
        case
            when event like 'recipient-authentication%' and coalesce(data.email, data.name, data.userId) is not null then 3002
            else 3004
        end as class_uid,
        case
            when event like 'recipient-%' then {'uid': data.userId, 'name': coalesce(data.email, data.name), 'full_name': data.name, 'email_addr': data.email}
            else {'uid': data.userId, 'name': data.senderEmail, 'full_name': NULL, 'email_addr': data.senderEmail}
        end as who,
        _file, _row, _rest, _raw
    from input
),

events as (
    select
        *,
        case
            when class_uid = 3002 then 1
            when event = 'envelope-created' then 1
            when event = 'envelope-corrected' then 3
            when event in ('envelope-deleted', 'envelope-purge') then 4
            else 99
        end as activity_id
    from classed
)

select
    class_uid,
    activity_id,
    case when activity_id = 99 then event end as activity_name,
    parse_time(generatedDateTime) as time,
    {'event_code': event, 'tenant_uid': data.accountId, 'log_name': configurationId, 'original_time': generatedDateTime} as metadata,
    concat_ws(' ', event, data.envelopeSummary.emailSubject, data.envelopeSummary.voidedReason) as message,
    case when event like 'recipient-authentication%' then 2 end as status_id,
    {'user': who} as actor,
    case when class_uid = 3002 then who end as user,
    case when class_uid = 3002 then {'name': 'Docusign'} end as service,
    case when class_uid = 3004 then {'uid': data.envelopeId, 'name': coalesce(data.envelopeSummary.emailSubject, uri), 'type': 'envelope'} end as entity,
    _raw as raw_data,
    _rest as unmapped,
    _file,
    _row
from events
