//! How fast rows become Parquet: `cargo run --release -p millpond-engine --example encode_speed`.
//!
//! Batches with the columns of CloudTrail records are made in memory and written as a job writes them. A line tells the
//! rows and the nanoseconds of this thread for each, the median of some rounds.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use millpond_core::plan::BATCH_ROWS;
use millpond_engine::encode::{Origin, TableWriter, lake_schema};

const ROWS: usize = 200_000;
const ROUNDS: usize = 5;
/// 2026-03-02T00:00:00Z.
const START_US: i64 = 1_772_409_600_000_000;
const STEP_US: i64 = 90_000;

/// A column of text: its name, and its value in a row.
type Column = (&'static str, fn(u64) -> Option<String>);

/// What both tables have besides the time.
const FEW: [Column; 5] = [
    ("event_id", |row| Some(uuid(row))),
    ("event_name", |row| Some(pick(row, &["GetObject", "PutObject", "AssumeRole", "Decrypt", "DescribeInstances"]))),
    ("event_source", |row| Some(format!("{}.amazonaws.com", pick(row, &["s3", "sts", "kms", "ec2"])))),
    ("aws_region", |row| Some(pick(row, &["us-east-1", "us-west-2", "eu-west-1", "ap-southeast-2"]))),
    ("source_ip", |row| Some(format!("198.51.100.{}", mix(row / 8) % 256))),
];
const MORE: [Column; 6] = [
    ("account_id", |row| Some(format!("11122233300{}", mix(row / 8) % 6))),
    ("user_agent", |row| Some(format!("aws-sdk-go/1.44.{} (go1.19; linux; amd64)", mix(row / 8) % 60))),
    ("error_code", |row| mix(row).is_multiple_of(10).then(|| "AccessDenied".to_owned())),
    ("actor_type", |row| Some(pick(row / 8, &["AssumedRole", "IAMUser"]))),
    ("actor_arn", |row| Some(format!("arn:aws:sts::111222333000:assumed-role/role-{}/session", mix(row / 8) % 60))),
    ("request_parameters", |row| {
        let (bucket, key) = (mix(row) % 300, mix(row));
        Some(format!(r#"{{"bucketName":"example-data-{bucket}","key":"app/2026/03/02/{key:016x}/part.parquet"}}"#))
    }),
];

fn main() {
    println!("{:36} {:>8} {:>8}", "encode", "rows", "ns/row");
    let all: Vec<Column> = FEW.into_iter().chain(MORE).collect();
    for (name, columns) in [("cloudtrail, 6 columns", &FEW[..]), ("cloudtrail, 12 columns", &all)] {
        let starts = (0..ROWS).step_by(BATCH_ROWS);
        let batches: Vec<RecordBatch> =
            starts.map(|start| batch(columns, start, BATCH_ROWS.min(ROWS - start))).collect();
        let mut seconds: Vec<f64> = (0..ROUNDS).map(|_| encode(&batches)).collect();
        seconds.sort_by(f64::total_cmp);
        println!("{name:36} {ROWS:8} {:8.0}", seconds[ROUNDS / 2] * 1e9 / ROWS as f64);
    }
}

/// Writes the batches to the files of their day; gives the seconds that took.
fn encode(batches: &[RecordBatch]) -> f64 {
    let start = cpu_seconds();
    let schema = lake_schema(&batches[0].schema());
    let mut writer = TableWriter::new(&schema, Some("event_time"), true);
    let origin = Origin { job: Some("0123456789abcdef".into()), day: 0 };
    batches.iter().for_each(|batch| writer.write(batch, &origin).expect("the rows are written"));
    let files = writer.finish().expect("the files are ended");
    assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), ROWS as u64);
    cpu_seconds() - start
}

fn batch(columns: &[Column], start: usize, rows: usize) -> RecordBatch {
    let rows = || (start..start + rows).map(|row| row as u64);
    let times = TimestampMicrosecondArray::from_iter_values(rows().map(|row| START_US + row as i64 * STEP_US));
    let times = ("event_time", Arc::new(times.with_timezone("UTC")) as ArrayRef);
    let texts = columns.iter().map(|(name, value)| {
        let texts: StringArray = rows().map(value).collect();
        (*name, Arc::new(texts) as ArrayRef)
    });
    RecordBatch::try_from_iter(std::iter::once(times).chain(texts)).expect("columns of one length")
}

fn pick(row: u64, items: &[&str]) -> String {
    items[(mix(row) % items.len() as u64) as usize].to_owned()
}

fn uuid(row: u64) -> String {
    let (high, low) = (mix(row), mix(row ^ 0x5555));
    format!("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", high >> 32, high as u16, low as u16 >> 4, low >> 52, low >> 16)
}

/// A number that looks random and is the same every time.
fn mix(number: u64) -> u64 {
    let number = (number ^ number >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number ^ number >> 29
}

/// Seconds that this thread was on a CPU; wall time where the system does not tell.
fn cpu_seconds() -> f64 {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    let nanoseconds = std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| START.get_or_init(Instant::now).elapsed().as_secs_f64(), |nanoseconds| nanoseconds / 1e9)
}
