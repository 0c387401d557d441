-- title: Log sink changed or deleted
-- severity: high
-- technique: T1562.008
-- description: Who changes where audit logs go may want to be unseen
-- false_positives: infrastructure as code
select
    actor['user']['name'] as entity,
    time,
    actor['user']['name'] || ' called ' || api['operation'] || ' on ' || coalesce(resources[1]['uid'], 'an unknown sink') as message,
    src_endpoint['ip'] as source_ip,
    resources[1]['uid'] as sink,
    _row
from output
where class_uid = 6003
    and regexp_like(api['operation'], 'ConfigServiceV2\.(DeleteSink|UpdateSink|CreateExclusion|UpdateExclusion|DeleteBucket)$')
    and status_id = 1
