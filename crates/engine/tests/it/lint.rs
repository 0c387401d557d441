//! What is said of signals that plan and find the wrong rows, and that nothing is said of those that are right.

use millpond_core::config::Problems;

use crate::sql::prepared;

const CONFIG: &str =
    "time = 'ts'\n[columns]\nts = 'timestamp'\nuser = 'text'\nhost = 'text'\npath = 'text'\nbytes = 'int'\n";
const TRANSFORM: &str = "select ts, user, lower(host) as host, path, bytes, lower(user) || '!' as loud from input";

/// What is told of a signal, errors first: level, line and message.
fn told(signal: &str) -> Vec<String> {
    let prepared = prepared(CONFIG, TRANSFORM, &[signal]).expect(signal);
    let mut problems = Problems::default();
    prepared.lint(&mut problems);
    let errors = problems.found.iter().map(|problem| format!("error {}: {}", problem.line, problem.message));
    let warnings = problems.warnings.iter().map(|problem| format!("warning {}: {}", problem.line, problem.message));
    errors.chain(warnings).collect()
}

#[test]
fn mistakes_are_told_with_their_line() {
    let cases = [
        (
            "select user\nfrom output\nwhere user = 'a' or host = 'b' and bytes > 5",
            "warning 3: `and` and `or` are mixed",
        ),
        ("select user from output\nwhere user = 'a'\n  and 1 = 1", "error 2: `1 = 1` is true of every row"),
        (
            "select user from output\nwhere bytes > 5\n  and user = 'a' and user = 'b'",
            "error 2: `bytes > 5 AND user = 'a' AND user = 'b'` is true of no row",
        ),
        (
            "select user from output\nwhere user <> 'a'\n or user <> 'b'",
            "error 2: `user != 'a' OR user != 'b'` is true of every row",
        ),
        (
            "select user from output\nwhere bytes > 10\n and bytes < 3",
            "error 2: `bytes > 10 AND bytes < 3` is true of no row",
        ),
        (
            "select user from output\nwhere host = 'x'\n and (bytes < 10 or bytes > 3)",
            "error 3: `bytes < 10 OR bytes > 3` is true of every row",
        ),
        ("select user, count(*) from output group by user\nhaving count(*) > 5 and count(*) < 2", "error 2: "),
        ("select user, bytes\nfrom output", "warning 1: every row is a signal"),
        (
            "select user from output\nwhere (ts > now() - interval '1 day' and user = 'a')\n  or user = 'b'",
            "warning 2: the time limits one branch",
        ),
        (
            "select user from output where\nbytes > 3 and user = NULL",
            "error 2: a comparison with NULL by `=` is never true",
        ),
        (
            "select user from output where\nuser is null or user <> null",
            "error 2: a comparison with NULL by `<>` is never true",
        ),
        ("select user from output\nwhere path like '%my_tool.exe'", "warning 2: `_` in the pattern `%my_tool.exe`"),
        (
            "select user from output\nwhere user not in (select user from output where bytes > 3)",
            "warning 2: `not in` is never true",
        ),
        (
            "select user from output\nwhere lower(user) = 'Bob'",
            "error 2: `user` was brought to lower case and is never `Bob`",
        ),
        (
            "select user from output\nwhere host in ('a', 'DC01')",
            "error 2: `host` was brought to lower case and is never `DC01`",
        ),
        (
            "with u as (select upper(user) as name from output)\nselect name from u\nwhere name = 'bob'",
            "error 3: `name` was brought to upper case",
        ),
    ];
    let wrong = cases.into_iter().filter_map(|(signal, expected)| {
        let found = told(signal);
        let is_told = found.len() == 1 && found[0].starts_with(expected);
        (!is_told).then(|| format!("{signal}\n  gives    {found:?}\n  expected {expected:?}"))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_said_of_what_is_right() {
    let right = [
        "select user from output where user = 'a' or (host = 'b' and bytes > 5)",
        "select user from output where bytes between 3 and 5 or user = 'x'",
        "select user from output where user <> 'a' and user <> 'b'",
        "select user from output where bytes > 3 and bytes < 10",
        "select user from output where bytes < 3 or bytes > 10",
        "select user from output where ts > now() - interval '1 day' and (user = 'a' or host = 'b')",
        "select user from output where ts is null or ts > now()",
        "select user from output where user is null",
        "select user from output where path like '%my\\_tool.exe' or path like '%tool.exe' or user like 'svc_%'",
        "select user from output where user not in (select user from output where user is not null)",
        "select user from output where user not in ('a', 'b')",
        "select user from output where lower(user) = 'bob' or user = 'Bob'",
        "select user from output where host = 'dc01' and path = 'C:\\Temp'",
        "select user, count(*) from output group by user having count(*) > 5",
        "select user from output qualify row_number() over (partition by user order by ts) = 1",
        "select distinct user from output",
        "select user from output where lower(user) ilike 'Bob%'",
    ];
    let wrong: Vec<_> =
        right.into_iter().map(|signal| (signal, told(signal))).filter(|(_, told)| !told.is_empty()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
