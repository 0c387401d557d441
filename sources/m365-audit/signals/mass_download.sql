-- title: Many files downloaded by one user
-- severity: medium
-- technique: T1530
-- description: Fifty or more different files of SharePoint or OneDrive downloaded or synchronised by one user within one file of the log.
-- false_positives: A new computer that fetches everything.
select
    actor['user']['name'] as entity,
    max(time) as time,
    actor['user']['name'] || ' downloaded ' || count(distinct file.path) || ' files' as message,
    count(distinct file.path) as files,
    count(distinct share) as sites,
    max(src_endpoint.ip) as source_ip,
    min(_row) as _row
from output
where class_uid = 6006
    and (activity_id = 2 or metadata.event_code = 'FileSyncDownloadedFull')
group by actor['user']['name']
having count(distinct file.path) >= 50
