//! The page on SQL functions: its examples give what stands beside them, and no function is missing.

use std::path::Path;
use std::sync::Arc;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::SessionContext;
use millpond_engine::functions::{self, Database, Databases};
use millpond_engine::session;
use millpond_testkit::mmdb;
use serde_json::{Value, json};

/// `| signature | gives | example | result |`
fn cells(line: &str) -> Option<[&str; 4]> {
    let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    cells.try_into().ok().filter(|[_, _, example, _]: &[&str; 4]| example.starts_with("`select "))
}

/// What the examples of `geoip` and `asn` are looked up in.
fn databases() -> Arc<Databases> {
    let place = json!({
        "city": {"names": {"en": "Zurich"}}, "continent": {"names": {"en": "Europe"}}, "country": {"iso_code": "CH"},
        "location": {"latitude": 47.37, "longitude": 8.55}, "subdivisions": [{"iso_code": "ZH"}],
    });
    let system = json!({"autonomous_system_number": 64_496, "autonomous_system_organization": "Example Net"});
    let open = |kind: &str, record: Value| {
        Some(Database::open(mmdb(kind, &[("198.51.100.0/24", record)]).into()).expect("database"))
    };
    Arc::new(Databases { city: open("GeoLite2-City", place), asn: open("GeoLite2-ASN", system) })
}

async fn printed(context: &SessionContext, query: &str) -> String {
    let rows = async { context.sql(query).await?.collect().await };
    let batches = rows.await.unwrap_or_else(|error| panic!("{query}: {error}"));
    let options = FormatOptions::default().with_null("NULL");
    let formatter = ArrayFormatter::try_new(batches[0].column(0), &options).expect("printable");
    formatter.value(0).to_string()
}

#[tokio::test]
async fn the_examples_of_the_page_are_true() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/functions.md");
    let page = std::fs::read_to_string(&path).expect("page");
    let context = SessionContext::new_with_state(session::state(session::config(1, 1_024)));
    functions::over(&databases()).iter().for_each(|function| context.register_udf(function.as_ref().clone()));
    let mut lines = Vec::new();
    for line in page.lines() {
        let Some([signature, gives, example, _]) = cells(line) else {
            lines.push(line.to_owned());
            continue;
        };
        let result = printed(&context, example.trim_matches('`')).await;
        lines.push(format!("| {signature} | {gives} | {example} | `{result}` |").replace("  ", " "));
    }
    let updated = lines.join("\n") + "\n";
    if std::env::var_os("MILLPOND_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &updated).expect("page");
        return;
    }
    for (found, expected) in page.lines().zip(updated.lines()) {
        assert_eq!(found, expected);
    }
}

#[test]
fn the_page_has_every_function() {
    let page = include_str!("../../../../docs/reference/functions.md");
    let plain = SessionStateBuilder::new().with_default_features().build();
    let ours = session::state(session::config(1, 1_024));
    let mut missing: Vec<&str> = ours.scalar_functions().keys().map(String::as_str).collect();
    missing.retain(|name| !plain.scalar_functions().contains_key(*name));
    assert!(missing.len() >= 22, "{missing:?}");
    missing.retain(|name| !page.contains(&format!("`select {name}(")));
    assert!(missing.is_empty(), "`docs/reference/functions.md` has no example of {missing:?}");
}
