//! What is told of sources by their receipts: each change once, and nothing of a source that is well.

use std::sync::Arc;

use millpond::committer::{Committer, Pending};
use millpond::ledger::Ledger;
use millpond::signals::{Choice, run_cases};
use millpond_core::receipt::{Receipt, Status};

use crate::landing::START_US;
use crate::periodic::{Bench, MINUTE_US};

const SOURCES: [&str; 8] = ["well", "stops", "doubles", "drifts", "late", "twice", "broken", "costly"];
/// The hour in which each of them changes.
const CHANGE: u64 = 26;

/// Hours that pass.
const HOURS: u64 = 29;

/// A pond with these sources, all of them watched.
fn bench(config: &str) -> Bench {
    let bench = Bench::new(&[]);
    bench.write("millpond.toml", config);
    for name in SOURCES {
        bench.write(&format!("sources/{name}/source.toml"), "table = 'app'\n[columns]\nuser = 'text'\n");
        bench.write(&format!("sources/{name}/transform.sql"), "select user from input");
    }
    bench
}

/// The receipts of one source for what came in one hour.
fn receipts(source: &str, hour: u64) -> Vec<Receipt> {
    let golden = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/pending-v1.json"));
    let golden: Pending = serde_json::from_str(&golden.expect("golden")).expect("pending");
    let is_changed = hour >= CHANGE && source != "well";
    let is = |name: &str| is_changed && source == name;
    let objects = match () {
        () if is("stops") => 0,
        () if is("doubles") => 8,
        () => 4,
    };
    let arrived_us = START_US + (hour * 60 + 30) as i64 * MINUTE_US;
    let receipt = |number: u64| {
        let mut receipt = golden.receipts[0].clone();
        receipt.job_id = format!(
            "{:032x}",
            (SOURCES.iter().position(|known| *known == source).unwrap_or(0) as u64) << 32 | hour << 8 | number
        );
        receipt.source = source.to_owned();
        receipt.object = format!("file:///{source}/{hour}-{number}");
        receipt.fingerprint = receipt.object.clone();
        receipt.object_modified_us = arrived_us - if is("late") { 120 } else { 1 + (hour % 2) as i64 } * MINUTE_US;
        receipt.schema_fingerprint = if is("drifts") { "b" } else { "a" }.to_owned();
        receipt.status = if is("twice") && number < 2 { Status::Duplicate } else { Status::Done };
        receipt.balance.rows_in = 100 + hour % 5;
        receipt.balance.quarantined = if is("broken") { 20 } else { 0 };
        receipt.bytes_in = 1_000 + hour % 7;
        receipt.timings.total_us = if is("costly") { 60_000_000 } else { 10_000_000 };
        receipt.outputs.clear();
        receipt
    };
    (0..objects).map(receipt).collect()
}

/// Commits hours of receipts, an hour in a batch.
async fn land(bench: &Bench) {
    let ledger = Arc::new(Ledger::new(Arc::clone(&bench.lake)));
    let mut committer = Committer::new(Arc::clone(&bench.lake), ledger).with_clock(bench.clock());
    for hour in 0..HOURS {
        bench.at(hour as i64 * 60 + 30);
        let all: Vec<Receipt> = SOURCES.iter().flat_map(|source| receipts(source, hour)).collect();
        Pending::new(format!("{hour:032x}"), all, false, Vec::new()).put(&bench.lake).await.expect("put");
        committer.commit_pending().await.expect("commit");
    }
    bench.at(HOURS as i64 * 60);
}

/// What is in the table, as `rule source measure hour`.
async fn told(bench: &Bench) -> Vec<String> {
    let hour = format!("(to_unixtime(window_start) - {}) / 3600", START_US / 1_000_000);
    let query = format!(
        "select rule || ' ' || key || ' ' || ({hour}) from signals where kind = 'health' order by rule, key, window_start"
    );
    let values = bench.values(&query).await;
    values
        .into_iter()
        .map(|value| value.trim_matches('"').replace(['\\', '"', '[', ']'], "").replace(',', " "))
        .collect()
}

#[tokio::test]
async fn each_change_is_told_once_and_who_is_well_is_left_alone() {
    let bench = bench("");
    land(&bench).await;
    let choice = Choice { since_us: Some(START_US + 25 * 60 * MINUTE_US), ..Choice::default() };
    let failed: Vec<_> = bench.run(&choice).await.into_iter().filter(|(.., found)| found.contains("failed")).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let expected = [
        "health_cost costly job_seconds 26",
        "health_cost doubles bytes 26",
        "health_cost doubles job_seconds 26",
        "health_drift drifts b 26",
        "health_duplicates twice duplicate_rate 26",
        "health_lag late lag_seconds 26",
        "health_quarantine broken quarantine_rate 26",
        "health_silent stops gap_seconds 28",
        "health_volume doubles objects 26",
        "health_volume doubles rows 26",
    ];
    assert_eq!(told(&bench).await, expected);
}

#[tokio::test]
async fn what_is_watched_is_the_ponds_choice() {
    let bench = bench(
        "[health]\noff = ['cost', 'drift']\nsilent = 2\n[health.sources.doubles]\nenabled = false\n[health.sources.late]\ndeviation = 500\n",
    );
    land(&bench).await;
    let choice = Choice { since_us: Some(START_US + 25 * 60 * MINUTE_US), ..Choice::default() };
    bench.run(&choice).await;
    let expected = [
        "health_duplicates twice duplicate_rate 26",
        "health_quarantine broken quarantine_rate 26",
        "health_silent stops gap_seconds 27",
    ];
    assert_eq!(told(&bench).await, expected);
}

#[tokio::test]
async fn an_hour_is_held_against_the_same_hour_of_other_weeks() {
    let bench = bench("");
    let mut rows = String::new();
    let mut hour = |days_ago: i64, hour: i64, count: u64| {
        let us = 1_735_689_600_000_000 - days_ago * 86_400_000_000 + hour * 60 * MINUTE_US;
        let time = chrono::DateTime::from_timestamp_micros(us).expect("time").format("%Y-%m-%dT%H:%M:%SZ");
        rows += &format!(r#"{{"source":"well","status":"done","rows_in":{count},"_arrived":"{time}"}}"#);
        rows.push('\n');
    };
    for week in 1..=4 {
        // Nobody works at midnight: a tenth of the rows. What comes at noon is usual there, and not at midnight.
        hour(week * 7, 0, 100);
        (1..12).for_each(|at| hour(week * 7, at, 1_000));
    }
    hour(0, 0, 1_000);
    bench.write("signals/tests/health_volume/midnight/receipts.ndjson", &rows);
    bench.write(
        "signals/tests/health_volume/midnight/expected.ndjson",
        "{\"source\":\"well\",\"measure\":\"rows\",\"value\":1000.0,\"usual\":100.0}\n",
    );
    let pond = bench.pond().await;
    let results = run_cases(&pond, Some("health_volume"), false).await.expect("cases");
    assert_eq!((results.len(), results[0].differences.clone()), (1, Vec::new()));
}
