//! The SQL of the signals about sources.

use millpond_core::config::{Health, Watch};

/// The query of a check over the sources that it watches.
pub(super) fn text(health: &Health, check: &str, watched: &[&String]) -> String {
    let template = match check {
        "silent" => include_str!("silent.sql").to_owned(),
        "drift" => include_str!("drift.sql").to_owned(),
        other => include_str!("unusual.sql").replace("{measures}", &measures(other)),
    };
    template
        .replace("{sources}", &watched.iter().map(|source| quoted(source)).collect::<Vec<_>>().join(", "))
        .replace("{silent}", &by_source(health, watched, |watch| watch.silent))
        .replace("{deviation}", &by_source(health, watched, |watch| watch.deviation))
        .replace("{every}", &(health.every_us / 1_000_000).to_string())
}

/// What is measured of a source's receipts in a window: its name, its value, the least spread that counts, and whether
/// less than usual counts, too.
fn measures(check: &str) -> String {
    let measures: &[(&str, &str, f64, bool)] = match check {
        "volume" => &[("objects", "count(*)", 1.0, true), ("rows", "sum(rows_in)", 1.0, true)],
        "lag" => &[("lag_seconds", "median(to_unixtime(_arrived) - to_unixtime(object_modified))", 60.0, false)],
        "duplicates" => &[("duplicate_rate", "avg(case when status = 'duplicate' then 1.0 else 0.0 end)", 0.05, false)],
        "quarantine" => &[(
            "quarantine_rate",
            "(sum(quarantined) + count(*) filter (where status = 'quarantined')) \
             / greatest(cast(sum(rows_in) + count(*) filter (where status = 'quarantined') as double), 1)",
            0.01,
            false,
        )],
        _ => &[("bytes", "sum(bytes_in)", 1.0, false), ("job_seconds", "sum(total_us) / 1e6", 1.0, false)],
    };
    let select = |(name, value, spread, both): &(&str, &str, f64, bool)| {
        format!(
            "select source, bucket, '{name}' as measure, cast({value} as double) as value, {spread:?} as least, \
             {both} as counts_below from seen group by source, bucket"
        )
    };
    measures.iter().map(select).collect::<Vec<_>>().join("\n    union all\n    ")
}

/// A setting of each source as SQL.
fn by_source(health: &Health, watched: &[&String], setting: fn(&Watch) -> u64) -> String {
    let others = setting(&health.all);
    let named = watched.iter().map(|source| (source, setting(health.of(source)))).filter(|(_, value)| *value != others);
    let whens: String = named.map(|(source, value)| format!(" when {} then {value}", quoted(source))).collect();
    if whens.is_empty() { others.to_string() } else { format!("case source{whens} else {others} end") }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
