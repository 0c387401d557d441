//! Rules in, conditions out: read as users write them.

mod conditions;
mod correlating;
mod correlating_reference;
mod correlations;
mod documents;
mod filters;
mod matching;
mod modifiers;
mod pack;
mod properties;
mod public_rules;
mod reference;
mod values;
mod windows;

use millpond_sigma::{Collection, Placeholders, RuleFile};

/// Reads texts as files `1.yml`, `2.yml` and so on.
fn read(texts: &[&str]) -> Collection {
    let file =
        |(index, text): (usize, &&str)| RuleFile { name: format!("{}.yml", index + 1), text: (*text).to_owned() };
    Collection::read(texts.iter().enumerate().map(file))
}

/// A rule around a section `detection`, which starts on line 4.
fn rule(detection: &str) -> String {
    let lines = detection.trim_matches('\n').lines();
    let indented: String = lines.map(|line| format!("  {line}\n")).collect();
    format!("title: t\nlogsource: {{product: p}}\ndetection:\n{indented}")
}

/// The condition of the only rule, or the only rejection.
fn outcome(collection: &Collection) -> String {
    match (collection.rules.as_slice(), collection.rejections.as_slice()) {
        ([rule], []) => rule.condition.to_string(),
        ([], [rejection]) => rejection.to_string(),
        (rules, rejections) => panic!("{} rules, and rejected: {rejections:?}", rules.len()),
    }
}

/// What becomes of a section `detection`.
fn detection(text: &str) -> String {
    outcome(&read(&[&rule(text)]))
}

/// What becomes of one selection, whose first line is line 5.
fn selection(text: &str) -> String {
    selection_with(text, &Placeholders::new())
}

fn selection_with(text: &str, placeholders: &Placeholders) -> String {
    let lines: String = text.trim_matches('\n').lines().map(|line| format!("  {line}\n")).collect();
    let file = RuleFile { name: "1.yml".to_owned(), text: rule(&format!("s:\n{lines}condition: s")) };
    outcome(&Collection::read_with([file], placeholders))
}

/// Checks what becomes of selections, all at once.
fn check_selections(cases: &[(&str, &str)]) {
    check(cases, selection);
}

fn check(cases: &[(&str, &str)], outcome: impl Fn(&str) -> String) {
    let differs = |(text, expected): &&(&str, &str)| outcome(text) != *expected;
    let wrong: Vec<String> = cases
        .iter()
        .filter(differs)
        .map(|(text, expected)| format!("{text}\n  expected {expected}\n  is       {}\n", outcome(text)))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
