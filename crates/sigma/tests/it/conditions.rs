//! Conditions over selections.

use super::{check, detection, read, rule};

/// What becomes of a condition over the selections `a`, `b`, `sel_1`, `sel_2`, `my_sel` and `_c`; it stands on line 10.
fn condition(text: &str) -> String {
    let names = ["a", "b", "sel_1", "sel_2", "my_sel", "_c"];
    let selections: String = names.iter().map(|name| format!("{name}: {{f: {name}}}\n")).collect();
    detection(&format!("{selections}condition: {text}")).replace("f: ", "")
}

#[test]
fn operators_bind_from_or_to_parentheses() {
    check(
        &[
            ("a", "'a'"),
            ("a and b", "'a' and 'b'"),
            ("a or b and _c", "'a' or ('b' and '_c')"),
            ("(a or b) and _c", "('a' or 'b') and '_c'"),
            ("not a and b", "not 'a' and 'b'"),
            ("not (a and b)", "not ('a' and 'b')"),
            ("not not a", "not not 'a'"),
            ("a and not 1 of sel_*", "'a' and not ('sel_1' or 'sel_2')"),
            ("((a))", "'a'"),
            ("a AND NOT b Or _c", "('a' and not 'b') or '_c'"),
            ("(a)or(b)", "'a' or 'b'"),
            ("[a, b and _c]", "'a' or ('b' and '_c')"),
        ],
        condition,
    );
}

#[test]
fn quantifiers_take_patterns() {
    check(
        &[
            ("1 of them", "'a' or 'b' or 'sel_1' or 'sel_2' or 'my_sel'"),
            ("all of them", "'a' and 'b' and 'sel_1' and 'sel_2' and 'my_sel'"),
            ("ANY OF Them", "'a' or 'b' or 'sel_1' or 'sel_2' or 'my_sel'"),
            ("1 of sel_*", "'sel_1' or 'sel_2'"),
            ("all of sel*", "'sel_1' and 'sel_2'"),
            ("1 of *_*", "'sel_1' or 'sel_2' or 'my_sel' or '_c'"),
            ("1 of *sel", "'my_sel'"),
            ("1 of s*_*1", "'sel_1'"),
            ("all of a", "'a'"),
            ("any of _*", "'_c'"),
            ("1 of sel_* and b", "('sel_1' or 'sel_2') and 'b'"),
        ],
        condition,
    );
}

#[test]
fn selections_within_have_parentheses() {
    check(
        &[
            ("x: {f: [1, 2]}\ny: {g: 3}\ncondition: x and y", "(f: '1' or f: '2') and g: '3'"),
            ("x: {f: 1, g: 2}\ny: {g: 3}\ncondition: x or y", "(f: '1' and g: '2') or g: '3'"),
            ("x: {f: 1, g: 2}\ny: {g: 3}\ncondition: x and y", "f: '1' and g: '2' and g: '3'"),
            ("x: {f: 1, g: 2}\ncondition: not x", "not (f: '1' and g: '2')"),
            // Selections that nothing uses, and the time frame of older rules.
            ("x: {f: 1}\ny: {g: 3}\ntimeframe: 5m\ncondition: x", "f: '1'"),
        ],
        detection,
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let correlation = "write a correlation: a document with `correlation`, which counts the matches of rules";
    let cases: [(&str, &str); 16] = [
        ("a and", "the condition `a and` ends where a selection belongs"),
        ("and a", "the condition `and a` has `and` at 1 where a selection belongs"),
        ("(a or b", "the condition `(a or b` ends where `)` belongs"),
        ("(a b)", "the condition `(a b)` has `b` at 4 where `)` belongs"),
        ("a )", "the condition `a )` closes a parenthesis at 3 that none opens"),
        ("a b", "the condition `a b` has `b` at 3 where `and` or `or` belongs"),
        ("()", "the condition `()` has `)` at 2 where a selection belongs"),
        ("1 of", "the condition `1 of` ends where `them` or the name of selections belongs"),
        ("1 of (a, b)", "the condition `1 of (a, b)` has `(` at 6 where `them` or the name of selections belongs"),
        ("''", "the condition `` ends where a selection belongs"),
        (
            "a and sel1",
            "the condition `a and sel1` has `sel1` at 7, which is no selection\n  hint: did you mean `sel_1`?",
        ),
        (
            "é and 1 of filter_*",
            "the condition `é and 1 of filter_*` has `é` at 1, which is no selection\n  hint: did you mean `a`?",
        ),
        (
            "2 of sel_*",
            "the condition `2 of sel_*` has `2 of`\n  hint: only `1 of`, `any of` and `all of` can be used; to count, ",
        ),
        (
            "'a | count() by f > 5'",
            "the condition `a | count() by f > 5` counts with `|`, which Sigma no longer has\n  hint: ",
        ),
        ("a near b", "the condition `a near b` has `near`, which Sigma no longer has\n  hint: "),
        ("[]", "`condition` is an empty list"),
    ];
    for (text, expected) in cases {
        let correlation = if expected.ends_with("hint: ") || expected.ends_with("count, ") { correlation } else { "" };
        assert_eq!(condition(text), format!("1.yml:10: {expected}{correlation}"));
    }
    assert_eq!(
        detection("sel_1: {f: 1}\ncondition: 1 of filter_*"),
        "1.yml:5: the condition `1 of filter_*` has `filter_*` at 6, which is no selection\n  hint: there are `sel_1`"
    );
    assert_eq!(condition("{a: b}"), "1.yml:10: `condition` is a map, not a text");
    assert_eq!(
        detection("a: {f: 1}\nconditions: a"),
        "1.yml:4: there is no `condition`\n  hint: did you mean `conditions`?"
    );
    assert_eq!(detection("a: {}\ncondition: a"), "1.yml:4: the selection `a` has an empty map");
    assert_eq!(detection("a: []\ncondition: a"), "1.yml:4: the selection `a` is an empty list");
    assert_eq!(detection("a:\ncondition: a"), "1.yml:4: the selection `a` is empty");
}

#[test]
fn depth_and_size_have_limits() {
    let deep = format!("{}a{}", "(".repeat(100_000), ")".repeat(100_000));
    let too_deep = "1.yml:10: a condition has parentheses and `not` more than 64 deep in each other";
    assert_eq!(condition(&deep), too_deep);
    assert_eq!(condition(&format!("{}a", "not ".repeat(100_000))), too_deep);
    assert_eq!(condition(&format!("{}a{}", "(".repeat(64), ")".repeat(64))), "'a'");
    let long = vec!["a"; 10_000].join(" and ");
    assert_eq!(read(&[&rule(&format!("a: {{f: 1}}\ncondition: {long}"))]).rules[0].condition.size(), 10_001);
    let wide = vec!["a"; 100_000].join(" or ");
    assert_eq!(
        detection(&format!("a: {{f: [1, 2, 3, 4]}}\ncondition: {wide}")),
        "1.yml:5: the rule comes to more than 200000 tests once it is worked out\n  hint: split it"
    );
    let many: String = (0..1_000).map(|index| format!("s{index}: {{f: 1}}\n")).collect();
    assert_eq!(detection(&format!("{many}condition: s1")), "1.yml:4: there are 1001 selections, and may be 1000");
    let dashes = vec!["'-a -b -c -d -e'"; 100].join(", ");
    assert_eq!(
        detection(&format!("a: {{f|windash: [{dashes}]}}\ncondition: a")),
        "1.yml:4: the rule comes to more than 200000 tests once it is worked out\n  hint: split it"
    );
}
