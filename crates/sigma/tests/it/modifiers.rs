//! Modifiers, each by itself and in combination.

use millpond_sigma::Placeholders;

use super::{check, check_selections, selection, selection_with};

#[test]
fn places() {
    check_selections(&[
        ("f|contains: a", "f: '*a*'"),
        ("f|startswith: a", "f: 'a*'"),
        ("f|endswith: a", "f: '*a'"),
        ("f|contains: 'a*b?'", "f: '*a*b?*'"),
        ("f|endswith: '?a'", "f: '*?a'"),
        ("f|endswith: 'a*'", "f: '*a*'"),
        (r"f|startswith: 'C:\*'", r"f: 'C:\**'"),
        (r"f|endswith: '\'", r"f: '*\'"),
        (r"f|startswith: '\'", r"f: '\\*'"),
        ("f|contains|cased: A", "f|cased: '*A*'"),
        ("f|cased: A", "f|cased: 'A'"),
        ("f|contains|contains: A", "f: '*A*'"),
        ("f|contains|endswith: A", "1.yml:5: `f|contains|endswith` says in two ways where the value has to stand"),
    ]);
}

#[test]
fn all_and_neq_join_values() {
    check_selections(&[
        ("f|contains|all: [a, b]", "f: '*a*' and f: '*b*'"),
        ("f|all|contains: [a, b]", "f: '*a*' and f: '*b*'"),
        ("f|neq: a", "not f: 'a'"),
        ("f|neq: [a, 2]", "not (f: 'a' or f: '2')"),
        ("f|contains|all|neq: [a, b]", "not (f: '*a*' and f: '*b*')"),
        (
            "f|contains|all: a",
            "1.yml:5: `f|contains|all` has one value only, and `all` is for several\n  hint: leave `all` out",
        ),
        (
            "f|contains|all: [a]",
            "1.yml:5: `f|contains|all` has one value only, and `all` is for several\n  hint: leave `all` out",
        ),
    ]);
}

#[test]
fn regular_expressions() {
    check_selections(&[
        (r"f|re: '^a\.b*'", r"f|re: '^a\.b*'"),
        ("f|re|i: a", "f|re|i: 'a'"),
        ("f|re|ignorecase|multiline|dotall: a", "f|re|i|m|s: 'a'"),
        ("f|re|m|s: [a, b]", "f|re|m|s: 'a' or f|re|m|s: 'b'"),
        ("f|re|all: [a, b]", "f|re: 'a' and f|re: 'b'"),
        ("f|re: 12", "f|re: '12'"),
        (
            "f|re|contains: a",
            "1.yml:5: `f|re|contains` cannot take `re` together with a place\n  \
             hint: a regular expression is searched anywhere; `^` and `$` tie it to the start and the end",
        ),
        ("f|i: a", "1.yml:5: `i` of `f|i` is a flag of regular expressions\n  hint: write `re|i`"),
        (
            "f|re:\n  - a\n  - 'b('",
            "1.yml:7: failed to read the regular expression `b(`: unclosed group\n  \
             hint: look-around and back references cannot be used",
        ),
        (
            "f|re: 'a(?!b)'",
            "1.yml:5: failed to read the regular expression `a(?!b)`: look-around, including look-ahead and \
             look-behind, is not supported\n  hint: look-around and back references cannot be used",
        ),
        ("f|re|cased: a", "1.yml:5: `f|re|cased` takes `cased`, which is for texts"),
        ("f|re: null", "1.yml:5: `f|re` has null among its values, where texts belong"),
    ]);
}

#[test]
fn dashes_of_windows() {
    check_selections(&[
        ("f|windash: -a", "f: '-a' or f: '/a' or f: '–a' or f: '—a' or f: '―a'"),
        ("f|contains|windash: ' /a '", "f: '* -a *' or f: '* /a *' or f: '* –a *' or f: '* —a *' or f: '* ―a *'"),
        ("f|windash|contains: —é", "f: '*-é*' or f: '*/é*' or f: '*–é*' or f: '*—é*' or f: '*―é*'"),
        // Only where a word starts.
        ("f|windash: a-b", "f: 'a-b'"),
        ("f|windash: 'a - b'", "f: 'a - b'"),
        ("f|windash: a-", "f: 'a-'"),
        ("f|windash: --a", "f: '--a' or f: '-/a' or f: '-–a' or f: '-—a' or f: '-―a'"),
        ("f|windash: '-*'", "f: '-*'"),
        ("f|windash: '*-a'", "f: '*-a' or f: '*/a' or f: '*–a' or f: '*—a' or f: '*―a'"),
    ]);
    let all = selection("f|contains|all|windash: [-a, b]");
    assert_eq!(all, "(f: '*-a*' or f: '*/a*' or f: '*–a*' or f: '*—a*' or f: '*―a*') and f: '*b*'");
    let two = selection("f|windash: '-a /b'");
    assert_eq!(two.split(" or ").count(), 25);
    assert!(two.starts_with("f: '-a -b'") && two.contains("f: '/a —b'") && two.ends_with("f: '―a ―b'"), "{two}");
    assert_eq!(selection("f|windash: '-a -b -c -d -e'").split(" or ").count(), 3_125);
    assert_eq!(
        selection("f|windash: '-a -b -c -d -e -f'"),
        "1.yml:5: `f|windash` makes more than 3125 texts of one value\n  hint: split the value in parts and use `all`"
    );
}

#[test]
fn networks() {
    check_selections(&[
        ("f|cidr: 10.0.0.0/8", "f|cidr: 10.0.0.0/8"),
        ("f|cidr: [10.1.2.3/8, 192.0.2.1]", "f|cidr: 10.0.0.0/8 or f|cidr: 192.0.2.1/32"),
        ("f|cidr: 'fe80:0:0::1/10'", "f|cidr: fe80::/10"),
        ("f|cidr: '2001:DB8::/127'", "f|cidr: 2001:db8::/127"),
        ("f|cidr: 1.2.3.4/0", "f|cidr: 0.0.0.0/0"),
        ("f|cidr: '1::/0'", "f|cidr: ::/0"),
        (
            "f|cidr: 10.0.0.0/33",
            "1.yml:5: `10.0.0.0/33` is no network\n  hint: write it like `10.0.0.0/8` or `fe80::/10`",
        ),
        ("f|cidr: 10.*", "1.yml:5: `10.*` is no network\n  hint: write it like `10.0.0.0/8` or `fe80::/10`"),
        ("f|cidr|contains: 10.0.0.0/8", "1.yml:5: `f|cidr|contains` takes a place where only texts have one"),
    ]);
}

#[test]
fn base64_and_utf16() {
    check_selections(&[
        ("f|base64: foo", "f: 'Zm9v'"),
        ("f|base64|contains: 'foo bar'", "f: '*Zm9vIGJhcg==*'"),
        ("f|wide|base64: Add", "f: 'QQBkAGQA'"),
        ("f|utf16be|base64: Add", "f: 'AEEAZABk'"),
        ("f|utf16|base64: Add", "f: '//5BAGQAZAA='"),
        ("f|utf16le|base64: é", "f: '6QA='"),
        ("f|wide: ab", "f: 'a\0b\0'"),
        // A text of three bytes, whose ends share characters with their neighbours at offsets 1 and 2.
        ("f|base64offset|contains: foo", "f: '*Zm9v*' or f: '*Zvb*' or f: '*mb2*'"),
        ("f|base64offset|contains: /bin", "f: '*L2Jpb*' or f: '*9iaW*' or f: '*vYmlu*'"),
        ("f|base64offset|contains: ab", "f: '*YW*' or f: '*Fi*' or f: '*hY*'"),
        ("f|wide|base64offset|contains: a", "f: '*YQ*' or f: '*EA*' or f: '*hA*'"),
        (
            "f|base64offset: a",
            "1.yml:5: `f|base64offset` needs two bytes at least: of less, nothing can be recognized at every offset",
        ),
        (r"f|base64: 'a\*'", "f: 'YSo='"),
        (
            "f|base64: 'a*'",
            "1.yml:5: `f|base64` cannot encode wildcards\n  \
             hint: put a backslash before each `*` and `?` that is meant as it is",
        ),
        ("f|wide: é", "1.yml:5: `f|wide` makes bytes that are no text\n  hint: let `base64` or `base64offset` follow"),
        (
            "f|base64|wide: a",
            "1.yml:5: the modifiers of `f|base64|wide` cannot be applied in their order\n  hint: their order is \
             `expand`, `windash`, `wide` or `utf16…`, `base64` or `base64offset`, each at most once",
        ),
    ]);
    let windash = selection("f|windash|base64: -a");
    assert_eq!(windash, "f: 'LWE=' or f: 'L2E=' or f: '4oCTYQ==' or f: '4oCUYQ==' or f: '4oCVYQ=='");
}

#[test]
fn other_fields() {
    check_selections(&[
        ("f|fieldref: g", "f|fieldref: g"),
        ("f|fieldref|endswith: g.h", "f|fieldref|endswith: g.h"),
        ("f|startswith|fieldref: g", "f|fieldref|startswith: g"),
        ("f|fieldref|contains|cased: g", "f|fieldref|contains|cased: g"),
        ("f|fieldref|neq: [g, h]", "not (f|fieldref: g or f|fieldref: h)"),
        ("f|fieldref: 'g*'", "1.yml:5: `f|fieldref` needs the name of another field, and has `g*`"),
    ]);
}

#[test]
fn presence_comparisons_and_times() {
    check_selections(&[
        ("f|exists: true", "f|exists: true"),
        ("f|exists: false", "not f|exists: true"),
        ("f|exists: 'true'", "f|exists: true"),
        ("f|exists: maybe", "1.yml:5: `f|exists` is `true` or `false`, and not `maybe`"),
        ("f|lt: 5", "f|lt: 5"),
        ("f|lte: -1.5", "f|lte: -1.5"),
        ("f|gt: '7'", "f|gt: 7"),
        ("f|gte: [1, 2]", "f|gte: 1 or f|gte: 2"),
        ("f|gt|neq: 5", "not f|gt: 5"),
        ("f|gt: a", "1.yml:5: `a` is no number to compare with"),
        ("f|lt|gt: 5", "1.yml:5: `f|lt|gt` says in two ways what its values are"),
        ("f|minute: 0", "f|minute: 0"),
        ("f|hour: [22, 23]", "f|hour: 22 or f|hour: 23"),
        (
            "f|day: 31\nf|week: 53\nf|month: 12\nf|year: 2026",
            "f|day: 31 and f|week: 53 and f|month: 12 and f|year: 2026",
        ),
        ("f|hour: 24", "1.yml:5: `24` is no hour, which is a number from 0 to 23"),
    ]);
}

#[test]
fn modifiers_that_there_are_not() {
    check_selections(&[
        ("f|contain: a", "1.yml:5: there is no modifier `contain` (in `f|contain`)\n  hint: did you mean `contains`?"),
        ("f|windash|al: a", "1.yml:5: there is no modifier `al` (in `f|windash|al`)\n  hint: did you mean `all`?"),
        (
            "f|Contains: a",
            "1.yml:5: there is no modifier `Contains` (in `f|Contains`)\n  hint: did you mean `contains`?",
        ),
        (
            "f|contains|re|i|windash: a",
            "1.yml:5: `f|contains|re|i|windash` cannot take `re` together with a place\n  \
             hint: a regular expression is searched anywhere; `^` and `$` tie it to the start and the end",
        ),
        ("f|re|windash: a", "1.yml:5: `f|re|windash` transforms values that are not texts"),
    ]);
    let none = selection("f|: a");
    assert!(none.starts_with("1.yml:5: there is no modifier `` (in `f|`)\n  hint: there are `contains`, "), "{none}");
}

#[test]
fn placeholders() {
    let values = [("a", vec!["x*", r"\y"]), ("b.c", vec!["1", "2"]), ("none", vec![])];
    let texts = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect();
    let known: Placeholders = values.into_iter().map(|(name, values)| (name.to_owned(), texts(values))).collect();
    check(
        &[
            ("f|expand: '%a%'", r"f: 'x*' or f: '\y'"),
            ("f|contains|expand: 'q%a%'", r"f: '*qx*' or f: '*q\y*'"),
            ("f|expand: '%a%-%b.c%'", r"f: 'x*-1' or f: 'x*-2' or f: '\y-1' or f: '\y-2'"),
            (r"f|expand: '\%a\%%b.c%'", "f: '%a%1' or f: '%a%2'"),
            (r"f|expand: '\%a%b.c%'", "f: '%a1' or f: '%a2'"),
            (r"f|expand: '\\%b.c%'", r"f: '\1' or f: '\2'"),
            ("f|expand: '100% %a%'", r"f: '100% x*' or f: '100% \y'"),
            ("f|expand: '%'", "f: '%'"),
            ("f: '%a%'", "f: '%a%'"),
            ("f|expand|base64: '%b.c%'", "f: 'MQ==' or f: 'Mg=='"),
            (
                "f|expand:\n  - x\n  - '%z%'",
                "1.yml:7: the placeholder `%z%` has no values\n  \
                 hint: say what it stands for here in `placeholders.toml`: `z = [\"…\"]`; or leave the rule out",
            ),
            (
                "f|expand: '%none%'",
                "1.yml:5: the placeholder `%none%` has no values\n  \
                 hint: say what it stands for here in `placeholders.toml`: `none = [\"…\"]`; or leave the rule out",
            ),
        ],
        |text| selection_with(text, &known),
    );
    let many = "%b.c%".repeat(12);
    assert_eq!(
        selection_with(&format!("f|expand: '{many}'"), &known),
        "1.yml:5: placeholders make more than 3125 texts of one value"
    );
}
