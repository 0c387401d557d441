//! What a hunt found, what it read, and what it did not have to.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use millpond_core::date::time_text;
use millpond_core::indicator::IndicatorSet;
use serde::{Serialize, Serializer};

use super::scan::{Hit, Outcome};
use super::table::Target;

/// Rows that are shown of each finding.
const SAMPLES: usize = 5;

/// What a hunt came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// Indicators that were looked for.
    pub indicators: u64,
    /// Indicators that were found.
    pub found: u64,
    /// Where, by table, indicator and column.
    pub findings: Vec<Finding>,
    /// The texts that were looked at, by table: names with points between them.
    pub columns: BTreeMap<String, Vec<String>>,
    /// What was read and skipped.
    pub tally: Tally,
    #[serde(skip)]
    values: Vec<(&'static str, String)>,
    #[serde(skip)]
    open: BTreeMap<(String, u32, String), Finding>,
}

/// An indicator in a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The indicator.
    pub indicator: String,
    /// Its kind.
    pub kind: &'static str,
    /// The table.
    pub table: String,
    /// The column, or the field in it.
    pub column: String,
    /// Rows that have it.
    pub rows: u64,
    /// The time of the first event, in microseconds since 1970; `None`: rows have no time.
    #[serde(serialize_with = "as_time")]
    pub first_us: Option<i64>,
    /// The time of the last event.
    #[serde(serialize_with = "as_time")]
    pub last_us: Option<i64>,
    /// The first rows, at most five.
    pub samples: Vec<Sample>,
}

/// A row that has an indicator.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Sample {
    /// The time of the event, in microseconds since 1970.
    #[serde(rename = "time", serialize_with = "as_time")]
    pub time_us: Option<i64>,
    /// `_file`: the object that the row comes from, or the lake's file where rows do not say.
    #[serde(rename = "_file")]
    pub file: String,
    /// `_row`: the ordinal of its record there, from 0.
    #[serde(rename = "_row")]
    pub row: Option<i64>,
    /// The value as it is written there.
    pub value: String,
}

/// What was read and what was not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Files of the tables.
    pub files: u64,
    /// Of these: their day is not asked for.
    pub files_of_other_days: u64,
    /// Of these: the bounds in the table's log told that nothing is there; not opened.
    pub files_skipped_by_log: u64,
    /// Of these: the footer and the bloom filters told; no row was read.
    pub files_skipped_by_footer: u64,
    /// Of these: rows were read.
    pub files_read: u64,
    /// Row groups of the files that were opened.
    pub row_groups: u64,
    /// Of these: no row was read.
    pub row_groups_skipped: u64,
    /// Columns of these row groups.
    pub chunks: u64,
    /// Of these: their bounds, or the times of the row group, told that nothing is there.
    pub chunks_skipped_by_statistics: u64,
    /// Of these: their bloom filter told.
    pub chunks_skipped_by_bloom: u64,
    /// Rows that were looked at.
    pub rows_read: u64,
    /// Bytes of all files of the tables.
    pub bytes: u64,
    /// Bytes that were fetched.
    pub bytes_read: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.files += other.files;
        self.files_of_other_days += other.files_of_other_days;
        self.files_skipped_by_log += other.files_skipped_by_log;
        self.files_skipped_by_footer += other.files_skipped_by_footer;
        self.files_read += other.files_read;
        self.row_groups += other.row_groups;
        self.row_groups_skipped += other.row_groups_skipped;
        self.chunks += other.chunks;
        self.chunks_skipped_by_statistics += other.chunks_skipped_by_statistics;
        self.chunks_skipped_by_bloom += other.chunks_skipped_by_bloom;
        self.rows_read += other.rows_read;
        self.bytes += other.bytes;
        self.bytes_read += other.bytes_read;
    }
}

impl Tally {
    /// Files of which no row was read.
    pub fn files_skipped(&self) -> u64 {
        self.files_of_other_days + self.files_skipped_by_log + self.files_skipped_by_footer
    }
}

impl Report {
    pub(super) fn new(indicators: &IndicatorSet) -> Self {
        let values = indicators.indicators().iter().map(|one| (one.kind().name(), one.value().to_owned()));
        Self { indicators: indicators.indicators().len() as u64, values: values.collect(), ..Self::default() }
    }

    pub(super) fn begin(&mut self, target: &Target) {
        let mut texts: Vec<String> = target.texts().into_iter().map(|text| text.path).collect();
        texts.sort();
        texts.dedup();
        self.columns.insert(target.table.clone(), texts);
    }

    pub(super) fn add(&mut self, target: &Target, outcome: &Outcome) {
        self.tally += outcome.tally;
        for ((indicator, column), seen) in &outcome.seen {
            let key = (target.table.clone(), *indicator, column.clone());
            let (kind, value) = self.values.get(*indicator as usize).cloned().unwrap_or_default();
            let finding = self.open.entry(key).or_insert_with(|| Finding {
                indicator: value,
                kind,
                table: target.table.clone(),
                column: column.clone(),
                rows: 0,
                first_us: None,
                last_us: None,
                samples: Vec::new(),
            });
            finding.rows += seen.rows;
            finding.first_us = finding.first_us.into_iter().chain(seen.first_us).min();
            finding.last_us = finding.last_us.max(seen.last_us);
            finding.samples.extend(seen.samples.iter().cloned());
            keep_first(&mut finding.samples);
        }
    }

    pub(super) fn finish(&mut self) {
        self.findings = std::mem::take(&mut self.open).into_values().collect();
        self.findings.sort_by(|left, right| {
            let key = |finding: &Finding| (finding.kind, finding.indicator.clone(), finding.table.clone());
            (key(left), &left.column).cmp(&(key(right), &right.column))
        });
        let mut found: Vec<_> = self.findings.iter().map(|finding| (finding.kind, &finding.indicator)).collect();
        found.dedup();
        self.found = found.len() as u64;
    }
}

/// What one file has of an indicator in a column.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) rows: u64,
    pub(super) first_us: Option<i64>,
    pub(super) last_us: Option<i64>,
    pub(super) samples: Vec<Sample>,
}

impl Seen {
    pub(super) fn add(&mut self, hit: &Hit) {
        self.rows += 1;
        self.first_us = self.first_us.into_iter().chain(hit.sample.time_us).min();
        self.last_us = self.last_us.max(hit.sample.time_us);
        self.samples.push(hit.sample.clone());
        if self.samples.len() > 4 * SAMPLES {
            keep_first(&mut self.samples);
        }
    }
}

/// The first rows alone, so that a report does not depend on which file was read first.
fn keep_first(samples: &mut Vec<Sample>) {
    samples.sort();
    samples.truncate(SAMPLES);
}

fn as_time<S: Serializer>(time_us: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    time_us.map(time_text).serialize(serializer)
}
