-- A source that had nothing for longer than a number of times its usual gap: the 95th of a hundred gaps between arrivals.
-- It falls silent at one moment, which is in one window.
with moments as (
    select distinct source, to_unixtime(_arrived) as moment
    from receipts
    where source in ({sources})
        and status <> 'failed'
),

gaps as (
    select source, moment, moment - lag(moment) over (partition by source order by moment) as gap
    from moments
),

sources as (
    select
        source,
        max(moment) as last,
        approx_percentile_cont(0.95) within group (order by cast(gap as double)) as usual,
        count(gap) as gaps
    from gaps
    group by source
),

deadlines as (
    -- What comes every few seconds may take a breath of ten minutes.
    select *, last + greatest(cast({silent} * usual as bigint), 600) as silent_from
    from sources
    where gaps >= 5
)

select
    source,
    source as entity,
    'gap_seconds' as measure,
    to_timestamp_seconds(silent_from) as time,
    to_timestamp_seconds(last) as last_arrival,
    cast(usual as bigint) as usual_gap_seconds,
    'nothing from ' || source || ' for ' || ((silent_from - last) / 60) || ' minutes; its usual gap is '
        || cast(usual as bigint) || ' s' as message
from deadlines
where silent_from >= to_unixtime(window_start())
    and silent_from < to_unixtime(window_end())
