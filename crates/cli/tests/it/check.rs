//! `millpond check` and the errors that people meet first.

use crate::pond::{APP_CONFIG, APP_SQL, PLAIN_CONFIG, Pond};

#[test]
fn three_mistakes_give_three_errors_with_file_and_line() {
    let pond = Pond::with_app();
    pond.source("twin", APP_CONFIG, APP_SQL);
    pond.source("typo", &APP_CONFIG.replace("time =", "tme ="), APP_SQL);
    pond.source("wrong", &APP_CONFIG.replace(".ndjson", ".log"), "select\n  ts as time,\n  nosuch(user)\nfrom input\n");
    let ran = pond.millpond(&["check"]).fails(1);
    for text in [
        "sources/typo/source.toml:2: unknown key `tme`\n  hint: did you mean `time`?",
        "sources/twin/source.toml:3: `**/*.ndjson*` and source `app` (sources/app/source.toml:3, `**/*.ndjson*`) match the same objects",
        "sources/wrong/transform.sql:3: Invalid function 'nosuch'",
    ] {
        assert!(ran.stderr.contains(text), "no {text:?} in\n{}", ran.stderr);
    }
    assert!(ran.stderr.ends_with("3 problems\n"), "{}", ran.stderr);
}

#[test]
fn mistakes_of_all_files_are_told_together() {
    let pond = Pond::with_app();
    pond.write("millpond.toml", "nam = 'x'\n[[input]]\nurl = 'inbox'\n");
    pond.source("twin", APP_CONFIG, "select user from input where (");
    pond.write("sources/app/signals/bad.sql", "-- severity: terrible\nselect 1\n");
    let ran = pond.millpond(&["check", "--json"]).fails(1);
    let told = &ran.json_lines()[0];
    let lines: Vec<String> =
        told["problems"].as_array().expect("problems").iter().map(|p| format!("{}:{}", p["file"], p["line"])).collect();
    for place in ["\"millpond.toml\":1", "\"sources/app/signals/bad.sql\":1"] {
        assert!(lines.iter().any(|line| line == place), "{lines:?}");
    }
}

#[test]
fn signals_that_find_the_wrong_rows_are_told() {
    let pond = Pond::with_app();
    pond.write("sources/app/signals/all.sql", "-- title: All\nselect user from output\n");
    let ran = pond.millpond(&["check"]).ok();
    let warning = "warning: sources/app/signals/all.sql:2: every row is a signal";
    assert!(ran.stderr.contains(warning) && ran.stderr.ends_with("no problems, 1 warning\n"), "{}", ran.stderr);
    pond.write("sources/app/signals/none.sql", "select user\nfrom output\nwhere user = null\n");
    let ran = pond.millpond(&["check", "--json"]).fails(1);
    let told = &ran.json_lines()[0];
    assert_eq!((&told["problems"][0]["line"], &told["warnings"][0]["line"]), (&3.into(), &2.into()));
    // It is a matter of the check: what comes in is processed.
    pond.write("inbox/a.ndjson", crate::pond::app_log(0));
    pond.run_once();
}

#[test]
fn a_run_refuses_a_pond_that_is_wrong() {
    let pond = Pond::with_app();
    pond.source("app", APP_CONFIG, "select ts as tim, user from input");
    let ran = pond.millpond(&["check"]).fails(1);
    assert!(
        ran.stderr.contains(
            "source.toml:2: `time` names `time`, which the transform does not give\n  hint: did you mean `tim`?"
        ),
        "{}",
        ran.stderr
    );
    pond.source("app", APP_CONFIG, "select ts as time, usr.name from input");
    let ran = pond.millpond(&["run", "--once"]).fails(1);
    assert!(ran.stderr.starts_with("error: sources/app/transform.sql:1: no column `usr.name`"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("hint: to read a field of an object declare it: `usr = { name = \"text\" }`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn patterns_are_tried_before_any_data_comes() {
    let pond = Pond::empty();
    pond.source("a", "[format]\ntype = 'regex'\npattern = '(?<x>[a'\n", "select x from input");
    pond.source("b", "format = 'csv'\n[columns]\nt = 'timestamp(%Q)'\n", "select t from input");
    let ran = pond.millpond(&["check"]).fails(1);
    assert!(ran.stderr.contains("sources/a/source.toml:3: `(?<x>[a` is not a regular expression"), "{}", ran.stderr);
    assert!(ran.stderr.contains("sources/b/source.toml:3: `%Q` is no time pattern"), "{}", ran.stderr);
}

#[test]
fn a_mistake_in_a_source_keeps_nobody_from_looking() {
    let pond = Pond::with_app();
    assert_eq!(pond.query("select count(*) as n from signals"), [serde_json::json!({"n": 0})]);
    pond.write("inbox/a.ndjson", crate::pond::app_log(0));
    pond.run_once();
    pond.source("app", APP_CONFIG, "select nonsense(");
    assert_eq!(pond.value("select count(*) from app"), 9);
    pond.millpond(&["receipts"]).ok();
}

#[test]
fn outside_of_a_pond_the_way_in_is_told() {
    let folder = tempfile::tempdir().expect("folder");
    let ran = crate::pond::Ran::of(crate::pond::millpond(folder.path(), &["run"]).output().expect("millpond")).fails(1);
    assert!(ran.stderr.contains("no `millpond.toml`") && ran.stderr.contains("millpond init"), "{}", ran.stderr);
}

#[test]
fn quoted_tables_need_leave() {
    let pond = Pond::with_app();
    pond.write("secret.csv", "user,team\nann,red\n");
    let sql = "select ts as time, i.user, t.team from input i\nleft join '{}' t on t.user = i.user\n";
    for place in ["secret.csv", "/etc/passwd", "enrich/../secret.csv"] {
        pond.source("app", APP_CONFIG, &sql.replace("{}", place));
        let ran = pond.millpond(&["check"]).fails(1);
        assert!(
            ran.stderr.contains(&format!("sources/app/transform.sql:2: failed to read table `{place}`"))
                || ran.stderr.contains("may not be read as a table"),
            "{}",
            ran.stderr
        );
    }
    pond.write("millpond.toml", "[[input]]\nurl = 'inbox'\n[tables]\nallow = ['secret.csv']\n");
    pond.source("app", APP_CONFIG, &sql.replace("{}", "secret.csv"));
    pond.write("inbox/a.ndjson", crate::pond::app_log(0));
    pond.run_once();
    assert_eq!(pond.value("select user from app where team = 'red'"), "ann");
}

#[test]
fn enrichment_is_joined_by_name() {
    let pond = Pond::with_app();
    std::fs::remove_dir_all(pond.path("sources/app")).expect("source");
    pond.write("enrich/people.csv", "user,team,level\nann,red,7\n");
    pond.write(
        "millpond.toml",
        "[[input]]\nurl = 'inbox'\n[enrich.people]\nurl = 'enrich/people.csv'\ncolumns = { level = 'int' }\n",
    );
    pond.source(
        "app",
        PLAIN_CONFIG,
        "select i.user, p.team, p.level + 1 as level from input i left join people p on p.user = i.user",
    );
    pond.write("inbox/a.ndjson", crate::pond::app_log(0));
    pond.run_once();
    assert_eq!(pond.value("select level from app where team = 'red'"), 8);
}
