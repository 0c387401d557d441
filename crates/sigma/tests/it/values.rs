//! What values mean: escapes, wildcards, numbers, null, keywords.

use super::{check_selections, detection, selection};

#[test]
fn texts_have_wildcards_and_escapes() {
    check_selections(&[
        (r"f: 'a*b?c'", r"f: 'a*b?c'"),
        (r"f: '\cmd.exe'", r"f: '\cmd.exe'"),
        (r"f: 'a\\b'", r"f: 'a\b'"),
        (r"f: 'a\*b\?c'", r"f: 'a\*b\?c'"),
        (r"f: 'a\\*b'", r"f: 'a\\*b'"),
        (r"f: 'a\\\*b'", r"f: 'a\\\*b'"),
        (r"f: 'a\\\b'", r"f: 'a\\\b'"),
        (r"f: 'a\\\\b'", r"f: 'a\\\b'"),
        (r"f: 'a\'", r"f: 'a\'"),
        (r"f: 'a\\'", r"f: 'a\'"),
        ("f: '**a**?*'", "f: '*a*?*'"),
        ("f: ''", "f: ''"),
        ("f: \"a\\nb\"", "f: 'a\nb'"),
        ("f: ' a '", "f: ' a '"),
    ]);
}

#[test]
fn a_lone_star_asks_for_the_field_alone() {
    check_selections(&[
        ("f: '*'", "f|exists: true"),
        ("f: '**'", "f|exists: true"),
        ("f|contains: '*'", "f|exists: true"),
        ("f|startswith: ''", "f|exists: true"),
        ("f: '?'", "f: '?'"),
        ("f: '?*'", "f: '?*'"),
        (r"f: '\*'", r"f: '\*'"),
    ]);
}

#[test]
fn numbers_and_booleans_are_texts() {
    check_selections(&[
        ("f: 4688", "f: '4688'"),
        ("f: '4688'", "f: '4688'"),
        ("f: -5", "f: '-5'"),
        ("f: 18446744073709551616123", "f: '18446744073709551616123'"),
        ("f: 0x10", "f: '16'"),
        ("f: '0x10'", "f: '0x10'"),
        ("f: 1.5", "f: '1.5'"),
        ("f: true", "f: 'true'"),
        ("f: False", "f: 'false'"),
        ("f: yes", "f: 'yes'"),
        ("f|contains: 12", "f: '*12*'"),
        ("1: 2", "1: '2'"),
    ]);
}

#[test]
fn null_is_a_field_that_is_not_there() {
    check_selections(&[
        ("f: null", "f: null"),
        ("f:", "f: null"),
        ("f: ['', null]", "f: '' or f: null"),
        ("f|neq: null", "not f: null"),
        (
            "f|contains: [a, null]",
            "1.yml:5: `f|contains` cannot have null among its values\n  \
             hint: null means that a field is not there: write it as the only value of the field's name alone",
        ),
    ]);
}

#[test]
fn lists_are_or_and_maps_are_and() {
    check_selections(&[
        ("f: [a, b]", "f: 'a' or f: 'b'"),
        ("f: [a]", "f: 'a'"),
        ("f: a\ng: [b, c]", "f: 'a' and (g: 'b' or g: 'c')"),
        ("- f: a\n  g: b\n- h: c", "(f: 'a' and g: 'b') or h: 'c'"),
        ("- f: [a, b]\n- g: c", "f: 'a' or f: 'b' or g: 'c'"),
        ("f: a\nf|contains: b", "f: 'a' and f: '*b*'"),
        ("f: []", "1.yml:5: `f` has an empty list of values"),
        ("f: [[a]]", "1.yml:5: `f` has a list among its values, where texts belong"),
        ("f:\n  - a\n  - g: b", "1.yml:7: `f` has a map among its values, where texts belong"),
        ("- [a]", "1.yml:5: the selection `s` has a list within a list"),
    ]);
}

#[test]
fn keywords_stand_anywhere_in_any_value() {
    check_selections(&[
        ("- evil\n- 'very evil'", "*: '*evil*' or *: '*very evil*'"),
        ("- 'a*b'", "*: '*a*b*'"),
        ("- '*a'", "*: '*a*'"),
        ("- 4625", "*: '*4625*'"),
        ("'|all': [a, b]", "*: '*a*' and *: '*b*'"),
        ("'|all': [a, b]\nf: c", "*: '*a*' and *: '*b*' and f: 'c'"),
        ("'|contains|all': [a, b]", "*: '*a*' and *: '*b*'"),
        ("'|startswith': a", "*: 'a*'"),
        ("'|re': ^a", "*|re: '^a'"),
        ("'|cased': a", "*|cased: '*a*'"),
        ("- a\n- f: b", "*: '*a*' or f: 'b'"),
    ]);
    assert_eq!(detection("k: evil\ncondition: k"), "*: '*evil*'");
    assert_eq!(
        selection("- null"),
        "1.yml:5: a keyword cannot be null\n  hint: null means that a field is not there, and keywords have no field"
    );
    assert_eq!(selection("'|exists': true"), "1.yml:5: `|exists` needs the name of a field");
    assert_eq!(selection("'|fieldref': f"), "1.yml:5: `|fieldref` needs the name of a field");
}

#[test]
fn names_are_taken_as_they_are() {
    check_selections(&[
        ("cs-uri-query: a", "cs-uri-query: 'a'"),
        ("a.b.c: d", "a.b.c: 'd'"),
        ("ProcessID: 1\nProcessId: 2", "ProcessID: '1' and ProcessId: '2'"),
        ("'Sub Field': a", "Sub Field: 'a'"),
    ]);
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    assert_eq!(
        selection("f: a\ng: b\nf: c"),
        "1.yml:7: the key `f` stands twice in a map, first on line 5\n  \
         hint: YAML keeps one of the two: join their values in a list, or use two selections"
    );
}
