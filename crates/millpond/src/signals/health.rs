//! Signals about the sources themselves, from their receipts: who went silent, who sends more or less than usual, later,
//! twice, in another shape, or at a higher cost.

mod query;

use millpond_core::config::{CHECKS, Health};
use millpond_core::signal::{Schedule, Severity, Signal};
use millpond_core::source::Sql;

use super::{HEALTH, Periodic};

const US_PER_DAY: i64 = 86_400_000_000;

/// One thing that is watched.
struct Check {
    /// Of [`CHECKS`].
    name: &'static str,
    title: &'static str,
    severity: Severity,
    /// Days of receipts that say what is usual.
    days: i64,
}

/// What is watched. Five weeks hold four of each hour of the week.
const WATCHED: [Check; CHECKS.len()] = [
    Check { name: "silent", title: "A source went silent", severity: Severity::High, days: 14 },
    Check { name: "drift", title: "A source's records have a new shape", severity: Severity::Low, days: 35 },
    Check { name: "volume", title: "A source sends more or less than usual", severity: Severity::Medium, days: 35 },
    Check { name: "lag", title: "A source's files come later than usual", severity: Severity::Medium, days: 35 },
    Check { name: "duplicates", title: "A source sends more duplicates than usual", severity: Severity::Low, days: 35 },
    Check {
        name: "quarantine",
        title: "More of a source goes to quarantine than usual",
        severity: Severity::Medium,
        days: 35,
    },
    Check { name: "cost", title: "A source costs more than usual", severity: Severity::Low, days: 35 },
];

/// The signals about these sources; a check that no source has on is none.
pub(crate) fn signals(health: &Health, sources: &[String]) -> Vec<Periodic> {
    let signal = |check: &Check| {
        let watched: Vec<&String> = sources.iter().filter(|source| !is_off(health, source, check.name)).collect();
        (!watched.is_empty()).then(|| periodic(health, check, &watched))
    };
    WATCHED.iter().filter_map(signal).collect()
}

fn is_off(health: &Health, source: &str, check: &str) -> bool {
    health.of(source).off.iter().any(|off| off == check)
}

fn periodic(health: &Health, check: &Check, watched: &[&String]) -> Periodic {
    let text = query::text(health, check.name, watched);
    let signal = Signal {
        title: check.title.to_owned(),
        severity: check.severity,
        key: vec!["source".to_owned(), "measure".to_owned()],
        schedule: Some(Schedule { every_us: health.every_us, lookback_us: check.days * US_PER_DAY, late_us: 0 }),
        ..Signal::new(Sql { file: format!("health_{}.sql", check.name), text })
    };
    Periodic { kind: HEALTH, signal }
}
