//! Filters narrow the rules that they name.

use super::read;

const RULES: &str = "title: t\nid: id-a\nname: a\nlogsource: {product: windows, category: c}\n\
     detection: {s: {f: [1, 2]}, condition: s}\n---\n\
     title: t\nid: id-b\nlogsource: {product: linux}\ndetection: {s: {f: 1, g: 2}, condition: s}\n";

/// The conditions of both rules after a filter, whose section starts on line 4 of `2.yml`, or why it is refused.
fn filtered(logsource: &str, section: &str) -> Vec<String> {
    let lines: String = section.lines().map(|line| format!("  {line}\n")).collect();
    let collection = read(&[RULES, &format!("title: x\nlogsource: {logsource}\nfilter:\n{lines}")]);
    assert_eq!(collection.filters.len() + collection.rejections.len(), 1);
    match collection.rejections.first() {
        Some(rejection) => vec![rejection.to_string()],
        None => collection.rules.iter().map(|rule| rule.condition.to_string()).collect(),
    }
}

#[test]
fn rules_match_where_their_filters_hold_too() {
    let (a, b) = ("f: '1' or f: '2'", "f: '1' and g: '2'");
    let admin = "x: {User|startswith: adm_}\ncondition: not x";
    let (a_admin, b_admin) = (format!("({a}) and not User: 'adm_*'"), format!("{b} and not User: 'adm_*'"));
    let cases = [
        ("{product: windows}", "rules: any", [a_admin.as_str(), b]),
        ("{}", "rules: any", [&a_admin, &b_admin]),
        ("{}", "rules: ALL", [&a_admin, &b_admin]),
        ("{}", "rules: []", [&a_admin, &b_admin]),
        ("{product: windows, category: c}", "rules: [a]", [&a_admin, b]),
        ("{product: windows}", "rules: id-a", [&a_admin, b]),
        ("{product: macos}", "rules: any", [a, b]),
    ];
    for (logsource, rules, expected) in cases {
        assert_eq!(filtered(logsource, &format!("{rules}\n{admin}")), expected, "{logsource} {rules}");
    }
}

#[test]
fn a_filter_that_narrows_nothing_is_told() {
    let end = "x: {f: 1}\ncondition: x";
    let cases = [
        (
            "{product: windows}",
            format!("rules: [a, id-b]\n{end}"),
            "2.yml:4: the filter is for the log source windows/*, and the rule `id-b` for linux/*\n  \
             hint: give the filter the rule's log source, or less of it",
        ),
        (
            "{}",
            format!("rules: id-c\n{end}"),
            "2.yml:4: it refers to `id-c`, and no rule has that id or name\n  hint: did you mean `id-a`?",
        ),
        (
            "{}",
            end.to_owned(),
            "2.yml:4: the filter has no `rules`\n  hint: name rules by id or name, or write `rules: any`",
        ),
        ("{}", "rules: any\nx: {f: 1}".to_owned(), "2.yml:4: there is no `condition`\n  hint: there are `rules`, `x`"),
        ("[]", end.to_owned(), "2.yml:2: `logsource` is a list, not a map"),
    ];
    for (logsource, section, expected) in cases {
        assert_eq!(filtered(logsource, &section), [expected], "{section}");
    }
}

#[test]
fn a_filter_may_name_a_rule_that_was_refused() {
    let broken = "title: t\nid: bad\nlogsource: {}\ndetection: {s: {f: 1}, condition: x}\n";
    let filter = "title: x\nlogsource: {}\nfilter: {rules: [bad, a], x: {h: 1}, condition: x}\n";
    let collection = read(&[filter, broken, RULES]);
    assert_eq!((collection.filters.len(), collection.rejections.len()), (1, 1));
    assert_eq!(collection.rules[0].condition.to_string(), "(f: '1' or f: '2') and h: '1'");
}
