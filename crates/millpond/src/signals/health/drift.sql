-- A shape of records that a source did not have before; not of a source that has another one all the time.
with shapes as (
    select
        source,
        schema_fingerprint,
        min(_arrived) as first,
        count(*) as objects,
        min("object") as first_object
    from receipts
    where source in ({sources})
        and status = 'done'
        and schema_fingerprint <> ''
    group by source, schema_fingerprint
),

known as (
    select
        *,
        count(*) filter (where first < window_start()) over (partition by source) as shapes_before,
        sum(objects) filter (where first < window_start()) over (partition by source) as objects_before
    from shapes
)

select
    source,
    source as entity,
    schema_fingerprint as measure,
    first as time,
    first_object,
    objects,
    shapes_before,
    'records of ' || source || ' have a new shape since ' || first_object as message
from known
where first >= window_start()
    and objects_before >= 5
    and shapes_before * 5 <= objects_before
