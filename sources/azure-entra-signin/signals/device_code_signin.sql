-- title: Sign-in by device code
-- severity: medium
-- technique: T1528, T1566
-- description: Phishing with device codes takes over sessions although there is a second factor
-- false_positives: televisions, meeting rooms and command lines without a browser
select
    "user"['name'] as entity,
    time,
    "user"['name'] || ' signed in to ' || service['name'] || ' by device code from '
        || coalesce(src_endpoint['ip'], 'an unknown address') as message,
    src_endpoint['ip'] as source_ip,
    src_endpoint['location']['country'] as country,
    actor['app_name'] as app,
    _row
from output
where class_uid = 3002
    and status_id = 1
    and auth_protocol = 'deviceCode'
