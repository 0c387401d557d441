-- One row per line of output. The container is in the file's name only: <id>/<id>-json.log.
select
    time,
    0 as activity_id,
    0 as severity_id,
    rtrim(log, E'\r\n') as message,
    {'log_name': stream, 'log_source': regexp_match(_file, '([0-9a-f]{64})-json\.log')[1]} as metadata,
    _rest as unmapped,
    _file,
    _row
from input
