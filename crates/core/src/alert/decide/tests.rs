use proptest::prelude::*;

use super::*;
use crate::config::{PondConfig, Problems};

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
/// 2026-11-23T00:00:00Z.
const NOW: i64 = 1_795_392_000_000_000;

fn config(text: &str) -> AlertConfig {
    let mut problems = Problems::default();
    let config = PondConfig::parse("millpond.toml", text, 1 << 30, &mut problems);
    assert!(problems.found.is_empty(), "{:?}", problems.found);
    config.expect("config").alerting
}

fn plain() -> AlertConfig {
    config("[[alert]]\nname = 'all'\n")
}

fn signal(entity: &str, minute: i64, row: i64) -> SignalRow {
    SignalRow {
        source: "app".into(),
        rule: "root".into(),
        title: "Root was here".into(),
        severity: Severity::Medium,
        entity: Some(entity.into()),
        time_us: Some(NOW - 24 * HOUR + minute * MINUTE),
        file: "file:///a".into(),
        row: Some(row),
        ..SignalRow::default()
    }
}

/// What changed, in short.
fn told(decision: &Decision) -> Vec<(Change, String, u64)> {
    let entity = |alert: &Alert| alert.entity.clone().unwrap_or_default();
    decision.alerts.iter().map(|alert| (alert.change, entity(alert), alert.count)).collect()
}

#[test]
fn one_alert_grows_and_closes_after_quiet() {
    let config = plain();
    let first = decide(&config, State::default(), &[signal("eve", 0, 1), signal("bob", 1, 2)], NOW);
    assert_eq!(told(&first), [(Change::Opened, "eve".into(), 1), (Change::Opened, "bob".into(), 1)]);
    let grown = decide(&config, first.state, &[signal("eve", 59, 3), signal("eve", 30, 4)], NOW + MINUTE);
    assert_eq!(told(&grown), [(Change::Grew, "eve".into(), 3)]);
    let alert = &grown.alerts[0];
    assert_eq!((&alert.id, alert.revision), (&first.alerts[0].id, 2));
    assert_eq!(alert.last_us - alert.first_us, 59 * MINUTE);
    let quiet = decide(&config, grown.state, &[], NOW + HOUR);
    assert_eq!(told(&quiet), [(Change::Closed, "bob".into(), 1)]);
    let over = decide(&config, quiet.state, &[], NOW + HOUR + MINUTE);
    assert_eq!((told(&over), over.state), (vec![(Change::Closed, "eve".into(), 3)], State::default()));
    let again = decide(&config, State::default(), &[signal("eve", 70, 5)], NOW + 2 * HOUR);
    assert_ne!(again.alerts[0].id, alert.id);
}

#[test]
fn signals_further_apart_than_a_window_are_two_alerts_and_what_lies_between_joins_the_first() {
    let config = plain();
    let first = decide(&config, State::default(), &[signal("eve", 0, 1), signal("eve", 61, 2)], NOW);
    assert_eq!(told(&first), [(Change::Opened, "eve".into(), 1), (Change::Opened, "eve".into(), 1)]);
    let late = decide(&config, first.state, &[signal("eve", 30, 3)], NOW + MINUTE);
    assert_eq!(told(&late), [(Change::Grew, "eve".into(), 2)]);
    assert_eq!(late.alerts[0].id, first.alerts[0].id);
}

#[test]
fn a_threshold_counts_within_any_window_and_over_calls() {
    let config = config("[[alert]]\nname = 'many'\nthreshold = 3\nwindow = '10 m'\n");
    let few = decide(&config, State::default(), &[signal("eve", 0, 1), signal("eve", 9, 2)], NOW);
    assert_eq!((told(&few), few.state.groups.len()), (vec![], 1));
    // 0, 9, 18: three signals, and no ten minutes with all of them.
    let trickle = decide(&config, few.state, &[signal("eve", 18, 3)], NOW);
    assert_eq!(told(&trickle), []);
    let dense = decide(&config, trickle.state, &[signal("eve", 19, 4)], NOW);
    assert_eq!(told(&dense), [(Change::Opened, "eve".into(), 3)]);
    let alert = &dense.alerts[0];
    assert_eq!((alert.last_us - alert.first_us, alert.sample.len()), (10 * MINUTE, 3));
    let forgotten = decide(&config, dense.state, &[], NOW + 10 * MINUTE);
    assert_eq!(told(&forgotten), [(Change::Closed, "eve".into(), 3)]);
}

#[test]
fn a_rise_of_severity_is_told_and_leads() {
    let config = plain();
    let first = decide(&config, State::default(), &[signal("eve", 0, 1)], NOW);
    let worse = SignalRow { severity: Severity::Critical, title: "Worse".into(), ..signal("eve", 1, 2) };
    let risen = decide(&config, first.state, &[worse, signal("eve", 2, 3)], NOW);
    let alert = &risen.alerts[0];
    assert_eq!(
        (alert.change, alert.severity, alert.title.as_str(), alert.count),
        (Change::Escalated, Severity::Critical, "Worse", 3)
    );
    let after = decide(&config, risen.state, &[signal("eve", 3, 4)], NOW);
    assert_eq!((after.alerts[0].change, after.alerts[0].severity), (Change::Grew, Severity::Critical));
}

#[test]
fn policies_take_what_they_match_and_each_has_its_alert() {
    let config = config(
        "[[alert]]\nname = 'by-user'\nkey = ['entity']\nsources = ['ap*']\n\
         [[alert]]\nname = 'high'\nseverity_min = 'high'\n[[alert]]\nname = 'other'\nrules = ['x']\n\
         [[alert]]\nname = 'by-ip'\nkey = ['fields.ip']\ntechniques = ['T1078*']\n",
    );
    let with_ip = |ip: &str, row| SignalRow {
        technique: Some("T1078.004".into()),
        fields: Some(format!("{{\"ip\":\"{ip}\"}}")),
        ..signal("eve", 0, row)
    };
    let other = SignalRow { rule: "sudo".into(), severity: Severity::High, ..signal("eve", 1, 3) };
    let decision = decide(&config, State::default(), &[with_ip("192.0.2.1", 1), with_ip("192.0.2.2", 2), other], NOW);
    let mut found: Vec<_> = decision.alerts.iter().map(|alert| (alert.alert.as_str(), alert.count)).collect();
    found.sort_unstable();
    assert_eq!(found, [("by-ip", 1), ("by-ip", 1), ("by-user", 3), ("high", 1)]);
    let by_user = decision.alerts.iter().find(|alert| alert.alert == "by-user").expect("by-user");
    assert_eq!((by_user.rules.clone(), by_user.rule.as_str()), (vec!["root".to_owned(), "sudo".to_owned()], "sudo"));
}

#[test]
fn a_signals_own_key_stands_for_its_entity() {
    let keyed = |key: &str, entity: &str, row| SignalRow { key: Some(key.into()), ..signal(entity, row, row) };
    let signals = [keyed("a", "eve", 1), keyed("a", "bob", 2), keyed("b", "eve", 3)];
    let decision = decide(&plain(), State::default(), &signals, NOW);
    assert_eq!(decision.alerts.iter().map(|alert| alert.count).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(decision.alerts[0].entities, ["eve", "bob"]);
}

#[test]
fn a_suppression_holds_until_its_day_is_over() {
    let config = config(
        "[[alert]]\nname = 'all'\n[[suppress]]\nrule = 'ro*'\nentity = 'eve'\nuntil = 2026-11-23\nreason = 'a test'\n",
    );
    let signals = [signal("eve", 0, 1), signal("bob", 0, 2)];
    let held = decide(&config, State::default(), &signals, NOW + 24 * HOUR - 1);
    assert_eq!((told(&held), held.suppressed), (vec![(Change::Opened, "bob".into(), 1)], 1));
    let over = decide(&config, State::default(), &signals, NOW + 24 * HOUR);
    assert_eq!((over.alerts.len(), over.suppressed), (2, 0));
}

#[test]
fn an_alert_whose_policy_is_gone_closes() {
    let open = decide(&plain(), State::default(), &[signal("eve", 0, 1)], NOW);
    let gone = decide(&AlertConfig::default(), open.state, &[], NOW);
    assert_eq!((told(&gone), gone.state), (vec![(Change::Closed, "eve".into(), 1)], State::default()));
}

#[test]
fn a_time_of_the_future_keeps_no_alert_open() {
    let future = SignalRow { time_us: Some(i64::MAX), ..signal("eve", 0, 1) };
    let open = decide(&plain(), State::default(), &[future], NOW);
    assert_eq!(open.alerts[0].last_us, NOW);
    assert_eq!(decide(&plain(), open.state, &[], NOW + HOUR).alerts.len(), 1);
}

fn some_signals() -> impl Strategy<Value = Vec<SignalRow>> {
    let one = (0..3_u8, 0..300_i64, 0..40_i64, 0..5_usize).prop_map(|(entity, minute, row, severity)| SignalRow {
        severity: Severity::NAMES[severity].1,
        ..signal(["eve", "bob", "cyd"][usize::from(entity)], minute, row)
    });
    prop::collection::vec(one, 0..40)
}

proptest! {
    #[test]
    fn the_order_of_signals_does_not_matter_and_none_is_lost(
        (signals, shuffled) in some_signals().prop_flat_map(|signals| (Just(signals.clone()), Just(signals).prop_shuffle())),
        threshold in 1..4_usize,
    ) {
        let config = config(&format!("[[alert]]\nname = 'all'\nthreshold = {threshold}\n"));
        // Rows that differ in their severity alone are one row in a lake.
        let once: std::collections::HashMap<String, SignalRow> =
            signals.iter().map(|signal| (signal.identity(), signal.clone())).collect();
        prop_assume!(signals.iter().all(|signal| once[&signal.identity()] == *signal));
        let one = decide(&config, State::default(), &signals, NOW);
        prop_assert_eq!(&one, &decide(&config, State::default(), &shuffled, NOW));
        prop_assert_eq!(&one, &decide(&config, State::default(), &signals, NOW));
        if threshold == 1 {
            prop_assert_eq!(one.alerts.iter().map(|alert| alert.count).sum::<u64>(), signals.len() as u64);
        }
        let mut ids: Vec<&str> = one.alerts.iter().map(|alert| alert.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), one.alerts.len());
    }

    #[test]
    fn however_signals_are_cut_into_calls_each_is_counted_once(signals in some_signals(), at in 0..40_usize) {
        let at = at.min(signals.len());
        let first = decide(&plain(), State::default(), &signals[..at], NOW);
        let second = decide(&plain(), first.state, &signals[at..], NOW);
        let counts = second.state.groups.iter().map(|group| group.alert.count);
        prop_assert_eq!(counts.sum::<u64>(), signals.len() as u64);
        for group in &second.state.groups {
            prop_assert!(group.is_open() && group.alert.first_us <= group.alert.last_us);
        }
    }

    #[test]
    fn a_state_is_the_same_after_it_was_written_down(signals in some_signals()) {
        let state = decide(&config("[[alert]]\nname = 'a'\nthreshold = 3\n"), State::default(), &signals, NOW).state;
        let text = serde_json::to_string(&state).expect("text");
        prop_assert_eq!(serde_json::from_str::<State>(&text).expect("state"), state);
    }
}
