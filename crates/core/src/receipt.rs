//! The receipt: the record of one job.

use serde::{Deserialize, Serialize};

use crate::balance::Balance;
use crate::lane::Promotion;

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Its rows are in the lake; broken records are in quarantine.
    Done,
    /// The file's bytes were processed before under another name; nothing was written.
    Duplicate,
    /// The file as a whole is in quarantine.
    Quarantined,
    /// No source wants the object.
    Unrouted,
    /// The object was gone when it was to be read.
    Gone,
    /// The job stopped and its event comes back.
    Failed,
}

impl Status {
    /// The status as it is written in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Duplicate => "duplicate",
            Self::Quarantined => "quarantined",
            Self::Unrouted => "unrouted",
            Self::Gone => "gone",
            Self::Failed => "failed",
        }
    }

    /// Whether the object needs no further try.
    pub fn is_final(self) -> bool {
        self != Self::Failed
    }
}

/// Time spent in each step that takes any, in microseconds of wall time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timings {
    /// Waiting for and reading the object's bytes.
    pub fetch_us: u64,
    /// Decompressing, finding records and building columns.
    pub decode_us: u64,
    /// Running the transform and the signals.
    pub transform_us: u64,
    /// Encoding Parquet and putting the outputs.
    pub write_us: u64,
    /// From the first step to the pending commit.
    pub total_us: u64,
}

/// What a job was expected to take, what it was given, and what it met with. Receipts of before have none of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// The lane in which it came to its end.
    pub lane: String,
    /// Memory that it could use there.
    pub memory_limit_bytes: u64,
    /// Peak of its memory as it was predicted before it started.
    pub predicted_memory_bytes: u64,
    /// Its time as it was predicted.
    pub predicted_us: u64,
    /// What it was predicted to write to the temporary folder.
    pub predicted_disk_bytes: u64,
    /// Where the prediction came from: `model`, `source` or `size`.
    pub predicted_by: String,
    /// What its sorts and aggregates wrote to the temporary folder.
    pub spilled_bytes: u64,
    /// The lanes that it was too large for, each once.
    pub promotions: Vec<Promotion>,
    /// Parts that its file was run in, where the largest lane did not hold the whole of it.
    pub parts: Option<u64>,
}

/// One file that a job wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The lake table.
    pub table: String,
    /// The path below the table.
    pub path: String,
    /// Rows in the file.
    pub rows: u64,
    /// Stored bytes.
    pub bytes: u64,
}

/// The record of one job: identity, rows by fate, fingerprints, timings, memory, outputs, error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The job, 32 hexadecimal digits.
    pub job_id: String,
    /// Tries so far, from 1.
    pub attempt: u32,
    /// How it ended.
    pub status: Status,
    /// The object's address.
    pub object: String,
    /// The object's version or entity tag.
    pub object_version: String,
    /// When the object was written, microseconds since 1970 in UTC.
    #[serde(rename = "object_modified")]
    pub object_modified_us: i64,
    /// The source; empty when no source wants the object.
    pub source: String,
    /// The source's version; 0 when there is none.
    pub source_version: u32,
    /// The table that the rows went to.
    pub table: String,
    /// Rows by fate.
    #[serde(flatten)]
    pub balance: Balance,
    /// Rows harvested by signals.
    pub signals: u64,
    /// Values that did not fit their declared type.
    pub rescued: u64,
    /// Pieces of the file that are no records and could not be used: what a damaged stream or archive lost or had behind
    /// its end. Each is a row of `quarantine`.
    #[serde(default)]
    pub damages: u64,
    /// Members, where the object is an archive.
    #[serde(default)]
    pub members: u64,
    /// Stored bytes of the object.
    pub bytes_in: u64,
    /// Bytes after decompression.
    pub bytes_decoded: u64,
    /// Bytes written to the lake.
    pub bytes_out: u64,
    /// BLAKE3 of the stored bytes, in hexadecimal; what `b3sum` prints.
    pub fingerprint: String,
    /// BLAKE3 over the names and kinds of the fields seen in the file, in hexadecimal.
    pub schema_fingerprint: String,
    /// The format as decoded.
    pub format: String,
    /// Compressions and archives as found, outermost first, such as `gzip+tar`.
    pub compression: String,
    /// The SQL engine.
    pub engine: String,
    /// Time by step.
    #[serde(flatten)]
    pub timings: Timings,
    /// Peak of the memory that the job's thread had allocated.
    pub memory_peak_bytes: u64,
    /// What it was expected to take and given.
    #[serde(flatten)]
    pub resources: Resources,
    /// When the job started, microseconds since 1970 in UTC.
    #[serde(rename = "started")]
    pub started_us: i64,
    /// Files written.
    pub outputs: Vec<Output>,
    /// The kind of error, if there was one.
    pub error_kind: Option<String>,
    /// The error, if there was one.
    pub error: Option<String>,
    /// For a duplicate, the job that had the same bytes first.
    #[serde(default)]
    pub duplicate_of: Option<String>,
    /// For a replay, the job whose rows this one's took the place of.
    #[serde(default)]
    pub replaces: Option<String>,
    /// The version of millpond.
    pub millpond: String,
}
