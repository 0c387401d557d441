//! Real files, where they lie beside the repository: each ends in rows, in quarantine, or unrouted, and balances.

use std::path::Path;

use crate::pond::{Pond, packs};

#[test]
fn every_sample_is_accounted_for() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples");
    if !samples.is_dir() {
        eprintln!("skipped: no samples at `{}`", samples.display());
        return;
    }
    let pond = Pond::empty();
    for pack in packs() {
        pond.millpond(&["source", "add", &pack]).ok();
    }
    pond.write("millpond.toml", format!("[[input]]\nurl = '{}'\n", samples.display()));
    let files = walk(&samples);
    let lines = pond.run_once();
    let jobs: Vec<_> = lines.iter().filter(|line| line["event"] == "job").collect();
    assert_eq!(jobs.len(), files);
    for job in jobs {
        let receipt = &job["receipt"];
        assert_eq!(job["balances"], true, "{receipt}");
        let rows = receipt["rows_in"].as_u64().unwrap_or(0);
        let is_told = receipt["error"].is_string();
        let is_empty = receipt["bytes_decoded"] == 0;
        assert!(rows > 0 || is_told || is_empty || receipt["outputs"][0]["table"] == "quarantine", "{receipt}");
        assert_ne!(receipt["status"], "failed", "{receipt}");
    }
}

fn walk(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("folder").map(|entry| entry.expect("entry").path());
    entries.map(|path| if path.is_dir() { walk(&path) } else { 1 }).sum()
}
