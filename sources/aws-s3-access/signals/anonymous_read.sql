-- title: Object given to a client without credentials
-- severity: medium
-- technique: T1530
-- description: An unsigned request was answered with an object, so the bucket, or that object, is public.
-- entity: bucket
-- key: bucket, client
-- false_positives: buckets that are meant to be public; requests with a presigned URL have a requester
select
    databucket['name'] as bucket,
    src_endpoint['ip'] as client,
    time,
    databucket['file']['path'] as object,
    src_endpoint['ip'] || ' read ' || databucket['file']['path'] || ' of ' || databucket['name'] || ' anonymously' as message,
    _row
from output
where actor['user']['name'] = 'anonymous'
    and metadata['event_code'] = 'REST.GET.OBJECT'
    and status_id = 1
