//! Correlations: every type, and references between documents.

use millpond_sigma::{Collection, Correlation, CorrelationKind};

use super::read;

const RULES: &str = "title: t\nid: id-a\nname: a\nlogsource: {product: p}\ndetection: {s: {f: 1}, condition: s}\n---\n\
     title: t\nname: b\nlogsource: {product: p}\ndetection: {s: {f: 1}, condition: s}\n";

/// Reads a correlation whose section starts on line 3 of the file `2.yml`.
fn correlation(section: &str) -> Collection {
    let lines: String = section.trim_matches('\n').lines().map(|line| format!("  {line}\n")).collect();
    read(&[RULES, &format!("title: c\ncorrelation:\n{lines}")])
}

fn taken(section: &str) -> Correlation {
    let mut collection = correlation(section);
    assert!(collection.rejections.is_empty(), "{:?}", collection.rejections);
    collection.correlations.remove(0)
}

fn refused(section: &str) -> String {
    let collection = correlation(section);
    assert!(
        collection.correlations.is_empty() && collection.rejections.len() == 1,
        "{section}: {:?}",
        collection.rejections
    );
    collection.rejections[0].to_string()
}

fn thresholds(correlation: &Correlation) -> String {
    let text = |threshold: &millpond_sigma::Threshold| format!("{} {}", threshold.comparison.name(), threshold.number);
    correlation.thresholds.iter().map(text).collect::<Vec<String>>().join(", ")
}

#[test]
fn every_type() {
    let count = |fields: &[&str]| CorrelationKind::ValueCount(fields.iter().map(|field| (*field).to_owned()).collect());
    let percentile = |percentile| CorrelationKind::ValuePercentile { field: "x".to_owned(), percentile };
    let cases = [
        ("event_count", "{gte: 10}", CorrelationKind::EventCount, "gte 10"),
        ("event_count", "{gt: 100, lte: 200}", CorrelationKind::EventCount, "gt 100, lte 200"),
        ("event_count", "{eq: 0}", CorrelationKind::EventCount, "eq 0"),
        ("event_count", "{neq: '3'}", CorrelationKind::EventCount, "neq 3"),
        ("value_count", "{field: x, lt: 5}", count(&["x"]), "lt 5"),
        ("value_count", "{field: [x, y], gte: 5}", count(&["x", "y"]), "gte 5"),
        ("value_sum", "{field: x, gt: 1.5}", CorrelationKind::ValueSum("x".to_owned()), "gt 1.5"),
        ("value_avg", "{field: x, gt: 1e3}", CorrelationKind::ValueAverage("x".to_owned()), "gt 1000"),
        ("value_percentile", "{field: x, percentile: 95, gte: 7}", percentile(95.0), "gte 7"),
        ("value_median", "{field: x, gte: 7}", percentile(50.0), "gte 7"),
        ("value_min", "{field: x, gte: 7}", percentile(0.0), "gte 7"),
        ("value_max", "{field: x, gte: 7}", percentile(100.0), "gte 7"),
        ("temporal", "{gte: 1}", CorrelationKind::Temporal, "gte 1"),
        ("temporal", "a and b", CorrelationKind::Temporal, "gte 2"),
        ("temporal", "b OR a", CorrelationKind::Temporal, "gte 1"),
        ("temporal_ordered", "b and a", CorrelationKind::TemporalOrdered, "gte 2"),
    ];
    for (kind, condition, expected, bounds) in cases {
        let section = format!("type: {kind}\nrules: [a, b]\ngroup-by: [u]\ntimespan: 5m\ncondition: {condition}");
        let correlation = taken(&section);
        assert_eq!((&correlation.kind, thresholds(&correlation).as_str()), (&expected, bounds), "{kind} {condition}");
        assert_eq!((correlation.rules, correlation.timespan_seconds), (vec!["a".to_owned(), "b".to_owned()], 300));
    }
}

#[test]
fn what_is_not_said_has_a_meaning() {
    let all = taken("type: temporal\nrules: [a, b]\ntimespan: 1h");
    assert_eq!((thresholds(&all).as_str(), all.group_by.len(), all.generate), ("gte 2", 0, false));
    let one = taken("type: event_count\nrules: id-a\ngroup-by: u\ntimespan: 1d\ngenerate: true\ncondition: {gte: 2}");
    assert_eq!((one.rules, one.group_by, one.generate), (vec!["id-a".to_owned()], vec!["u".to_owned()], true));
    let named = taken("type: temporal_ordered\ntimespan: 2w\ncondition: b and a");
    assert_eq!((named.rules, named.timespan_seconds), (vec!["b".to_owned(), "a".to_owned()], 1_209_600));
    let part = taken("type: temporal\nrules: [id-a, b]\ntimespan: 30s\ncondition: b");
    assert_eq!((part.rules.clone(), thresholds(&part).as_str()), (vec!["b".to_owned()], "gte 1"));
    let outside = read(&[RULES, "title: c\ngenerate: true\ncorrelation: {type: temporal, rules: a, timespan: 1s}"]);
    assert!(outside.correlations[0].generate);
}

#[test]
fn aliases_call_rules_as_the_correlation_does() {
    let aliases = "aliases:\n  ip:\n    id-a: SourceIp\n    b: dst.ip";
    let correlation = taken(&format!("type: temporal\nrules: [a, b]\ngroup-by: [ip]\ntimespan: 1h\n{aliases}"));
    let pair = |rule: &str, field: &str| (rule.to_owned(), field.to_owned());
    assert_eq!(correlation.aliases[0].fields, [pair("a", "SourceIp"), pair("b", "dst.ip")]);
}

#[test]
fn what_is_wrong_is_said() {
    let blocks = include_str!("correlations_refused.txt").split("\n\n").filter(|block| !block.starts_with('#'));
    for block in blocks {
        let (section, expected) = block.split_once("\n=> ").expect("a section and what is wrong");
        let section = section.replace("RULES", "rules: [a, b]\ntimespan: 1h");
        assert_eq!(refused(&section), format!("2.yml:{}", expected.trim_end()), "{section}");
    }
}

fn chained(name: &str, rules: &str) -> String {
    format!("title: {name}\nname: {name}\ncorrelation: {{type: temporal, rules: [{rules}], timespan: 1h}}\n")
}

#[test]
fn correlations_of_correlations_end_in_rules() {
    let texts = [
        chained("top", "middle, b"),
        chained("middle", "a"),
        chained("one", "two"),
        chained("two", "three, a"),
        chained("three", "one"),
        chained("self", "self"),
        chained("after", "one"),
        chained("lost", "nothing-at-all"),
        chained("later", "lost"),
        chained("bad", "broken"),
        "title: broken\nname: broken\nlogsource: {}\ndetection: {s: {f: 1}, condition: x}\n".to_owned(),
        RULES.to_owned(),
    ];
    let collection = read(&texts.each_ref().map(String::as_str));
    let sound: Vec<&str> = collection.correlations.iter().map(|one| one.about.title.as_str()).collect();
    assert_eq!(sound, ["top", "middle"]);
    let texts: Vec<String> = collection.rejections.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "3.yml:1: it refers to itself: `one` -> `two` -> `three` -> `one`",
            "4.yml:1: it refers to itself: `two` -> `three` -> `one` -> `two`",
            "5.yml:1: it refers to itself: `three` -> `one` -> `two` -> `three`",
            "6.yml:1: it refers to itself: `self` -> `self`",
            "7.yml:1: it refers to `one`, which was refused",
            "8.yml:3: it refers to `nothing-at-all`, and no rule has that id or name\n  \
             hint: refer to a rule by its `id` or `name`",
            "9.yml:1: it refers to `lost`, which was refused",
            "10.yml:3: it refers to `broken`, which was refused (11.yml:1)",
            "11.yml:4: the condition `x` has `x` at 1, which is no selection\n  hint: did you mean `s`?",
        ]
    );
}

#[test]
fn long_chains_need_no_stack() {
    let name = |index: usize| format!("c{index}");
    let length = 1_000;
    let mut text: String = (1..length).map(|index| chained(&name(index), &name(index - 1)) + "---\n").collect();
    assert_eq!(read(&[RULES, &(text.clone() + &chained("c0", "a"))]).correlations.len(), length);
    text += &chained("c0", "c999");
    let collection = read(&[RULES, &text]);
    assert_eq!((collection.correlations.len(), collection.rejections.len()), (0, length));
    assert_eq!(
        collection.rejections[0].to_string(),
        "2.yml:1: it refers to itself: `c1` -> `c0` -> `c999` -> `c998` -> `c997` -> `c996` -> `c995` -> 993 more -> `c1`"
    );
}
