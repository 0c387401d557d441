//! What correlations mean, written down as plainly as possible: every interval of all matches is looked at. The engine
//! has to find the same, whatever the order and the pieces that matches come in.

use std::collections::{BTreeMap, BTreeSet};

use millpond_sigma::{Comparison, Correlation, CorrelationKind, Correlator, Found, Match, Report, State};
use proptest::prelude::*;

use super::correlating::{correlator, rules};

const SECOND_US: i64 = 1_000_000;

/// A match as this reference sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    time_us: i64,
    rule: usize,
    reference: u128,
    value: String,
}

/// An episode: group, first and last time, value, matches, and the moments at which the correlation holds.
#[derive(Debug, Clone, PartialEq)]
struct Expected {
    group: Vec<String>,
    first_us: i64,
    last_us: i64,
    value: f64,
    count: u64,
    moments: BTreeSet<i64>,
}

/// The episodes of a correlation over rules (not correlations), or over others given as matches.
fn episodes(correlation: &Correlation, matches: &[Match]) -> Vec<Expected> {
    let mut groups: BTreeMap<Vec<String>, BTreeSet<Seen>> = BTreeMap::new();
    for found in matches {
        let Some(rule) = correlation.rules.iter().position(|rule| *rule == found.rule) else { continue };
        let called = |name: &String| {
            let alias = correlation.aliases.iter().find(|alias| alias.name == *name);
            let field = alias.and_then(|alias| alias.fields.iter().find(|(rule, _)| *rule == found.rule));
            field.map_or(name, |(_, field)| field).clone()
        };
        let field = |name: &String| found.fields.get(&called(name)).cloned();
        let Some(group) = correlation.group_by.iter().map(field).collect::<Option<Vec<String>>>() else { continue };
        let number = |name: &String, least: f64| {
            field(name).filter(|text| text.parse().is_ok_and(|number: f64| number.is_finite() && number >= least))
        };
        let value = match &correlation.kind {
            CorrelationKind::ValueCount(fields) => {
                fields.iter().map(field).collect::<Option<Vec<String>>>().map(|values| values.join("\n"))
            }
            CorrelationKind::ValueSum(name) => number(name, 0.0),
            CorrelationKind::ValueAverage(name) | CorrelationKind::ValuePercentile { field: name, .. } => {
                number(name, f64::MIN)
            }
            _ => Some(String::new()),
        };
        let Some(value) = value else { continue };
        let seen = Seen { time_us: found.time_us, rule, reference: found.reference, value };
        groups.entry(group).or_default().insert(seen);
    }
    groups.into_iter().flat_map(|(group, seen)| of_group(correlation, &group, &Vec::from_iter(seen))).collect()
}

fn of_group(correlation: &Correlation, group: &[String], seen: &[Seen]) -> Vec<Expected> {
    let span_us = correlation.timespan_seconds as i64 * SECOND_US;
    let times: BTreeSet<i64> = seen.iter().map(|one| one.time_us).collect();
    let within = |from: i64, to: i64| seen.iter().filter(move |one| (from..=to).contains(&one.time_us));
    let is_full = |from: i64, to: i64| {
        times.iter().all(|time| (from..=to).contains(time) || to.max(*time) - from.min(*time) > span_us)
    };
    let mut found: Vec<Expected> = Vec::new();
    for from in &times {
        for to in times.range(from..).take_while(|to| *to - from <= span_us) {
            let inside: Vec<&Seen> = within(*from, *to).collect();
            let value = value(correlation, &inside);
            let holds = correlation.thresholds.iter().all(|bound| bound.comparison.holds(value, bound.number));
            if holds && (is_rising(correlation) || is_full(*from, *to)) {
                let (first_us, last_us, count) = (*from, *to, 0);
                found.push(Expected { group: group.to_vec(), first_us, last_us, value, count, moments: [*to].into() });
            }
        }
    }
    let overlap = |one: &Expected, other: &Expected| one.first_us <= other.last_us && other.first_us <= one.last_us;
    while let Some((one, other)) = (0..found.len())
        .flat_map(|one| (one + 1..found.len()).map(move |other| (one, other)))
        .find(|(one, other)| overlap(&found[*one], &found[*other]))
    {
        let gone = found.remove(other);
        let kept = &mut found[one];
        kept.first_us = kept.first_us.min(gone.first_us);
        kept.last_us = kept.last_us.max(gone.last_us);
        kept.value = if falls(correlation) { kept.value.min(gone.value) } else { kept.value.max(gone.value) };
        kept.moments.extend(gone.moments);
    }
    for one in &mut found {
        one.count = within(one.first_us, one.last_us).count() as u64;
    }
    found.sort_by_key(|one| one.first_us);
    found
}

fn falls(correlation: &Correlation) -> bool {
    correlation.thresholds.iter().all(|bound| matches!(bound.comparison, Comparison::Less | Comparison::LessOrEqual))
}

fn is_rising(correlation: &Correlation) -> bool {
    let rises = |bound: &Comparison| matches!(bound, Comparison::Greater | Comparison::GreaterOrEqual);
    let rises = correlation.thresholds.iter().all(|bound| rises(&bound.comparison));
    match &correlation.kind {
        CorrelationKind::ValueAverage(_) => false,
        CorrelationKind::ValuePercentile { percentile: 0.0, .. } => falls(correlation),
        CorrelationKind::ValuePercentile { percentile, .. } => *percentile == 100.0 && rises,
        _ => rises,
    }
}

fn value(correlation: &Correlation, inside: &[&Seen]) -> f64 {
    let mut by_reference: BTreeMap<u128, f64> = BTreeMap::new();
    for one in inside {
        by_reference.entry(one.reference).or_insert_with(|| one.value.parse().unwrap_or(0.0));
    }
    let mut numbers: Vec<f64> = by_reference.values().copied().collect();
    numbers.sort_by(f64::total_cmp);
    let sum: f64 = numbers.iter().sum();
    match &correlation.kind {
        CorrelationKind::EventCount => by_reference.len() as f64,
        CorrelationKind::ValueCount(_) => inside.iter().map(|one| &one.value).collect::<BTreeSet<_>>().len() as f64,
        CorrelationKind::Temporal => inside.iter().map(|one| one.rule).collect::<BTreeSet<_>>().len() as f64,
        CorrelationKind::TemporalOrdered => longest(inside, 0) as f64,
        CorrelationKind::ValueSum(_) => sum,
        CorrelationKind::ValueAverage(_) => sum / numbers.len() as f64,
        CorrelationKind::ValuePercentile { percentile, .. } => {
            let place = percentile / 100.0 * (numbers.len() - 1) as f64;
            let (low, high) = (numbers[place.floor() as usize], numbers[place.ceil() as usize]);
            low + (high - low) * (place - place.floor())
        }
    }
}

/// The most rules, from this one on, in order.
fn longest(inside: &[&Seen], rule: usize) -> usize {
    let with = |(at, one): (usize, &&Seen)| 1 + longest(&inside[at + 1..], one.rule + 1);
    inside.iter().enumerate().filter(|(_, one)| one.rule >= rule).map(with).max().unwrap_or(0)
}

/// What a user has in the end who keeps what is told and deletes what is withdrawn.
#[derive(Debug, Default, PartialEq)]
struct Told(BTreeMap<u128, Found>);

impl Told {
    fn take(&mut self, report: Report) {
        for withdrawn in report.withdrawn {
            assert!(self.0.remove(&withdrawn.id).is_some(), "{withdrawn:?} was never told");
        }
        for found in report.found {
            let known = self.0.insert(found.id, Found { is_new: false, ..found.clone() });
            assert!(!found.is_new || known.is_none(), "{found:?} is known");
        }
    }

    fn expected(&self, correlation: usize) -> Vec<(Vec<String>, i64, i64, f64, u64)> {
        let of = |found: &Found| {
            let group: Vec<String> = found.group.iter().map(|(_, value)| value.clone()).collect();
            (group, found.first_us, found.last_us, found.value, found.count)
        };
        let mut all: Vec<_> = self.0.values().filter(|found| found.correlation == correlation).map(of).collect();
        all.sort_by(|one, other| one.partial_cmp(other).expect("numbers"));
        all
    }
}

/// Absorbs matches in pieces and lets time pass; with `late_us`, time follows the newest match at that distance. The
/// state is kept as bytes in between.
fn told(correlator: &Correlator, matches: &[Match], piece: usize, late_us: Option<i64>) -> Told {
    let mut told = Told::default();
    let mut state = State::default();
    let mut newest_us = i64::MIN;
    for piece in matches.chunks(piece) {
        let report = state.absorb(correlator, piece.to_vec());
        assert!(report.left_out.values().all(|left_out| left_out.late == 0), "{report:?}");
        told.take(report);
        newest_us = piece.iter().map(|found| found.time_us).max().unwrap_or(newest_us).max(newest_us);
        if let Some(late_us) = late_us {
            told.take(state.expire(correlator, newest_us - late_us));
        }
        state = State::from_bytes(&state.to_bytes().expect("bytes")).expect("state");
    }
    told.take(state.expire(correlator, i64::MAX));
    assert_eq!((state.groups(), state.matches()), (0, 0));
    told
}

/// A row that rules match, each with its own names for fields; with a delay on its way.
fn rows() -> impl Strategy<Value = Vec<(Vec<Match>, i64)>> {
    let user = prop_oneof![4 => Just(Some("x")), 2 => Just(Some("y")), 1 => Just(None)];
    let value = prop_oneof![6 => "[0-9]", 1 => Just("-3".to_owned()), 1 => Just("none".to_owned())];
    let value = prop::option::weighted(0.9, value);
    let row = (0i64..60, 1usize..8, user, value, 0i64..8, any::<bool>());
    prop::collection::vec(row, 0..40).prop_map(|rows| {
        let row = |(reference, (seconds, mask, user, value, delay, twice)): (
            u128,
            (_, usize, Option<&str>, Option<String>, _, _),
        )| {
            let one = |rule: usize| Match {
                rule: ["a", "b", "c"][rule].to_owned(),
                time_us: seconds * SECOND_US,
                fields: [(if rule == 1 { "who" } else { "u" }, user), ("v", value.as_deref())]
                    .into_iter()
                    .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
                    .collect(),
                reference,
            };
            let once: Vec<Match> = (0..3).filter(|rule| mask >> rule & 1 == 1).map(one).collect();
            (if twice { [once.clone(), once].concat() } else { once }, delay)
        };
        (1..).zip(rows).map(row).collect()
    })
}

fn sections() -> impl Strategy<Value = String> {
    let bounds = prop_oneof![
        4 => (1..5i32).prop_map(|number| format!("gte: {number}")),
        1 => (1..5i32).prop_map(|number| format!("gt: {number}, lte: 6")),
        1 => (1..6i32).prop_map(|number| format!("lt: {number}")),
        1 => (1..5i32).prop_map(|number| format!("eq: {number}")),
        1 => (1..5i32).prop_map(|number| format!("neq: {number}")),
    ];
    let kinds = prop::sample::select(vec![
        ("event_count", ""),
        ("value_count", "field: v, "),
        ("value_count", "field: [v, u], "),
        ("temporal", ""),
        ("temporal_ordered", ""),
        ("value_sum", "field: v, "),
        ("value_avg", "field: v, "),
        ("value_median", "field: v, "),
        ("value_min", "field: v, "),
        ("value_max", "field: v, "),
    ]);
    let rules = prop::sample::select(vec!["[a]", "[b, a]", "[a, b, c]"]);
    (kinds, bounds, rules, 1..20, any::<bool>()).prop_map(|((kind, field), bounds, rules, seconds, grouped)| {
        let aliases = if rules == "[a]" { "" } else { ", aliases: {u: {b: who}}" };
        let group = if grouped { ", group-by: [u]" } else { "" };
        format!("type: {kind}, rules: {rules}, timespan: {seconds}s, condition: {{{field}{bounds}}}{group}{aliases}")
    })
}

fn in_order_of_arrival(mut rows: Vec<(Vec<Match>, i64)>) -> Vec<Match> {
    rows.sort_by_key(|(matches, delay)| matches[0].time_us + delay * SECOND_US);
    rows.into_iter().flat_map(|(matches, _)| matches).collect()
}

proptest! {
    #[test]
    fn every_interval_of_every_order(
        section in sections(),
        rows in rows().prop_shuffle(),
        piece in 1usize..30,
    ) {
        let set = rules(&[&section]);
        let correlator = correlator(&[&section]);
        let matches: Vec<Match> = rows.into_iter().flat_map(|(matches, _)| matches).collect();
        let expected: Vec<_> = episodes(&set.correlations()[0], &matches)
            .into_iter()
            .map(|one| (one.group, one.first_us, one.last_us, one.value, one.count))
            .collect();
        let at_once = told(&correlator, &matches, usize::MAX, None);
        prop_assert_eq!(at_once.expected(0), expected);
        prop_assert_eq!(told(&correlator, &matches, piece, None), at_once);
    }

    #[test]
    fn time_that_passes_changes_nothing(section in sections(), rows in rows(), piece in 1usize..30, more in 0i64..5) {
        let correlator = correlator(&[&section]);
        let matches = in_order_of_arrival(rows);
        let at_once = told(&correlator, &matches, usize::MAX, None);
        prop_assert_eq!(told(&correlator, &matches, piece, Some((7 + more) * SECOND_US)), at_once);
    }

    #[test]
    fn correlations_of_correlations_as_well(
        inner in sections(),
        outer in prop::sample::select(vec![
            "type: temporal_ordered, rules: [one, c]", "type: temporal, rules: [c, one]",
            "type: event_count, rules: [one, b], condition: {gte: 2}",
            "type: event_count, rules: [one], condition: {lt: 3}",
        ]),
        seconds in 1..20,
        rows in rows(),
        piece in 1usize..30,
    ) {
        let sections = [inner, format!("{outer}, timespan: {seconds}s, generate: true")];
        let sections = sections.each_ref().map(String::as_str);
        let (set, correlator) = (rules(&sections), correlator(&sections));
        let matches = in_order_of_arrival(rows);
        let mut of_both = matches.clone();
        for (reference, episode) in (1_000..).zip(episodes(&set.correlations()[0], &matches)) {
            let names = set.correlations()[0].group_by.iter().cloned();
            let fields: BTreeMap<String, String> = names.zip(episode.group).collect();
            let moment = |time_us| Match { rule: "one".to_owned(), time_us, fields: fields.clone(), reference };
            of_both.extend(episode.moments.into_iter().map(moment));
        }
        let expected: Vec<_> = episodes(&set.correlations()[1], &of_both)
            .into_iter()
            .map(|one| (one.group, one.first_us, one.last_us, one.value, one.count))
            .collect();
        let at_once = told(&correlator, &matches, usize::MAX, None);
        prop_assert_eq!(at_once.expected(1), expected);
        prop_assert_eq!(&told(&correlator, &matches, piece, None), &at_once);
        prop_assert_eq!(&told(&correlator, &matches, piece, Some(7 * SECOND_US)), &at_once);
    }
}
