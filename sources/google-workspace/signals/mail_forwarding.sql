-- title: Mail is forwarded out of the domain
-- severity: high
-- technique: T1114.003
-- description: A mailbox sends what it gets to an address outside: the usual way to keep reading after a password was changed.
select
    "user"['name'] as entity,
    time,
    concat_ws(' ', "user"['name'], 'forwards mail to', json_text(unmapped, 'parameters.email_forwarding_destination_address')) as message,
    json_text(unmapped, 'parameters.email_forwarding_destination_address') as destination,
    src_endpoint.ip as source_ip,
    _row
from output
where metadata.event_code = 'email_forwarding_out_of_domain'
