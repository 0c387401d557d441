//! Transforms on other SQL engines: the demo's pond by one setting, and the commands that list and compare them.

use std::path::Path;

use serde_json::Value;

use millpond_testkit::peer;

use crate::pond::{Pond, Ran, millpond};

/// The engines that are there, and what `millpond.toml` says of them.
fn engines() -> Vec<(&'static str, String)> {
    let mut engines = Vec::new();
    if let Some(library) = peer("MILLPOND_PEER_DUCKDB") {
        engines.push(("duckdb", format!("[engine.duckdb]\ndriver = '{library}'\n")));
    }
    if let (Some(library), Some(python)) = (peer("MILLPOND_PEER_CHDB"), peer("MILLPOND_PEER_LIBPYTHON")) {
        engines.push(("chdb", format!("[engine.chdb]\ndriver = '{library}'\npreload = ['{python}']\n")));
    }
    engines
}

fn query(pond: &Path, sql: &str) -> Vec<Value> {
    Ran::of(millpond(pond, &["query", "--json", sql]).output().expect("millpond")).ok().json_lines()
}

/// What a lake tells of the demo: rows of each table, signals, files by end.
fn told(pond: &Path) -> Vec<Vec<Value>> {
    [
        "select count(*) as rows, count(distinct metadata['uid']) as ids, count(actor['session']['is_mfa']) as mfa, count(resources) as r, \
         count(unmapped) as rest, count(\"user\") as users, sum(type_uid) as types from aws_cloudtrail",
        "select count(*) as rows, sum(traffic['bytes']) as bytes, sum(connection_info['direction_id']) as directions, sum(type_uid) as types \
         from aws_vpcflow",
        "select count(*) as rows, count(\"user\") as users, count(unmapped) as rest, sum(type_uid) as types, count(src_endpoint['ip']) as ips \
         from okta_system",
        "select count(*) as rows, sum(traffic['bytes_out']) as bytes, sum(connection_info['direction_id']) as directions, sum(type_uid) as types \
         from zeek_conn",
        "select rule, entity, message, \"time\" from signals order by \"time\", rule, message",
        "select reason, count(*) as rows from quarantine group by reason order by reason",
        "select status, count(*) as files, sum(rows_in) as rows_in, sum(rows_out) as rows_out, sum(deduplicated) as d, \
         sum(filtered) as f, sum(exploded) as e from receipts group by status order by status",
    ]
    .map(|sql| query(pond, sql))
    .to_vec()
}

#[test]
fn the_demo_runs_unchanged_on_each_engine() {
    let engines = engines();
    if engines.is_empty() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    Ran::of(millpond(folder.path(), &["demo", "pond"]).output().expect("millpond")).ok();
    let pond = folder.path().join("pond");
    let expected = told(&pond);
    let config = std::fs::read_to_string(pond.join("millpond.toml")).expect("config");
    for (name, driver) in engines {
        std::fs::remove_dir_all(pond.join("lake")).expect("lake");
        let setting = format!("{config}\n[engine]\ndefault = '{name}'\n\n{driver}");
        std::fs::write(pond.join("millpond.toml"), setting).expect("config");
        Ran::of(millpond(&pond, &["check"]).output().expect("millpond")).ok();
        // A file of the demo goes to quarantine, which the exit code says.
        let ran = Ran::of(millpond(&pond, &["run", "--once"]).output().expect("millpond"));
        assert_eq!(ran.code, Some(3), "{name}: {}", ran.stderr);
        for (expected, found) in expected.iter().zip(told(&pond)) {
            assert_eq!(*expected, found, "{name}");
        }
        let used = query(&pond, "select distinct engine from receipts where status = 'done'");
        assert_eq!(used, [serde_json::json!({ "engine": name })]);
        // The packs' own tests hold, too. Some expect an empty list, which chDB cannot tell from NULL.
        if name != "chdb" {
            Ran::of(millpond(&pond, &["test"]).output().expect("millpond")).ok();
        }
    }
}

#[test]
fn engines_that_differ_are_told_of() {
    for (name, driver) in engines() {
        let pond = Pond::empty();
        let config = std::fs::read_to_string(pond.path("millpond.toml")).unwrap_or_default();
        pond.write("millpond.toml", format!("{config}\n{driver}"));
        pond.source(
            "same",
            "format = 'json'\n[columns]\nn = 'int'\n[[match]]\nglob = 'same*'\n",
            "select n, now() as at_once from input",
        );
        pond.write("sources/same/tests/one/input.json", "{\"n\":1}\n{\"n\":null}\n");
        let ran = pond.millpond(&["engines", "diff", "--engine", name]).ok();
        assert!(ran.stdout.contains("same/one: 2 rows, 0 signals (not compared: at_once)"), "{}", ran.stdout);

        // Each engine has its own sentence for the other.
        pond.source(
            "other",
            "format = 'json'\n[columns]\nn = 'int'\n[[match]]\nglob = 'other*'\n",
            "select n, 1 as m from input",
        );
        pond.write(&format!("sources/other/transform.{name}.sql"), "select n, 'x' as m from input");
        pond.write("sources/other/tests/one/input.json", "{\"n\":1}\n");
        let ran = pond.millpond(&["engines", "diff", "--engine", name, "other"]).fails(1);
        assert!(ran.stdout.contains("DIFFERENT"), "{}", ran.stdout);
        assert!(ran.stdout.contains("column `m` is Utf8, on `datafusion` Int64"), "{}", ran.stdout);
        assert!(
            ran.stdout.contains("- {\"m\":1,\"n\":1}") && ran.stdout.contains("+ {\"m\":\"x\",\"n\":1}"),
            "{}",
            ran.stdout
        );
        let lines = pond.millpond(&["engines", "diff", "--json"]).fails(1).json_lines();
        let bad: Vec<&Value> = lines.iter().filter(|line| line["outcome"] == "different").collect();
        assert_eq!((bad.len(), &bad[0]["source"], &bad[0]["engine"]), (1, &"other".into(), &name.into()));

        let listed = pond.millpond(&["engines", "--json"]).ok().json_lines();
        let own = listed.iter().find(|line| line["engine"] == name).expect("listed");
        assert_eq!(own["works"], true, "{own}");
        assert!(own["load_ms"].is_number() && own["job_ms"].is_number(), "{own}");
    }
}
