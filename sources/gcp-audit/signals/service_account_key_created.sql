-- title: Key of a service account created
-- severity: medium
-- technique: T1098.001
-- description: A key works from anywhere and does not run out by itself
-- false_positives: set-up of systems outside Google Cloud
select
    actor['user']['name'] as entity,
    time,
    actor['user']['name'] || ' created a key for ' || coalesce(resources[1]['name'], 'a service account') as message,
    src_endpoint['ip'] as source_ip,
    resources[1]['uid'] as service_account,
    cloud['account']['uid'] as project,
    _row
from output
where class_uid = 6003
    and api['operation'] like '%.CreateServiceAccountKey'
    and status_id = 1
