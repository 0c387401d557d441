-- title: Data unloaded to a location outside of Snowflake
-- severity: medium
-- technique: T1567.002
-- description: A COPY INTO that writes to a bucket by its address rather than to a stage of the account.
-- false_positives: Pipelines that name their bucket.
select
    actor['user']['name'] as entity,
    time,
    concat_ws(' ', actor['user']['name'], 'unloaded data:', substr(query_info.query_string, 1, 200)) as message,
    database.name as database_name,
    query_info.uid as query_id,
    _row
from output
where class_uid = 6005
    and status_id = 1
    and regexp_like(query_info.query_string, '(?i)copy\s+into\s+''(s3|s3china|gcs|azure)://')
