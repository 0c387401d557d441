//! Correlating: what matches say together.

use std::collections::BTreeMap;

use millpond_sigma::{Correlator, Found, LeftOut, Limits, Match, Report, RuleSet, State};

use super::read;

/// Rules `a`, `b` and `c`; `a` has an id as well.
const RULES: &str = "title: t\nid: id-a\nname: a\nlogsource: {product: p}\ndetection: {s: {f: 1}, condition: s}\n---\n\
     title: t\nname: b\nlogsource: {product: p}\ndetection: {s: {f: 1}, condition: s}\n---\n\
     title: t\nname: c\nlogsource: {product: p}\ndetection: {s: {f: 1}, condition: s}\n";

/// The rules, with correlations given as sections; they are called `one`, `two` and so on.
pub(crate) fn rules(sections: &[&str]) -> RuleSet {
    let names = ["one", "two", "three", "four"];
    let document =
        |(name, section): (&str, &&str)| format!("title: {name}\nname: {name}\ncorrelation: {{{section}}}\n");
    let mut texts: Vec<String> = names.into_iter().zip(sections).map(document).collect();
    texts.push(RULES.to_owned());
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let collection = read(&texts);
    assert!(collection.rejections.is_empty(), "{:?}", collection.rejections);
    RuleSet::from(collection)
}

pub(crate) fn correlator(sections: &[&str]) -> Correlator {
    limited(sections, Limits::default())
}

fn limited(sections: &[&str], limits: Limits) -> Correlator {
    Correlator::new(&rules(sections), limits).expect("a correlator")
}

/// Matches as they are written in these tests: `a@10 u=x v=1; b@12`, with seconds. The reference is the place, from 1,
/// or `#7`.
fn matches(text: &str) -> Vec<Match> {
    let one = |(place, text): (u128, &str)| {
        let mut words = text.split_whitespace();
        let (rule, seconds) = words.next().and_then(|word| word.split_once('@')).expect("rule@seconds");
        let mut found = Match {
            rule: rule.to_owned(),
            time_us: seconds.parse::<i64>().expect("seconds") * 1_000_000,
            fields: BTreeMap::new(),
            reference: place,
        };
        for word in words {
            match (word.strip_prefix('#'), word.split_once('=')) {
                (Some(reference), _) => found.reference = reference.parse().expect("a number"),
                (None, Some((name, value))) => _ = found.fields.insert(name.to_owned(), value.to_owned()),
                (None, None) => panic!("`{word}` is no field"),
            }
        }
        found
    };
    (1..).zip(text.split(';').map(str::trim).filter(|text| !text.is_empty())).map(one).collect()
}

/// An episode as these tests write it: first and last second, value, references.
fn text(found: &Found) -> String {
    let seconds = |us: i64| us / 1_000_000;
    let group: String = found.group.iter().map(|(_, value)| format!(" {value}")).collect();
    let (first, last, value) = (seconds(found.first_us), seconds(found.last_us), found.value);
    format!("{first}-{last} = {value}{group} {:?}", found.matches)
}

fn texts(report: &Report) -> String {
    report.found.iter().map(text).collect::<Vec<String>>().join(", ")
}

/// What comes of matches once everything is settled, of every correlation that is told.
fn outcome(sections: &[&str], written: &str) -> String {
    let correlator = correlator(sections);
    let mut state = State::default();
    let mut episodes: BTreeMap<(usize, i64, u128), Found> = BTreeMap::new();
    for report in [state.absorb(&correlator, matches(written)), state.expire(&correlator, i64::MAX)] {
        assert!(report.withdrawn.is_empty(), "{report:?}");
        episodes.extend(report.found.into_iter().map(|found| ((found.correlation, found.first_us, found.id), found)));
    }
    episodes.values().map(text).collect::<Vec<String>>().join(", ")
}

#[test]
fn what_each_type_means() {
    let cases: Vec<[&str; 4]> = include_str!("correlating.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let parts: Vec<&str> = line.split('|').map(str::trim).collect();
            <[&str; 4]>::try_from(parts).unwrap_or_else(|parts| panic!("{parts:?}"))
        })
        .collect();
    let mut wrong = Vec::new();
    for [kind, condition, written, expected] in &cases {
        let bounds = if condition.is_empty() { String::new() } else { format!(", condition: {condition}") };
        let section = format!("type: {kind}, rules: [a, b, c], timespan: 10s{bounds}");
        let outcome = outcome(&[&section], written);
        if outcome != *expected {
            wrong.push(format!("{kind} {condition} | {written}\n  expected {expected}\n  is       {outcome}"));
        }
    }
    assert!(wrong.is_empty() && cases.len() > 30, "\n{}", wrong.join("\n"));
}

const TWO: &str = "type: event_count, rules: [a, b], group-by: [u], timespan: 10s, condition: {gte: 2}";

#[test]
fn groups_are_apart_and_need_their_fields() {
    let correlator = correlator(&[TWO]);
    let report = State::default().absorb(&correlator, matches("a@0 u=x; a@1 u=X; a@2 u=x; b@3; c@4; a@5 u=; b@6 u="));
    assert_eq!(texts(&report), "5-6 = 2  [6, 7], 0-2 = 2 x [1, 3]");
    assert_eq!(report.left_out, BTreeMap::from([(0, LeftOut { lacking: 1, ..LeftOut::default() })]));
    assert_eq!(report.found[1].group, [("u".to_owned(), "x".to_owned())]);
}

#[test]
fn aliases_name_fields_by_rule_and_rules_go_by_id_or_name() {
    let section = "type: temporal, rules: [a, b], group-by: [u, host], timespan: 10s, \
                   aliases: {u: {id-a: user.name, b: who}}";
    let written = "id-a@0 user.name=x u=z host=h; b@1 who=x host=h; b@2 u=x host=h";
    assert_eq!(outcome(&[section], written), "0-1 = 2 x h [1, 2]");
    let counted = "type: value_count, rules: [a, b], timespan: 10s, condition: {field: ip, gte: 2}, \
                   aliases: {ip: {b: src}}";
    assert_eq!(outcome(&[counted], "a@0 ip=1; b@1 src=1; b@2 ip=2"), "");
    assert_eq!(outcome(&[counted], "a@0 ip=1; b@1 src=2; b@2 ip=3"), "0-1 = 2 [1, 2]");
}

#[test]
fn an_episode_is_told_once_and_again_when_it_grows() {
    let correlator = correlator(&[TWO]);
    let mut state = State::default();
    let mut absorb = |written: &str| {
        let report = state.absorb(&correlator, matches(written));
        let told: Vec<(u128, bool)> = report.found.iter().map(|found| (found.id, found.is_new)).collect();
        (texts(&report), told, report.withdrawn)
    };
    assert_eq!(absorb("a@20 u=x #1").0, "");
    let (text, first, _) = absorb("a@25 u=x #2");
    assert_eq!((text.as_str(), first[0].1), ("20-25 = 2 x [1, 2]", true));
    let (text, again, _) = absorb("a@33 u=x #3; a@25 u=x #2");
    assert_eq!((text.as_str(), again[0]), ("20-33 = 2 x [1, 2, 3]", (first[0].0, false)));
    assert_eq!(absorb("a@33 u=x #3; a@60 u=x #4").0, "", "nothing new, and one alone");
    let (text, earlier, gone) = absorb("b@11 u=x #5");
    assert_eq!((text.as_str(), earlier[0].1), ("11-33 = 2 x [5, 1, 2, 3]", false));
    assert_eq!((gone[0].id, gone[0].replaced_by), (first[0].0, Some(earlier[0].0)));
    let (text, other, _) = absorb("b@61 u=x #6");
    assert_eq!((text.as_str(), other[0].1), ("60-61 = 2 x [4, 6]", true));
    let (text, joined, gone) = absorb("b@43 u=x #7; b@52 u=x #8");
    assert_eq!(text, "11-61 = 3 x [5, 1, 2, 3, 7, 8, 4, 6]");
    assert_eq!((joined[0], gone[0].id, gone[0].replaced_by), ((earlier[0].0, false), other[0].0, Some(earlier[0].0)));
}

#[test]
fn what_matches_could_undo_waits_until_none_can_come() {
    let few = "type: event_count, rules: [a], timespan: 10s, condition: {lt: 3}";
    let correlator = correlator(&[few]);
    let mut state = State::default();
    assert_eq!(texts(&state.absorb(&correlator, matches("a@0; a@2; a@40; a@41"))), "");
    let expired = |state: &mut State, seconds: i64| texts(&state.expire(&correlator, seconds * 1_000_000));
    assert_eq!(expired(&mut state, 10), "", "a match at 10 could be added");
    assert_eq!(expired(&mut state, 11), "0-2 = 2 [1, 2]");
    assert_eq!(texts(&state.absorb(&correlator, matches("a@45 #5"))), "");
    assert_eq!((expired(&mut state, 100), state.matches(), state.groups()), (String::new(), 0, 0));
    let late = state.absorb(&correlator, matches("a@99; a@100"));
    assert_eq!((late.left_out[&0].late, state.matches()), (1, 1));
    assert_eq!(expired(&mut state, 5), "", "it never goes back");
    assert_eq!(state.absorb(&correlator, matches("a@99")).left_out[&0].late, 1);
}

#[test]
fn an_episode_outlives_its_first_matches() {
    let correlator = correlator(&[TWO]);
    let mut state = State::default();
    let first = state.absorb(&correlator, matches("a@0 u=x; a@5 u=x")).found.remove(0);
    let mut last = first.clone();
    for step in 1..=100_i64 {
        let report = state.absorb(&correlator, matches(&format!("a@{} u=x #{}", 5 + step * 8, step + 2)));
        last = report.found[0].clone();
        state.expire(&correlator, step * 8_000_000);
        assert!(state.matches() < 5, "{}", state.matches());
    }
    assert_eq!((last.id, last.first_us, last.last_us), (first.id, 0, 805_000_000));
    assert_eq!((last.count, last.matches, last.is_new), (102, (1..=10).collect(), false));
    state.expire(&correlator, 820_000_000);
    assert_eq!((state.groups(), state.matches()), (0, 0));
}

#[test]
fn correlations_of_correlations() {
    let many = "type: event_count, rules: [a], group-by: [u], timespan: 10s, condition: {gte: 3}";
    let break_in = "type: temporal_ordered, rules: [one, b], group-by: [u], timespan: 10s";
    let attack = "a@0 u=x; a@1 u=x; a@2 u=x; a@9 u=x; a@11 u=x; a@15 u=x; a@20 u=x;";
    let with = |success: &str| outcome(&[many, break_in], &format!("{attack} {success}"));
    let matches = |text: &str| text.split(" [").next().map(str::to_owned);
    assert_eq!(with("b@1 u=x"), "", "too early");
    assert_eq!(with("b@5 u=y"), "", "another");
    assert_eq!(with("b@31 u=x"), "", "too late");
    assert_eq!(matches(&with("b@3 u=x")), Some("2-11 = 2 x".to_owned()), "in the middle");
    assert_eq!(matches(&with("b@30 u=x")), Some("20-30 = 2 x".to_owned()), "at the end");

    let often = "type: event_count, rules: [one], timespan: 60s, condition: {gte: 2}";
    assert_eq!(outcome(&[many, often], attack), "", "it is one episode");
    let again = format!("{attack} a@50 u=y; a@51 u=y; a@52 u=y");
    assert_eq!(matches(&outcome(&[many, often], &again)), Some("2-52 = 2".to_owned()));
    let loud = format!("{often}, generate: true");
    assert!(
        outcome(&[many, &loud], &again).starts_with("0-20 = 4 x [1, 2, 3, 4, 5, 6, 7], 50-52 = 3 y [8, 9, 10], 2-52")
    );
}

#[test]
fn an_episode_that_is_no_more_takes_what_rests_on_it_along() {
    let pairs = "type: event_count, rules: [a], timespan: 10s, condition: {gte: 2}";
    let two_pairs = "type: event_count, rules: [one], timespan: 60s, condition: {gte: 2}";
    let correlator = correlator(&[pairs, two_pairs]);
    let mut state = State::default();
    let told = state.absorb(&correlator, matches("a@0 #1; a@5 #2; a@20 #3; a@25 #4"));
    assert_eq!((told.found.len(), told.found[0].count, told.found[0].correlation), (1, 2, 1));
    let joined = state.absorb(&correlator, matches("a@13 #5"));
    assert_eq!((joined.found.len(), joined.withdrawn.len()), (0, 1));
    assert_eq!((joined.withdrawn[0].id, joined.withdrawn[0].replaced_by), (told.found[0].id, None));
}

#[test]
fn a_moment_that_is_no_more_takes_what_rests_on_it_along() {
    let pairs = "type: event_count, rules: [a], timespan: 10s, condition: {gte: 2}";
    let two_pairs = "type: event_count, rules: [one], timespan: 22s, condition: {gte: 2}";
    let then = "type: temporal_ordered, rules: [two, b], timespan: 5s";
    let correlator = correlator(&[pairs, two_pairs, then]);
    let mut state = State::default();
    let told = state.absorb(&correlator, matches("a@0; a@5; a@20; a@25; a@40; a@45; b@48"));
    assert_eq!((told.found.len(), told.found[0].first_us, told.found[0].correlation), (1, 45_000_000, 2));
    let joined = state.absorb(&correlator, matches("a@32 #8"));
    assert_eq!((joined.found.len(), joined.withdrawn.len()), (0, 1), "at 45 there is one pair in 22 s");
}

#[test]
fn times_at_either_end_are_times() {
    let rising = "type: event_count, rules: [a], timespan: 10s, condition: {gte: 2}, generate: true";
    let few = "type: event_count, rules: [a, b], timespan: 9999999999w, condition: {lt: 9}";
    let outer = "type: temporal_ordered, rules: [one, a], timespan: 10s";
    let correlator = limited(&[rising, few, outer], Limits { matches_per_group: 10, ..Limits::default() });
    let mut state = State::default();
    for time_us in [i64::MIN, i64::MAX, 0].into_iter().cycle().take(90) {
        let reference = state.matches() as u128;
        let found = Match { rule: "a".to_owned(), time_us, fields: BTreeMap::new(), reference };
        state.absorb(&correlator, [found]);
        assert!(state.matches() <= 30);
    }
    state.expire(&correlator, i64::MAX);
}

#[test]
fn rules_are_silent_unless_a_correlation_says_otherwise() {
    let silent =
        |sections: &[&str]| correlator(sections).silenced_rules().iter().cloned().collect::<Vec<_>>().join(" ");
    let on_a = "type: temporal, rules: [a], timespan: 1s";
    let on_both = "type: temporal, rules: [a, b], timespan: 1s, generate: true";
    assert_eq!(silent(&[]), "");
    assert_eq!(silent(&[on_a]), "a id-a");
    assert_eq!(silent(&[on_a, on_both]), "");
    assert_eq!(silent(&[on_both, "type: temporal, rules: [one, c], timespan: 1s"]), "c");
}

#[test]
fn limits_forget_the_oldest_and_say_so() {
    let limits = Limits { matches_per_group: 3, groups: 2, told_per_rule: 2 };
    let correlator = limited(&[TWO], limits);
    let mut state = State::default();
    let report = state.absorb(&correlator, matches("a@0 u=x; a@1 u=x; a@2 u=x; a@3 u=x; a@4 u=x"));
    assert_eq!((texts(&report).as_str(), report.found[0].count), ("0-4 = 5 x [1, 2]", 5));
    assert_eq!((report.left_out[&0].crowded, state.matches()), (2, 3));
    let id = report.found[0].id;
    let report = state.absorb(&correlator, matches("a@14 u=x #6; a@1 u=x #7"));
    assert_eq!((report.left_out[&0].crowded, report.found[0].id, report.found[0].count), (2, id, 6));
    assert!(report.withdrawn.is_empty());
    let report = state.absorb(&correlator, matches("b@3 u=y #8; b@9 u=z #9; b@20 u=y #10"));
    assert_eq!((report.left_out[&0].groups, state.groups()), (1, 2));
    assert_eq!(texts(&state.absorb(&correlator, matches("b@10 u=z #11; b@21 u=y #12"))), "20-21 = 2 y [10, 12]");
}

#[test]
fn what_cannot_be_computed_is_refused() {
    let refused = |set: &RuleSet| Correlator::new(set, Limits::default()).expect_err("refused").report();
    let many = "type: event_count, rules: [a], timespan: 1s, condition: {gte: 10000}";
    assert_eq!(
        refused(&rules(&[many])),
        "the correlation `one` counts to 10000, and a group keeps 10000 matches\n  \
         hint: lower the bound with a shorter `timespan`, or raise the limit"
    );
    let one = "type: temporal, rules: [a], timespan: 1s";
    let mut correlations = rules(&[one, "type: temporal, rules: [one], timespan: 1s"]).correlations().to_vec();
    let without =
        |correlations: &[millpond_sigma::Correlation]| RuleSet::new(rules(&[]).rules().to_vec(), correlations.to_vec());
    assert!(refused(&without(&correlations[1..])).contains("`two` refers to `one`, which is not there"));
    correlations[0].rules = vec!["two".to_owned()];
    assert!(refused(&without(&correlations)).contains("`one` refers to itself, perhaps through others"));
}

#[test]
fn state_is_kept_as_bytes_and_what_is_no_state_is_refused() {
    let correlator = correlator(&[TWO, "type: value_sum, rules: [b], timespan: 1m, condition: {field: n, gte: 5}"]);
    let mut state = State::default();
    state.absorb(&correlator, matches("a@0 u=x; a@5 u=x; a@14 u=x; b@6 u=y n=1.5; b@-3 u=y n=2e3"));
    state.expire(&correlator, 12_000_000);
    let bytes = state.to_bytes().expect("bytes");
    assert_eq!(State::from_bytes(&bytes).expect("a state"), state);
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/correlation-state-v1.bin");
    assert_eq!(State::from_bytes(&std::fs::read(golden).expect("golden")).expect("version 1"), state);
    for at in 0..bytes.len() {
        assert!(State::from_bytes(&bytes[..at]).is_err(), "cut at {at}");
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(State::from_bytes(&damaged).is_err(), "damaged at {at}");
    }
    let newer = State::from_bytes(&[&[2], &bytes[1..]].concat()).expect_err("version 2");
    assert_eq!(
        newer.report(),
        "the state of correlations cannot be read: it has version 2, and 1 is known\n  \
         hint: delete it, and correlations begin anew"
    );
}

#[test]
fn state_goes_on_with_correlations_that_are_the_same() {
    let other = "type: event_count, rules: [b], timespan: 10s, condition: {gte: 2}";
    let mut state = State::default();
    state.absorb(&correlator(&[TWO, other]), matches("a@0 u=x; b@1"));
    let changed = TWO.replace("10s", "20s");
    let report = state.absorb(&correlator(&[other, &changed]), matches("a@2 u=x #3; b@3 u=x #4"));
    assert_eq!(report.found.len(), 1, "`other` is known under another name: {report:?}");
}
