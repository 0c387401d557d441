-- title: Mail is forwarded by a rule or by the mailbox
-- severity: high
-- technique: T1114.003
-- description: An inbox rule, a transport rule or the mailbox itself sends mail on: the usual way to keep reading after a password was changed.
-- false_positives: People who forward their own mail, where that is allowed.
with rules as (
    select
        *,
        coalesce(
            regexp_match(api.request.data, '"Name"\s*:\s*"(?:Forward(?:To|AsAttachmentTo|ingSmtpAddress|ingAddress)|RedirectTo|RedirectMessageTo|BlindCopyTo)"\s*,\s*"Value"\s*:\s*"([^"]+)"')[1],
            regexp_match(unmapped, '"RuleActions".{0,400}?Forward.{0,200}?([A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+)')[1]
        ) as destination
    from output
    where metadata.event_code in ('New-InboxRule', 'Set-InboxRule', 'UpdateInboxRules', 'Set-Mailbox', 'New-TransportRule', 'Set-TransportRule')
)

select
    actor['user']['name'] as entity,
    time,
    actor['user']['name'] || ' forwards mail to ' || destination || ' (' || metadata.event_code || ')' as message,
    destination,
    src_endpoint.ip as source_ip,
    resources[1]['name'] as mailbox,
    _row
from rules
where destination is not null
