//! The examples of the guide: each finds what it should, and nothing else.

use std::collections::BTreeMap;
use std::path::Path;

use millpond::pond::Pond;
use millpond::signals::run_cases;
use millpond_core::config::Problems;

const LOGINS: &str = "time = 'time'\n[columns]\ntime = 'timestamp'\nuser_name = 'text'\ncountry = 'text'\n\
                      latitude = 'float'\nlongitude = 'float'\nuser_agent = 'text'\noutcome = 'text'\n";
const OLD: &str = "2024-12-31T22:00:00Z";

/// The signals of the guide, by name.
fn examples() -> BTreeMap<String, String> {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/signals.md");
    let guide = std::fs::read_to_string(guide).expect("guide");
    let blocks = guide.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next());
    let named = blocks.filter_map(|block| {
        let name = block.strip_prefix("-- signals/")?.split(".sql").next()?;
        Some((name.to_owned(), block.to_owned()))
    });
    named.collect()
}

fn login(user: &str, time: &str, arrived: &str, more: &str) -> String {
    let arrived = if arrived.is_empty() { String::new() } else { format!(",\"_arrived\":\"{arrived}\"") };
    format!("{{\"user_name\":\"{user}\",\"time\":\"{time}\",\"outcome\":\"success\"{arrived}{more}}}\n")
}

/// The rows of a table for each example, and what it must find.
fn cases() -> Vec<(&'static str, &'static str, String, &'static str)> {
    let failure =
        |user: &str, arrived: &str| login(user, "2025-01-01T00:00:00Z", arrived, "").replace("success", "failure");
    let failures = failure("eve", "").repeat(2) + &failure("eve", "2024-12-31T23:40:00Z").repeat(3);
    // Five that are old, four that are new, and five too long ago.
    let others = failure("ann", "2024-12-31T23:40:00Z").repeat(5) + &failure("bob", "").repeat(4);
    let countries = login("ann", OLD, OLD, r#","country":"DE""#)
        + &login("ann", "2025-01-01T00:01:00Z", "", r#","country":"DE""#)
        + &login("ann", "2025-01-01T00:02:00Z", "", r#","country":"BR""#)
        + &login("new", "2025-01-01T00:03:00Z", "", r#","country":"BR""#);
    let agents = ["ann", "bob", "cyd", "dan"].map(|user| login(user, OLD, OLD, r#","user_agent":"usual""#)).concat()
        + &login("eve", "2025-01-01T00:01:00Z", "", r#","user_agent":"odd""#)
        + &login("eve", "2025-01-01T00:01:00Z", "", r#","user_agent":"usual""#);
    let place = |country: &str, latitude: f64, longitude: f64| {
        format!(r#","country":"{country}","latitude":{latitude},"longitude":{longitude}"#)
    };
    let (berlin, paris, sydney) = (place("DE", 52.52, 13.4), place("FR", 48.86, 2.35), place("AU", -33.87, 151.2));
    let travels = login("ann", "2024-12-31T22:00:00Z", OLD, &berlin)
        + &login("ann", "2025-01-01T00:00:00Z", "", &paris)
        + &login("eve", "2024-12-31T22:00:00Z", OLD, &berlin)
        + &login("eve", "2025-01-01T00:00:00Z", "", &sydney);
    let mut hours = String::new();
    for (week, usual) in [("2024-12-04", 2), ("2024-12-11", 3), ("2024-12-18", 2), ("2024-12-25", 40)] {
        let time = format!("{week}T00:30:00Z");
        hours += &login("eve", &time, &time, "").repeat(usual);
        hours += &login("ann", &time, &time, "").repeat(usual);
    }
    hours += &login("eve", "2025-01-01T00:10:00Z", "", "").repeat(12);
    hours += &login("ann", "2025-01-01T00:10:00Z", "", "").repeat(3);
    let receipt = |source: &str, shape: &str, arrived: &str| {
        format!(
            r#"{{"source":"{source}","schema_fingerprint":"{shape}","status":"done","object":"file:///{shape}","_arrived":"{arrived}"}}"#
        ) + "\n"
    };
    let now = "2025-01-01T00:05:00Z";
    let shapes =
        receipt("okta", "a", OLD) + &receipt("okta", "a", now) + &receipt("okta", "b", now) + &receipt("new", "c", now);
    vec![
        ("many_failures", "logins", failures + &others, r#"{"entity":"eve","failures":5,"key":"eve"}"#),
        ("new_country", "logins", countries, r#"{"entity":"ann","country":"BR"}"#),
        ("rare_agent", "logins", agents, r#"{"entity":"odd","users":1}"#),
        (
            "impossible_travel",
            "logins",
            travels,
            r#"{"entity":"eve","km":16094.0,"message":"eve logged in from DE and AU"}"#,
        ),
        ("unusual_hour", "logins", hours, r#"{"entity":"eve","logins":12.0,"median":2.5}"#),
        ("new_shape", "receipts", shapes, r#"{"entity":"okta","source":"okta","schema_fingerprint":"b"}"#),
    ]
}

#[tokio::test]
async fn the_guide_tells_the_truth() {
    let folder = tempfile::tempdir().expect("folder");
    let write = |below: &str, text: &str| {
        let path = folder.path().join(below);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        std::fs::write(path, text).expect("file");
    };
    write("millpond.toml", "[health]\nenabled = false\n");
    write("sources/logins/source.toml", LOGINS);
    write("sources/logins/transform.sql", "select * from input");
    let examples = examples();
    let cases = cases();
    assert_eq!(examples.len(), cases.len(), "{:?}", examples.keys());
    for (name, table, rows, expected) in &cases {
        write(&format!("signals/{name}.sql"), &examples[*name]);
        write(&format!("signals/tests/{name}/case/{table}.ndjson"), rows);
        write(&format!("signals/tests/{name}/case/expected.ndjson"), &format!("{expected}\n"));
    }
    let mut problems = Problems::default();
    let pond = Pond::check(folder.path(), &mut problems).await.expect("pond").expect("pond");
    pond.lint(&mut problems).await;
    assert!(problems.found.is_empty() && problems.warnings.is_empty(), "{problems:#?}");
    let results = run_cases(&pond, None, false).await.expect("cases");
    let wrong: Vec<_> = results.iter().filter(|result| !result.differences.is_empty()).collect();
    assert!(wrong.is_empty() && results.len() == cases.len(), "{wrong:#?}");
}
