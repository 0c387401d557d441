//! What compaction does to queries: `cargo run --release -p millpond --example compaction_speed -- 5000`.
//!
//! Puts so many small files into one table, asks it the same questions before and after it was compacted, and prints the
//! seconds of each: the median of some rounds, each with a session of its own, as a command has.

#[path = "../tests/it/landing.rs"]
mod landing;

use std::time::Instant;

use landing::{START_US, TABLE, US_PER_DAY, commit, landed, open, query, rows};
use millpond::compaction::{Layout, compact};
use millpond::lake::Lake;

/// Rows of a file: with them it has 4 KB or so.
const ROWS: u64 = 40;
const DAYS: u64 = 3;
const ROUNDS: usize = 5;
const QUESTIONS: [(&str, &str); 4] = [
    ("count", "select count(*) from app"),
    ("one address", "select count(*), min(time) from app where source_ip = '10.1.77.3'"),
    ("one hour", "select sum(bytes) from app where time between '2026-03-03T10:00:00Z' and '2026-03-03T11:00:00Z'"),
    ("by user", "select \"user\", count(*), sum(bytes) from app group by 1"),
];

#[tokio::main]
async fn main() {
    let files: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(500);
    let folder = tempfile::tempdir().expect("a folder");
    let lake = open(folder.path());
    commit(&lake, &landed(files, DAYS, ROWS), 1_000).await;
    let size = async |lake: &Lake| {
        let (_, files) = lake.files(TABLE).await.expect("files").expect("table");
        (files.len(), files.iter().map(|file| file.bytes).sum::<u64>())
    };
    let landed = size(&lake).await;
    let slow = ask(&lake).await;
    let before = rows(&lake, TABLE).await;
    let start = Instant::now();
    let layout = Layout { sort: vec!["time".into()], indicators: vec!["source_ip".into(), "user".into()] };
    compact(&lake, TABLE, &layout, START_US + 7 * US_PER_DAY).await.expect("compaction").expect("table");
    let seconds = start.elapsed().as_secs_f64();
    let compacted = size(&lake).await;
    let fast = ask(&lake).await;
    assert!(rows(&lake, TABLE).await == before, "the rows are the same");
    println!("{:12} {:>12} {:>12} {:>8}", "", "landed", "compacted", "");
    println!("{:12} {:>12} {:>12}", "files", landed.0, compacted.0);
    println!("{:12} {:>12} {:>12} {:>7.1}x", "bytes", landed.1, compacted.1, landed.1 as f64 / compacted.1 as f64);
    for ((name, _), (slow, fast)) in QUESTIONS.iter().zip(slow.iter().zip(&fast)) {
        println!("{name:12} {slow:>10.4} s {fast:>10.4} s {:>7.1}x", slow / fast);
    }
    println!("compaction took {seconds:.2} s, {:.0} files/s", landed.0 as f64 / seconds);
}

/// The seconds of each question.
async fn ask(lake: &Lake) -> Vec<f64> {
    let mut seconds = Vec::new();
    for (_, sql) in QUESTIONS {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let start = Instant::now();
            query(lake, sql).await;
            rounds.push(start.elapsed().as_secs_f64());
        }
        rounds.sort_by(f64::total_cmp);
        seconds.push(rounds[ROUNDS / 2]);
    }
    seconds
}
