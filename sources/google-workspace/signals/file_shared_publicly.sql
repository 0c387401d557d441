-- title: Drive file shared with everybody who has the link
-- severity: medium
-- technique: T1567.002
-- description: A file can be read by people outside of the organisation without an account.
-- false_positives: Material that is meant for the public.
select
    actor['user']['name'] as entity,
    time,
    concat_ws(' ', actor['user']['name'], 'shared', file.name, 'with', json_text(unmapped, 'parameters.visibility')) as message,
    file.name as file_name,
    file.uid as file_id,
    json_text(unmapped, 'parameters.visibility') as visibility,
    src_endpoint.ip as source_ip,
    _row
from output
where class_uid = 6006
    and metadata.event_code in ('change_document_visibility', 'change_document_access_scope', 'change_user_access')
    and json_text(unmapped, 'parameters.visibility') in ('people_with_link', 'public_on_the_web')
    and coalesce(json_text(unmapped, 'parameters.visibility_change'), 'external') = 'external'
qualify row_number() over (partition by _row, file.uid order by time) = 1
