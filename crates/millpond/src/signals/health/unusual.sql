-- A value of a source in this window that is far from the usual one. Usual is the median of the same hour of the week where
-- four weeks are known, else that of all windows; how far is told in spreads: the median distance from it (MAD), scaled to
-- what a standard deviation would be. It is told when it begins and not again while it lasts.
with seen as (
    select
        *,
        cast(floor((to_unixtime(_arrived) - to_unixtime(window_start())) / cast({every} as double)) as bigint) as bucket
    from receipts
    where source in ({sources})
        and status <> 'failed'
),

measured as (
    {measures}
),

slots as (
    select
        *,
        (to_unixtime(window_start()) + bucket * {every}) / 3600 % 168 as hour_of_week
    from measured
),

usual as (
    select
        *,
        median(value) filter (where bucket < 0) over (partition by source, measure) as median_all,
        count(*) filter (where bucket < 0) over (partition by source, measure) as windows,
        median(value) filter (where bucket < 0) over (partition by source, measure, hour_of_week) as median_hour,
        count(*) filter (where bucket < 0) over (partition by source, measure, hour_of_week)
            >= greatest(4 * 3600 / {every}, 4) as has_weeks
    from slots
),

spreads as (
    select
        *,
        median(abs(value - median_all)) filter (where bucket < 0) over (partition by source, measure) as mad_all,
        median(abs(value - median_hour)) filter (where bucket < 0)
            over (partition by source, measure, hour_of_week) as mad_hour
    from usual
),

judged as (
    select
        *,
        case when has_weeks then median_hour else median_all end as usual,
        1.4826 * case when has_weeks then mad_hour else mad_all end as spread
    from spreads
    where windows >= 24
),

distances as (
    -- A tenth of the usual value is no news, however even the source is.
    select *, (value - usual) / greatest(spread, least, 0.1 * usual) as distance
    from judged
),

verdicts as (
    select
        *,
        (distance >= {deviation} and value > 1.5 * usual)
            or (counts_below and distance <= -{deviation} and value * 1.5 < usual) as is_unusual
    from distances
),

news as (
    select *, lag(is_unusual) over (partition by source, measure order by bucket) as was_unusual
    from verdicts
)

select
    source,
    source as entity,
    measure,
    value,
    usual,
    spread,
    measure || ' of ' || source || ' is ' || round(value, 2) || '; usual is ' || round(usual, 2) as message
from news
where bucket = 0
    and is_unusual
    and not coalesce(was_unusual, false)
