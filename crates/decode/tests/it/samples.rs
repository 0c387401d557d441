//! Real files, many of them broken: each ends in rows, rejects or a clear error, with as many records as the manifest
//! says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use millpond_core::Kind;
use millpond_core::columns::{Column, ColumnType, EpochUnit, SystemColumn, TimeFormat};
use millpond_core::format::Format;
use millpond_decode::{Decoder, Summary};

use super::{auto, decode, request, try_decode, with_system};

pub(crate) const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/samples");
/// Percent of the files whose records must be counted exactly.
const EXACT_PERCENT_MIN: usize = 97;

/// Files that have another number of records than the manifest gives: path, our count, and why ours is right.
const DEVIATIONS: [(&str, &str, &str); 7] = [
    ("aws-events/lambda-promtail/events/kinesis-event.json", "2", "one document with two `Records`"),
    ("encodings/plaso/Symantec.Log", "8", "there is no header: the first line is a record"),
    ("linux-auditd/msticpy/auditd_log.txt", "938", "the lines of one event are one record"),
    ("torture-csv/duckdb/ips.csv.gz", "10864", "one value a line and no header: the first line is a record"),
    ("torture-csv/duckdb/line_too_long.csv.gz", "1", "the one line is a record, not a header"),
    ("torture-csv/duckdb/mixed_new_line.csv", "3", "there is no header: the first line is a record"),
    ("vpcflow/lambda-promtail/vpcflowlog.log.gz", "3", "the manifest counts the header"),
];

fn samples() -> Option<&'static Path> {
    let root = Path::new(SAMPLES);
    if !root.exists() {
        eprintln!("skipped: there are no samples in {SAMPLES}");
        return None;
    }
    Some(root)
}

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

/// The number of records that the manifest gives for each file, such as `12` or `6 (+1 bad lines)`.
fn manifest(root: &Path) -> BTreeMap<String, String> {
    let manifest = std::fs::read_to_string(root.join("MANIFEST.tsv")).expect("a manifest");
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        Some(((*cells.first()?).to_owned(), (*cells.get(6)?).to_owned()))
    };
    manifest.lines().skip(1).filter_map(row).collect()
}

/// All records and those rejected among them, where bad ones are told; `None` where the manifest knows no number.
fn expected(text: &str) -> Option<(u64, Option<u64>)> {
    let mut words = text.split_whitespace();
    let good: u64 = words.next()?.parse().ok()?;
    match words.next().and_then(|word| word.strip_prefix("(+")?.parse::<u64>().ok()) {
        Some(bad) => Some((good + bad, Some(bad))),
        None => Some((good, None)),
    }
}

/// Decodes a file as `auto`; `Err` is what a person is told.
fn summary(path: &Path, name: &str) -> Result<Summary, String> {
    let file = std::fs::File::open(path).expect("a sample");
    let request = with_system(auto("a: text; b: int"), &SystemColumn::ALL);
    match try_decode(request, Box::new(file)) {
        Ok(decoded) => {
            let something = !decoded.rows.is_empty() || !decoded.rejects.is_empty();
            assert!(something || decoded.summary.decoded_bytes < 64, "{name} vanished");
            Ok(decoded.summary)
        }
        Err(error) => {
            assert!(matches!(error.kind(), Kind::BadInput | Kind::TooBig), "{name}: {error:?}");
            Err(error.to_string())
        }
    }
}

#[test]
fn every_sample_has_the_records_of_the_manifest() {
    let Some(root) = samples() else { return };
    let manifest = manifest(root);
    let mut found = Vec::new();
    files(root, &mut found);
    let (mut exact, mut compared) = (0, 0);
    let mut problems = Vec::new();
    for path in found {
        let name = path.strip_prefix(root).expect("a sample").display().to_string();
        let summary = summary(&path, &name);
        let Some(wanted) = manifest.get(&name) else { continue };
        let Some((records, rejected)) = expected(wanted) else { continue };
        let count = summary.as_ref().map_or_else(String::clone, |summary| summary.records.to_string());
        let is_exact = summary.is_ok_and(|summary| {
            summary.records == records && rejected.is_none_or(|rejected| summary.rejected == rejected)
        });
        compared += 1;
        exact += usize::from(is_exact);
        match DEVIATIONS.iter().find(|(path, ..)| *path == name) {
            None if is_exact => {}
            None => problems.push(format!("{name}: {count}, the manifest says {wanted}")),
            Some((_, ours, _)) if *ours == count => {}
            Some((_, ours, reason)) => {
                problems
                    .push(format!("{name}: {count}, listed as {ours} because {reason}; the manifest says {wanted}"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    for (path, ..) in DEVIATIONS {
        assert!(manifest.contains_key(path), "{path} is no sample");
    }
    assert!(exact * 100 >= compared * EXACT_PERCENT_MIN, "{exact} of {compared} files are counted exactly");
}

/// The columns that a Zeek file declares, with the times that its JSON twin has.
fn columns_of_twin(native: &[Column], json: &str) -> Vec<Column> {
    let first: serde_json::Value = serde_json::from_str(json.lines().next().expect("a record")).expect("JSON");
    let has_iso_times = first["ts"].is_string();
    let epoch = ColumnType::Timestamp(TimeFormat::Epoch(EpochUnit::Seconds));
    let twin = |column: &Column| match &column.kind {
        kind if *kind == epoch && has_iso_times => {
            Column { name: column.name.clone(), kind: ColumnType::Timestamp(TimeFormat::Iso) }
        }
        _ => column.clone(),
    };
    native.iter().map(twin).collect()
}

/// Whether values are the same, but for what Zeek's TSV cannot say: it has six digits behind the point, and `(empty)` is
/// a set without items as well as a set of one empty text.
fn is_alike(tsv: &serde_json::Value, json: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (tsv, json) {
        (Value::Object(tsv), Value::Object(json)) => {
            tsv.len() == json.len() && tsv.iter().all(|(name, value)| is_alike(value, &json[name]))
        }
        (Value::Array(tsv), Value::Array(json)) if tsv.is_empty() => json.iter().all(|item| item == ""),
        (Value::Array(tsv), Value::Array(json)) => {
            tsv.len() == json.len() && tsv.iter().zip(json).all(|(tsv, json)| is_alike(tsv, json))
        }
        (Value::Number(tsv), Value::Number(json)) if tsv.is_f64() => {
            tsv.as_f64().zip(json.as_f64()).is_some_and(|(tsv, json)| (tsv - json).abs() <= 1e-6)
        }
        _ => tsv == json,
    }
}

#[test]
fn zeek_gives_the_same_rows_from_both_of_its_formats() {
    let Some(root) = samples() else { return };
    let mut logs: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(root.join("zeek-tsv/zed-sample-data")).expect("samples") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        logs.extend(name.strip_suffix(".log.gz").map(str::to_owned));
    }
    assert_eq!(logs.len(), 15);
    for log in logs {
        let tsv = std::fs::read(root.join(format!("zeek-tsv/zed-sample-data/{log}.log.gz"))).expect("a sample");
        let json = std::fs::read(root.join(format!("zeek-json/zed-sample-data/{log}.json.gz"))).expect("a sample");
        let native = Decoder::open(Box::new(std::io::Cursor::new(tsv.clone())), auto(""))
            .expect("a Zeek log")
            .native_columns()
            .expect("types");
        let mut unzipped = String::new();
        std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(&json[..]), &mut unzipped).expect("gzip");
        let from_tsv = decode(request(Format::Auto, native.clone()), &tsv);
        let twin = columns_of_twin(&native, &unzipped);
        let from_json = decode(request(Format::Auto, twin), &json);
        assert_eq!(from_tsv.summary.rescued, 0, "{log}");
        assert_eq!(from_json.summary.rescued, 0, "{log}");
        assert_eq!(from_tsv.rows.len(), from_json.rows.len(), "{log}");
        for (number, (tsv, json)) in from_tsv.rows.iter().zip(&from_json.rows).enumerate() {
            let parse = |row: &String| serde_json::from_str::<serde_json::Value>(row).expect("JSON");
            assert!(is_alike(&parse(tsv), &parse(json)), "{log}, row {number}:\n{tsv}\n{json}");
        }
    }
}
