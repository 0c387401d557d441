//! One file of a hunt: what of it can hold an indicator, and which of its rows do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use arrow::json::LineDelimitedWriter;
use futures::StreamExt;
use millpond_core::indicator::IndicatorSet;
use millpond_core::{Error, Result};
use millpond_engine::encode::plain_columns;
use millpond_engine::leaves::{Leaf, leaves};
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use super::probe::{Match, probe};
use super::prune::{Verdict, bloom_excludes, judge, log_excludes};
use super::report::{Sample, Seen, Tally};
use super::table::{FILE, ROW, Target};
use crate::lake::LakeFile;
use crate::rewrite::StoredFile;

/// Rows that are compared at a time.
const BATCH_ROWS: usize = 8_192;

/// A file to look at.
pub(super) struct Job {
    pub(super) target: Arc<Target>,
    pub(super) indicators: Arc<IndicatorSet>,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) file: LakeFile,
    /// Whether each row that was found is wanted, and not only how many there are.
    pub(super) wants_hits: bool,
}

/// A row that has an indicator.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    /// The number of the indicator in its set.
    pub(crate) indicator: u32,
    /// The column, or the field in it.
    pub(crate) column: String,
    /// The row.
    pub(crate) sample: Sample,
    /// What tells the row from others, whichever file of the lake it lies in. Empty where nobody asked.
    pub(crate) identity: String,
}

/// What a file came to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) tally: Tally,
    /// By indicator and column.
    pub(super) seen: BTreeMap<(u32, String), Seen>,
    pub(super) hits: Vec<Hit>,
}

/// Looks at a file.
pub(super) async fn scan(job: Job) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    outcome.tally.files = 1;
    outcome.tally.bytes = job.file.bytes;
    if !job.target.holds_day(&job.file.day) {
        outcome.tally.files_of_other_days = 1;
        return Ok(outcome);
    }
    if log_excludes(&job.file.statistics, &job.target.texts(), &job.indicators) {
        outcome.tally.files_skipped_by_log = 1;
        return Ok(outcome);
    }
    let mut open = Open::new(&job).await?;
    let groups = open.plan(&mut outcome.tally).await?;
    match groups.is_empty() {
        true => outcome.tally.files_skipped_by_footer = 1,
        false => outcome.tally.files_read = 1,
    }
    for (texts, row_groups) in groups {
        open.read(&texts, row_groups, &mut outcome).await?;
    }
    outcome.tally.bytes_read = open.file.fetched_bytes();
    Ok(outcome)
}

/// A file whose footer was read.
struct Open<'a> {
    job: &'a Job,
    file: StoredFile,
    footer: ArrowReaderMetadata,
    /// What the file has, in Parquet's order.
    leaves: Vec<Leaf>,
    message: String,
}

impl<'a> Open<'a> {
    async fn new(job: &'a Job) -> Result<Self> {
        let path = Path::from(format!("{}/{}", job.target.table, job.file.path));
        let message = format!("failed to read `{path}`");
        let mut file = StoredFile::new(&job.store, path, job.file.bytes);
        let footer = ArrowReaderMetadata::load_async(&mut file, ArrowReaderOptions::new()).await;
        let footer = footer.map_err(|error| Error::transient(&message).because(error))?;
        let leaves = leaves(footer.schema());
        if leaves.len() != footer.parquet_schema().num_columns() {
            return Err(Error::bug(format!("{message}: its columns are not those of its schema")));
        }
        Ok(Self { job, file, footer, leaves, message })
    }

    fn failed(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::transient(&self.message).because(error)
    }

    /// The row groups that are read, by the texts that are read of them.
    async fn plan(&mut self, tally: &mut Tally) -> Result<BTreeMap<Vec<usize>, Vec<usize>>> {
        let plain = plain_columns(self.footer.metadata());
        let metadata = Arc::clone(self.footer.metadata());
        let mut groups: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
        for (index, group) in metadata.row_groups().iter().enumerate() {
            let mut texts = Vec::new();
            let is_of_time = self.is_of_time(group);
            for leaf in self.texts() {
                tally.chunks += 1;
                let is_plain = plain.contains(&self.leaves[leaf].path);
                let column = group.column(leaf);
                let verdict = judge(column.statistics(), group.num_rows(), is_plain, &self.job.indicators);
                if !is_of_time || verdict == Verdict::OutOfBounds {
                    tally.chunks_skipped_by_statistics += 1;
                } else if is_plain && self.is_filtered(index, leaf, column.statistics()).await? {
                    tally.chunks_skipped_by_bloom += 1;
                } else {
                    texts.push(leaf);
                }
            }
            tally.row_groups += 1;
            match texts.is_empty() {
                true => tally.row_groups_skipped += 1,
                false => groups.entry(texts).or_default().push(index),
            }
        }
        Ok(groups)
    }

    fn texts(&self) -> Vec<usize> {
        (0..self.leaves.len()).filter(|leaf| self.job.target.holds(&self.leaves[*leaf])).collect()
    }

    /// Whether the times of a row group meet those that are asked for.
    fn is_of_time(&self, group: &RowGroupMetaData) -> bool {
        let target = &self.job.target;
        let Some(column) = target.time.as_ref().and_then(|time| self.column(time)) else { return true };
        match group.column(column).statistics() {
            Some(Statistics::Int64(times)) if times.null_count_opt() == Some(0) => {
                let (first, last) = (times.min_opt().copied(), times.max_opt().copied());
                last.is_none_or(|last| target.since_us.is_none_or(|since| last >= since))
                    && first.is_none_or(|first| target.until_us.is_none_or(|until| first < until))
            }
            _ => true,
        }
    }

    /// Whether the bloom filter of a column tells that nothing is there; it is fetched only where there is one.
    async fn is_filtered(&self, group: usize, leaf: usize, statistics: Option<&Statistics>) -> Result<bool> {
        let mut reader = ParquetRecordBatchStreamBuilder::new_with_metadata(self.file.clone(), self.footer.clone());
        let bloom = reader.get_row_group_column_bloom_filter(group, leaf).await.map_err(|error| self.failed(error))?;
        Ok(bloom.is_some_and(|bloom| bloom_excludes(&bloom, statistics, &self.job.indicators)))
    }

    /// A column by name, if it is a simple one.
    fn column(&self, name: &str) -> Option<usize> {
        self.leaves.iter().position(|leaf| leaf.is_column && leaf.path == name)
    }

    /// Whether rows say which record they come from.
    fn has_origin(&self) -> bool {
        self.column(FILE).is_some() && self.column(ROW).is_some()
    }

    async fn read(&self, texts: &[usize], row_groups: Vec<usize>, outcome: &mut Outcome) -> Result<()> {
        let builder = ParquetRecordBatchStreamBuilder::new_with_metadata(self.file.clone(), self.footer.clone());
        let about = [Some(FILE), Some(ROW), self.job.target.time.as_deref()];
        let about = about.into_iter().flatten().filter_map(|name| self.column(name));
        let mask = match self.job.wants_hits && !self.has_origin() {
            true => ProjectionMask::all(),
            false => ProjectionMask::leaves(builder.parquet_schema(), texts.iter().copied().chain(about)),
        };
        let builder = builder.with_projection(mask).with_row_groups(row_groups).with_batch_size(BATCH_ROWS);
        let mut rows = builder.build().map_err(|error| self.failed(error))?;
        let paths: BTreeSet<String> = texts.iter().map(|leaf| self.leaves[*leaf].path.clone()).collect();
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(|error| self.failed(error))?;
            outcome.tally.rows_read += batch.num_rows() as u64;
            let found = probe(&batch, &paths, &self.job.indicators);
            if !found.is_empty() {
                self.take(&batch, found, outcome)?;
            }
        }
        Ok(())
    }

    /// Takes in what was found in a batch, as far as its rows lie in the time that is asked for.
    fn take(&self, batch: &RecordBatch, found: Vec<Match>, outcome: &mut Outcome) -> Result<()> {
        let about = About::of(batch, self.job)?;
        for found in found {
            let sample = about.sample(&found);
            if !self.job.target.holds_time(sample.time_us) {
                continue;
            }
            let mut hit = Hit { indicator: found.indicator, column: found.path, sample, identity: String::new() };
            outcome.seen.entry((hit.indicator, hit.column.clone())).or_default().add(&hit);
            if self.job.wants_hits {
                hit.identity = about.identity(batch, found.row)?;
                outcome.hits.push(hit);
            }
        }
        Ok(())
    }
}

/// What rows of a batch say of themselves.
struct About {
    files: Option<ArrayRef>,
    rows: Option<ArrayRef>,
    times: Option<ArrayRef>,
    /// The lake's file, where rows do not say where they come from.
    path: String,
}

impl About {
    fn of(batch: &RecordBatch, job: &Job) -> Result<Self> {
        let column = |name: &str, kind: &DataType| {
            let column = batch.column_by_name(name).map(|column| cast(column, kind)).transpose();
            column.map_err(|error| Error::bad_input(format!("`{name}` is no {kind}")).because(error))
        };
        let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        Ok(Self {
            files: column(FILE, &DataType::Utf8)?,
            rows: column(ROW, &DataType::Int64)?,
            times: job.target.time.as_deref().map_or(Ok(None), |name| column(name, &time))?,
            path: format!("{}/{}", job.target.table, job.file.path),
        })
    }

    fn file(&self, row: usize) -> Option<&str> {
        let files = self.files.as_ref()?.as_string_opt::<i32>()?;
        files.is_valid(row).then(|| files.value(row))
    }

    fn ordinal(&self, row: usize) -> Option<i64> {
        let rows = self.rows.as_ref()?.as_primitive_opt::<Int64Type>()?;
        rows.is_valid(row).then(|| rows.value(row))
    }

    fn sample(&self, found: &Match) -> Sample {
        let times = self.times.as_ref().and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
        Sample {
            time_us: times.filter(|times| times.is_valid(found.row)).map(|times| times.value(found.row)),
            file: self.file(found.row).unwrap_or(&self.path).to_owned(),
            row: self.ordinal(found.row),
            value: found.value.clone(),
        }
    }

    /// The record that a row comes from; the whole content of one that does not say.
    fn identity(&self, batch: &RecordBatch, row: usize) -> Result<String> {
        if let (Some(file), Some(ordinal)) = (self.file(row), self.ordinal(row)) {
            return Ok(format!("{ordinal} {file}"));
        }
        let mut writer = LineDelimitedWriter::new(Vec::new());
        let written = writer.write(&batch.slice(row, 1));
        written.map_err(|error| Error::bug("failed to write a row as JSON").because(error))?;
        Ok(blake3::hash(&writer.into_inner()).to_hex().to_string())
    }
}
