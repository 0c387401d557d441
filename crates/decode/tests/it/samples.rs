//! Real files, many of them broken: each ends in rows, rejects or a clear error.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use millpond_core::Kind;
use millpond_core::columns::SystemColumn;

use super::{auto, try_decode, with_system};

pub(crate) const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/samples");

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("a folder of samples");
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The number of records that the manifest gives for each file.
fn expected() -> BTreeMap<String, String> {
    let manifest = std::fs::read_to_string(Path::new(SAMPLES).join("MANIFEST.tsv")).unwrap_or_default();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        Some(((*cells.first()?).to_owned(), (*cells.get(6)?).to_owned()))
    };
    manifest.lines().skip(1).filter_map(row).collect()
}

#[test]
fn every_sample_ends_in_something() {
    let root = Path::new(SAMPLES);
    if !root.exists() {
        eprintln!("skipped: there are no samples in {SAMPLES}");
        return;
    }
    let expected = expected();
    let mut found = Vec::new();
    files(root, &mut found);
    found.sort();
    let (mut matching, mut listed) = (0, 0);
    for path in found {
        let name = path.strip_prefix(root).expect("a sample").display().to_string();
        let bytes = std::fs::read(&path).expect("a sample");
        let request = with_system(auto("a: text; b: int"), &SystemColumn::ALL);
        let outcome = try_decode(request, Box::new(std::io::Cursor::new(bytes.clone())));
        let records = match outcome {
            Ok(decoded) => {
                let something = !decoded.rows.is_empty() || !decoded.rejects.is_empty();
                assert!(something || decoded.summary.decoded_bytes < 64, "{name} vanished");
                format!("{}", decoded.summary.records)
            }
            Err(error) => {
                assert!(matches!(error.kind(), Kind::BadInput | Kind::TooBig), "{name}: {error:?}");
                format!("{error}")
            }
        };
        let Some(wanted) = expected.get(&name) else { continue };
        listed += 1;
        if *wanted == records {
            matching += 1;
        } else {
            println!("{name}: {records}, the manifest says {wanted}");
        }
    }
    println!("{matching} of {listed} files have the number of records that the manifest gives");
}
