-- Each record as it was written; learn a source of its own from it with `millpond source learn`.
select
    _raw as raw,
    now() as processed_at,
    _file,
    _row,
    _offset
from input
