//! Files and documents: what a rule says about itself, several documents, what is refused and where.

use millpond_core::source::Severity;
use millpond_sigma::{Rejection, Status};

use super::{read, rule};

const RULE: &str = "title: t\nlogsource: {product: p}\ndetection: {s: {f: 1}, condition: s}\n";

fn refused(text: &str) -> String {
    let collection = read(&[text]);
    assert!(collection.rules.is_empty(), "{:?}", collection.rules);
    let texts: Vec<String> = collection.rejections.iter().map(ToString::to_string).collect();
    texts.join("\n")
}

#[test]
fn a_rule_says_what_it_is() {
    let text = "\u{feff}# A comment.\n---\ntitle: Title\nid: 1-2\nname: my_rule\nstatus: Stable\nlevel: critical\n\
         author: [a, b]\n\
         description: |\n  Two\n  lines.\ndate: 2026-01-02\nreferences:\n  - https://example.com/a\n\
         tags: [attack.execution, attack.t1059.001]\nfalsepositives: Unknown\nfields: [f, 1]\nlicense: DRL\n\
         logsource:\n  category: Process_Creation\n  product: windows\n  definition: anything\n\
         detection: {s: {f: 1}, condition: s}\ncustom: {a: 1}\n";
    let collection = read(&[text]);
    assert!(collection.rejections.is_empty(), "{:?}", collection.rejections);
    let rule = &collection.rules[0];
    let about = &rule.about;
    assert_eq!((about.id.as_str(), about.name.as_deref(), about.title.as_str()), ("1-2", Some("my_rule"), "Title"));
    assert_eq!((about.status, about.level), (Some(Status::Stable), Severity::Critical));
    assert_eq!((about.author.as_deref(), about.description.as_deref()), (Some("a, b"), Some("Two\nlines.")));
    assert_eq!((about.references.len(), about.false_positives.clone()), (1, vec!["Unknown".to_owned()]));
    assert_eq!(
        (about.fields.clone(), about.technique()),
        (vec!["f".to_owned(), "1".to_owned()], Some("T1059.001".to_owned()))
    );
    assert_eq!((about.file.as_str(), about.line), ("1.yml", 3));
    assert_eq!(rule.logsource.to_string(), "windows/process_creation");
}

#[test]
fn little_is_needed() {
    let rules = read(&[RULE, &RULE.replace("{product: p}", "{}"), &RULE.replace('\n', "\r\n")]).rules;
    let sources: Vec<String> = rules.iter().map(|rule| rule.logsource.to_string()).collect();
    assert_eq!(sources, ["p/*", "*/*", "p/*"]);
    assert_eq!((rules[0].about.id.as_str(), rules[0].about.level, rules[0].about.status), ("", Severity::Medium, None));
    for nothing in ["", "# nothing\n", "---\n---\n", "~"] {
        let collection = read(&[nothing]);
        assert!(collection.rules.is_empty() && collection.rejections.is_empty(), "{nothing:?}");
    }
}

#[test]
fn what_is_missing_or_wrong_is_said() {
    let cases = [
        (RULE.replace("title: t\n", ""), "1.yml:1: there is no `title`\n  hint: say in a few words what it finds"),
        (RULE.replace("title: t", "title:"), "1.yml:1: there is no `title`\n  hint: say in a few words what it finds"),
        (RULE.replace("title: t", "title: [t]"), "1.yml:1: `title` is a list, not a text"),
        (
            RULE.replace("logsource", "logsources"),
            "1.yml:1: there is no `logsource`\n  hint: did you mean `logsources`?",
        ),
        (RULE.replace("{product: p}", "p"), "1.yml:2: `logsource` is a text, not a map"),
        (RULE.replace("product: p", "product: [p]"), "1.yml:2: `product` is a list, not a text"),
        (
            RULE.replace("detection", "detections"),
            "1.yml:1: there is no `detection`\n  hint: is `detections` meant to be `detection`?",
        ),
        (
            "a: b".to_owned(),
            "1.yml:1: there is no `detection`\n  hint: a Sigma rule has `detection`, `correlation` or `filter`",
        ),
        (
            "- a".to_owned(),
            "1.yml:1: the document is a list, not a map\n  \
             hint: a Sigma rule has `detection`, `correlation` or `filter`",
        ),
        (RULE.replace("{s: {f: 1}, condition: s}", "s"), "1.yml:3: the selections are a text, not a map"),
        (
            format!("{RULE}level: urgent\n"),
            "1.yml:4: `level` cannot be `urgent`\n  \
             hint: there are `informational`, `low`, `medium`, `high`, `critical`",
        ),
        (
            format!("{RULE}status: experimentel\n"),
            "1.yml:4: `status` cannot be `experimentel`\n  hint: did you mean `experimental`?",
        ),
        (format!("{RULE}tags:\n  - a\n  - b: c\n"), "1.yml:6: `tags` has a map where a text belongs"),
    ];
    for (text, expected) in cases {
        assert_eq!(refused(&text), expected, "{text}");
    }
}

#[test]
fn a_rejection_names_the_rule() {
    let collection =
        read(&[&RULE.replace("f: 1", "f|x: 1").replace("title: t", "title: t\nid: 77"), "title: only\na: b"]);
    let label =
        |rejection: &Rejection| (rejection.file.clone(), rejection.line, rejection.rule.clone().expect("a label"));
    let labels: Vec<(String, u32, String)> = collection.rejections.iter().map(label).collect();
    assert_eq!(labels, [("1.yml".to_owned(), 4, "77".to_owned()), ("2.yml".to_owned(), 1, "only".to_owned())]);
}

#[test]
fn a_file_may_have_several_documents_of_which_the_good_ones_count() {
    let text = format!("{RULE}---\n{}---\n{RULE}---\n[\n", RULE.replace("condition: s", "condition: x"));
    let collection = read(&[&text, &rule("s: {f: 1}\ncondition: s")]);
    let lines: Vec<u32> = collection.rules.iter().map(|rule| rule.about.line).collect();
    assert_eq!(lines, [1, 9, 1]);
    let texts: Vec<String> = collection.rejections.iter().map(ToString::to_string).collect();
    assert_eq!(texts[0], "1.yml:7: the condition `x` has `x` at 1, which is no selection\n  hint: did you mean `s`?");
    assert!(texts[1].starts_with("1.yml:14: failed to read as YAML: "), "{}", texts[1]);
    assert_eq!(texts.len(), 2);
}

#[test]
fn the_old_way_to_share_parts_is_understood() {
    let text = "action: global\ntitle: t\nlogsource: {product: p}\ndetection: {condition: s}\n---\n\
         id: 1\ndetection: {s: {f: 1}}\n---\naction: repeat\nid: 2\ndetection: {s: {g: 2}}\n---\n\
         action: reset\n---\ntitle: alone\n---\naction: other\n";
    let collection = read(&[text]);
    let rules: Vec<String> =
        collection.rules.iter().map(|rule| format!("{}: {}", rule.about.id, rule.condition)).collect();
    assert_eq!(rules, ["1: f: '1'", "2: f: '1' and g: '2'"]);
    let texts: Vec<String> = collection.rejections.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "1.yml:15: there is no `detection`\n  hint: a Sigma rule has `detection`, `correlation` or `filter`",
            "1.yml:17: `action` cannot be `other`\n  hint: it is `global`, `repeat` or `reset`",
        ]
    );
}

#[test]
fn ids_and_names_are_there_once() {
    let rule = |head: &str| format!("{head}\n{RULE}");
    let texts =
        [rule("id: 1"), rule("name: n"), format!("{RULE}---\n{}", rule("id: 1")), rule("name: n"), rule("id: 2")];
    let collection = read(&texts.each_ref().map(String::as_str));
    assert_eq!(collection.rules.len(), 4);
    let texts: Vec<String> = collection.rejections.iter().map(ToString::to_string).collect();
    let hint = "hint: each is there once: give it another, or leave one out";
    assert_eq!(
        texts,
        [
            format!("3.yml:5: the id `1` is taken by 1.yml:1\n  {hint}"),
            format!("4.yml:1: the name `n` is taken by 2.yml:1\n  {hint}")
        ]
    );
}
