//! Encoding: rows in, Parquet files out, one file for each day of events, with the statistics that a table commit wants.
//!
//! Types are first brought to what every reader of the lake knows: timestamps in microseconds and UTC, no unsigned, no
//! view and no dictionary types. Nothing is stored here: a file lies in memory, or in the temporary folder once it is
//! large, until the caller puts it where it belongs.

mod plain;
mod properties;
mod statistics;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast_with_options, filter_record_batch, max, min};
use arrow::datatypes::{
    DataType, Date32Type, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use millpond_core::{Error, Result};
use parquet::arrow::ArrowWriter;
use tempfile::SpooledTempFile;

use self::plain::PlainColumns;
pub use self::plain::plain_columns;

/// The column that names the job of every row of the lake.
pub const JOB_COLUMN: &str = "_job";
/// The column that every table of the lake is partitioned by: the day of the event in UTC.
pub const DAY_COLUMN: &str = "_day";

const US_PER_DAY: i64 = 86_400_000_000;
/// Days since 1970 up to 2100-01-01. An event outside 1970 to 2099 lies in the day of its object instead, so that a
/// clock gone wrong does not make a partition for each of its years.
const DAY_END: i32 = 47_482;
/// A file up to this size stays in memory until it is put.
const SPOOL_BYTES_MAX: usize = 4 << 20;
/// Days that one job writes at the same time; each holds a row group in memory.
const OPEN_DAYS_MAX: usize = 16;
/// Bytes of a row group before encoding, so that wide rows do not fill the memory.
const ROW_GROUP_BYTES: usize = 32 << 20;

/// One finished Parquet file.
#[derive(Debug)]
pub struct EncodedFile {
    /// Days since 1970-01-01: the partition.
    pub day: i32,
    /// Ordinal of the file among those of its job and table, from 0.
    pub part: usize,
    /// Rows in the file.
    pub rows: u64,
    /// Length of the file.
    pub bytes: u64,
    /// Delta statistics: counts, and the smallest and largest value of each simple column, as JSON.
    pub statistics: String,
    /// Rows by the job that they come from, where rows have one.
    pub jobs: Vec<(Arc<str>, u64)>,
    /// The file, to be read from its start.
    pub body: SpooledTempFile,
}

/// Where rows come from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The job: what `_job` says in its rows. `None` for rows of no job, or that name theirs already.
    pub job: Option<Arc<str>>,
    /// Where rows without a time lie: days since 1970.
    pub day: i32,
}

/// Brings a schema to the types of the lake.
pub fn lake_schema(schema: &Schema) -> SchemaRef {
    Arc::new(Schema::new(schema.fields().iter().map(lake_field).collect::<Fields>()))
}

fn lake_field(field: &FieldRef) -> FieldRef {
    Arc::new(Field::new(field.name(), lake_type(field.data_type()), true))
}

fn lake_type(kind: &DataType) -> DataType {
    match kind {
        DataType::UInt8 | DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Timestamp(..) | DataType::Date64 => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Duration(_) => DataType::Int64,
        DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Null
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Interval(_) => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Decimal256(precision, scale) => DataType::Decimal128((*precision).min(38), *scale),
        DataType::Dictionary(_, value) => lake_type(value),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => DataType::List(lake_field(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(lake_field).collect()),
        DataType::Map(entries, sorted) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                let key = Arc::new(Field::new("key", lake_type(pair[0].data_type()), false));
                let value = Arc::new(Field::new("value", lake_type(pair[1].data_type()), true));
                DataType::Map(Arc::new(Field::new("key_value", DataType::Struct([key, value].into()), false)), *sorted)
            }
            _ => kind.clone(),
        },
        other => other.clone(),
    }
}

/// Brings rows to the types of the lake.
///
/// # Errors
/// [`Kind::BadInput`](millpond_core::Kind::BadInput) when a value has no counterpart, such as a decimal of 50 digits.
pub fn to_lake(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| -> Result<ArrayRef> {
        if column.data_type() == field.data_type() {
            return Ok(Arc::clone(column));
        }
        cast_with_options(column, field.data_type(), &options).map_err(|error| {
            Error::bad_input(format!("failed to store column `{}` as {}", field.name(), field.data_type()))
                .because(error)
        })
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns)
        .map_err(|error| Error::bug("the transform's rows do not have the planned columns").because(error))
}

/// How much work goes into a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Finish {
    /// It is written fast, because it lives until it is compacted.
    #[default]
    Landed,
    /// It is written to be read for long: compressed harder, with bloom filters on the columns that are named.
    Compacted {
        /// Columns that people look for single values in.
        indicators: Vec<String>,
    },
}

/// Writes rows of one table, of one job or of several.
#[derive(Debug)]
pub struct TableWriter {
    /// Columns of the rows as they are handed in, in lake types.
    schema: SchemaRef,
    /// The same and, for rows of a job, `_job`.
    file_schema: SchemaRef,
    time: Option<usize>,
    has_jobs: bool,
    finish: Finish,
    open: BTreeMap<i32, Part>,
    finished: Vec<EncodedFile>,
    parts: usize,
}

#[derive(Debug)]
struct Part {
    number: usize,
    rows: u64,
    jobs: Vec<(Arc<str>, u64)>,
    plain: PlainColumns,
    writer: ArrowWriter<SpooledTempFile>,
}

impl TableWriter {
    /// A writer for rows of `schema` (lake types). Rows are parted by the day of the column `time`, and lie in the day of
    /// their origin where they have no time. With `has_jobs` they get the column `_job`.
    pub fn new(schema: &SchemaRef, time: Option<&str>, has_jobs: bool) -> Self {
        let job = has_jobs.then(|| Arc::new(Field::new(JOB_COLUMN, DataType::Utf8, true)));
        let fields: Fields = schema.fields().iter().cloned().chain(job).collect();
        Self {
            schema: Arc::clone(schema),
            file_schema: Arc::new(Schema::new(fields)),
            time: time.and_then(|name| schema.index_of(name).ok()),
            has_jobs,
            finish: Finish::Landed,
            open: BTreeMap::new(),
            finished: Vec::new(),
            parts: 0,
        }
    }

    /// A writer for rows of one day that name their jobs already, such as those of other files.
    pub fn rewriter(schema: &SchemaRef, finish: Finish) -> Self {
        Self { finish, ..Self::new(schema, None, false) }
    }

    /// The columns of the files.
    pub fn file_schema(&self) -> &SchemaRef {
        &self.file_schema
    }

    /// Writes rows.
    ///
    /// # Errors
    /// [`Kind::BadInput`](millpond_core::Kind::BadInput) when a value cannot be stored,
    /// [`Kind::Transient`](millpond_core::Kind::Transient) when the temporary folder is full.
    pub fn write(&mut self, batch: &RecordBatch, origin: &Origin) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = to_lake(batch, &self.schema)?;
        let rows = self.with_job(&batch, origin)?;
        if let Some(day) = self.only_day(&batch, origin.day) {
            return self.write_day(day, &rows, origin);
        }
        let days = self.days(&batch, origin.day);
        let mut distinct = days.clone();
        distinct.sort_unstable();
        distinct.dedup();
        for day in distinct {
            let mask: BooleanArray = days.iter().map(|other| Some(*other == day)).collect();
            let rows = filter_record_batch(&rows, &mask)
                .map_err(|error| Error::bug("failed to part rows by day").because(error))?;
            self.write_day(day, &rows, origin)?;
        }
        Ok(())
    }

    /// The day of all rows, when the bounds of their times tell that it is one.
    fn only_day(&self, batch: &RecordBatch, object_day: i32) -> Option<i32> {
        let Some(column) = self.time.map(|index| batch.column(index)) else { return Some(object_day) };
        if column.null_count() > 0 || *column.data_type() == DataType::Date32 {
            return None;
        }
        let times = column.as_primitive::<TimestampMicrosecondType>();
        let (first, last) = (min(times)?.div_euclid(US_PER_DAY), max(times)?.div_euclid(US_PER_DAY));
        (first == last).then(|| in_range(first, object_day))
    }

    fn days(&self, batch: &RecordBatch, object_day: i32) -> Vec<i32> {
        let Some(column) = self.time.map(|index| batch.column(index)) else {
            return vec![object_day; batch.num_rows()];
        };
        let in_range = |day: i64| in_range(day, object_day);
        match column.data_type() {
            DataType::Date32 => {
                let dates = column.as_primitive::<Date32Type>();
                dates.iter().map(|day| day.map_or(object_day, |day| in_range(day.into()))).collect()
            }
            _ => {
                let times = column.as_primitive::<TimestampMicrosecondType>();
                times.iter().map(|us| us.map_or(object_day, |us| in_range(us.div_euclid(US_PER_DAY)))).collect()
            }
        }
    }

    fn with_job(&self, batch: &RecordBatch, origin: &Origin) -> Result<RecordBatch> {
        if !self.has_jobs {
            return Ok(batch.clone());
        }
        let job = origin.job.as_deref().ok_or_else(|| Error::bug("rows of a job do not name it"))?;
        let job = StringArray::from_iter_values(std::iter::repeat_n(job, batch.num_rows()));
        let columns = batch.columns().iter().cloned().chain([Arc::new(job) as ArrayRef]).collect();
        RecordBatch::try_new(Arc::clone(&self.file_schema), columns)
            .map_err(|error| Error::bug("failed to add `_job`").because(error))
    }

    fn write_day(&mut self, day: i32, rows: &RecordBatch, origin: &Origin) -> Result<()> {
        if !self.open.contains_key(&day) {
            self.make_room()?;
            let part = Part::open(self.parts, rows, &self.finish)?;
            self.parts += 1;
            self.open.insert(day, part);
        }
        match self.open.get_mut(&day) {
            Some(part) => part.write(rows, origin),
            None => Err(Error::bug("the day's file is not open")),
        }
    }

    /// Finishes the largest open file when too many are open.
    fn make_room(&mut self) -> Result<()> {
        if self.open.len() < OPEN_DAYS_MAX {
            return Ok(());
        }
        let largest = self.open.iter().max_by_key(|(_, part)| part.rows).map(|(day, _)| *day);
        if let Some((day, part)) = largest.and_then(|day| self.open.remove_entry(&day)) {
            self.finished.push(part.finish(day)?);
        }
        Ok(())
    }

    /// Ends all files.
    ///
    /// # Errors
    /// As [`TableWriter::write`].
    pub fn finish(mut self) -> Result<Vec<EncodedFile>> {
        for (day, part) in std::mem::take(&mut self.open) {
            self.finished.push(part.finish(day)?);
        }
        self.finished.sort_by_key(|file| file.part);
        Ok(self.finished)
    }
}

impl Part {
    /// A file for rows such as `first`, which are to be written to it.
    fn open(number: usize, first: &RecordBatch, finish: &Finish) -> Result<Self> {
        let (file, properties) = (SpooledTempFile::new(SPOOL_BYTES_MAX), properties::properties(first, finish)?);
        let writer = ArrowWriter::try_new(file, first.schema(), Some(properties));
        let writer =
            writer.map_err(|error| Error::bad_config("failed to store the columns as Parquet").because(error))?;
        Ok(Self { number, rows: 0, jobs: Vec::new(), plain: PlainColumns::new(first, finish), writer })
    }

    fn write(&mut self, rows: &RecordBatch, origin: &Origin) -> Result<()> {
        self.rows += rows.num_rows() as u64;
        if let Some(job) = &origin.job {
            self.count(job, rows.num_rows() as u64);
        }
        self.plain.look(rows);
        self.writer.write(rows).map_err(encode_error)?;
        if self.writer.in_progress_size() >= ROW_GROUP_BYTES {
            self.writer.flush().map_err(encode_error)?;
        }
        Ok(())
    }

    /// Counts rows of a job. Jobs write one after the other, so only the last one can go on.
    fn count(&mut self, job: &Arc<str>, rows: u64) {
        match self.jobs.last_mut() {
            Some((last, count)) if last == job => *count += rows,
            _ => self.jobs.push((Arc::clone(job), rows)),
        }
    }

    fn finish(mut self, day: i32) -> Result<EncodedFile> {
        self.plain.metadata().into_iter().for_each(|said| self.writer.append_key_value_metadata(said));
        let metadata = self.writer.finish().map_err(encode_error)?;
        let bytes = self.writer.bytes_written() as u64;
        // The writer has ended its file; the file itself is taken out of it.
        let mut body = std::mem::replace(self.writer.inner_mut(), SpooledTempFile::new(0));
        let rewound = std::io::Seek::rewind(&mut body);
        rewound.map_err(|error| Error::transient("failed to read back an encoded file").because(error))?;
        Ok(EncodedFile {
            day,
            part: self.number,
            rows: self.rows,
            bytes,
            statistics: statistics::delta(&metadata),
            jobs: self.jobs,
            body,
        })
    }
}

/// The day, or the object's where it is no plausible day of an event.
fn in_range(day: i64, object_day: i32) -> i32 {
    i32::try_from(day).ok().filter(|day| (0..DAY_END).contains(day)).unwrap_or(object_day)
}

fn encode_error(error: parquet::errors::ParquetError) -> Error {
    let message = "failed to encode Parquet";
    match &error {
        // The temporary folder is full, say.
        parquet::errors::ParquetError::External(cause) if cause.is::<std::io::Error>() => {
            Error::transient(message).because(error)
        }
        _ => Error::bug(message).because(error),
    }
}

/// Whether a column of the lake of type `stored` can take values of type `given`; both are lake types.
pub fn fits(stored: &DataType, given: &DataType) -> bool {
    match (stored, given) {
        (DataType::Struct(stored), DataType::Struct(given)) => given.iter().all(|field| {
            stored
                .iter()
                .find(|known| known.name() == field.name())
                .is_none_or(|known| fits(known.data_type(), field.data_type()))
        }),
        (DataType::List(stored), DataType::List(given)) => fits(stored.data_type(), given.data_type()),
        (DataType::Map(stored, _), DataType::Map(given, _)) => fits(stored.data_type(), given.data_type()),
        _ => stored == given,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, ListArray, StructArray, TimestampMicrosecondArray};
    use arrow::buffer::OffsetBuffer;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    fn batch(times: Vec<Option<i64>>) -> RecordBatch {
        let numbers = Int64Array::from_iter_values(0..times.len() as i64);
        let times = TimestampMicrosecondArray::from(times).with_timezone("UTC");
        RecordBatch::try_from_iter([("n", Arc::new(numbers) as ArrayRef), ("t", Arc::new(times) as ArrayRef)])
            .expect("batch")
    }

    fn origin(job: &str) -> Origin {
        Origin { job: Some(job.into()), day: 7 }
    }

    fn write(batches: &[RecordBatch]) -> Vec<EncodedFile> {
        let schema = lake_schema(&batches[0].schema());
        let mut writer = TableWriter::new(&schema, Some("t"), true);
        batches.iter().for_each(|batch| writer.write(batch, &origin("j")).expect("write"));
        writer.finish().expect("finish")
    }

    #[test]
    fn rows_are_parted_by_day_and_none_is_lost() {
        let files = write(&[batch(vec![Some(0), Some(US_PER_DAY), None, Some(-1), Some(i64::MAX)])]);
        let days: Vec<(i32, u64)> = files.iter().map(|file| (file.day, file.rows)).collect();
        assert_eq!(days, [(0, 1), (1, 1), (7, 3)]);
        assert!(files[0].statistics.contains(r#""numRecords":1"#), "{}", files[0].statistics);
    }

    #[test]
    fn many_days_keep_few_files_open() {
        let times = (0..40).map(|day| Some(day * US_PER_DAY)).collect();
        let files = write(&[batch(times), batch(vec![Some(0)])]);
        assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), 41);
    }

    #[test]
    fn a_file_reads_back() {
        let mut files = write(&[batch(vec![Some(1), Some(2)])]);
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut files[0].body, &mut bytes).expect("read");
        assert_eq!(bytes.len() as u64, files[0].bytes);
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes))
            .expect("parquet")
            .build()
            .expect("reader");
        let rows: usize = reader.map(|batch| batch.expect("batch").num_rows()).sum();
        assert_eq!(rows, 2);
    }

    #[test]
    fn columns_that_repeat_get_a_dictionary_and_ids_do_not() {
        let text = |values: Vec<String>| Arc::new(StringArray::from(values)) as ArrayRef;
        let ids = text((0..1_000).map(|row| format!("id {row}")).collect());
        let names = text((0..1_000).map(|row| format!("name {}", row % 10)).collect());
        let rows = RecordBatch::try_from_iter([("id", ids), ("name", names)]).expect("batch");
        let mut writer = TableWriter::new(&lake_schema(&rows.schema()), None, true);
        writer.write(&rows, &origin("j")).expect("write");
        let mut body = writer.finish().expect("finish").remove(0).body;
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut body, &mut bytes).expect("read");
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).expect("parquet");
        let columns = reader.metadata().row_group(0).columns();
        let dictionaries: Vec<bool> = columns.iter().map(|column| column.dictionary_page_offset().is_some()).collect();
        assert_eq!(dictionaries, [false, true, true]);
    }

    #[test]
    fn batches_of_any_length_name_their_job() {
        let rows = |count: i64| batch(vec![Some(0); count as usize]);
        let mut files = write(&[rows(2), rows(5), rows(3)]);
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut files[0].body, &mut bytes).expect("read");
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).expect("parquet").build();
        let rows: Vec<RecordBatch> = reader.expect("reader").map(|batch| batch.expect("batch")).collect();
        let jobs = rows.iter().flat_map(|rows| rows[JOB_COLUMN].as_string::<i32>());
        assert_eq!(jobs.map(|job| job.expect("a job")).collect::<Vec<_>>(), ["j"; 10]);
    }

    #[test]
    fn compacted_files_have_bloom_filters_on_indicators_alone() {
        let rows = batch(vec![Some(1), Some(2)]);
        let name = rows.schema().field(0).name().clone();
        for (finish, expected) in [
            (Finish::Landed, false),
            (Finish::Compacted { indicators: vec!["missing".into()] }, false),
            (Finish::Compacted { indicators: vec![name.clone()] }, true),
        ] {
            let mut writer = TableWriter::rewriter(&lake_schema(&rows.schema()), finish);
            writer.write(&rows, &Origin { job: None, day: 0 }).expect("write");
            let mut bytes = Vec::new();
            let mut body = writer.finish().expect("finish").remove(0).body;
            std::io::Read::read_to_end(&mut body, &mut bytes).expect("read");
            let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).expect("parquet");
            let column = reader.metadata().row_group(0).column(0);
            assert_eq!(column.bloom_filter_offset().is_some(), expected);
            assert!(column.column_index_offset().is_some(), "pages can be pruned");
        }
    }

    #[test]
    fn compacted_files_say_which_indicators_are_in_one_spelling() {
        let text = |values: [&str; 2]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
        let within = |name: &str, values: ArrayRef| {
            Arc::new(StructArray::from(vec![(Arc::new(Field::new(name, DataType::Utf8, true)), values)])) as ArrayRef
        };
        let items = within("value", text(["e1", "E.example"]));
        let item = Arc::new(Field::new("element", items.data_type().clone(), true));
        let rows = RecordBatch::try_from_iter([
            ("ip", text(["192.0.2.1", "2001:db8::1"])),
            ("host", text(["a.example", "A.example"])),
            ("device", within("name", text(["a", "b"]))),
            ("hashes", Arc::new(ListArray::new(item, OffsetBuffer::from_lengths([1, 1]), items, None))),
            ("other", text(["a", "b"])),
        ])
        .expect("batch");
        let indicators = ["ip", "host", "device.name", "hashes", "missing"].map(str::to_owned).to_vec();
        let filtered = ["ip", "host", "device.name", "hashes.list.element.value"].map(str::to_owned).to_vec();
        let finish = Finish::Compacted { indicators };
        let plain = vec!["ip".to_owned(), "device.name".to_owned()];
        for (finish, plain, filtered) in [(finish, plain, filtered), (Finish::Landed, vec![], vec![])] {
            let mut writer = TableWriter::rewriter(&lake_schema(&rows.schema()), finish);
            writer.write(&rows, &Origin { job: None, day: 0 }).expect("write");
            let mut bytes = Vec::new();
            let mut body = writer.finish().expect("finish").remove(0).body;
            std::io::Read::read_to_end(&mut body, &mut bytes).expect("read");
            let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).expect("parquet");
            assert_eq!(plain_columns(reader.metadata()), plain);
            let columns = reader.metadata().row_group(0).columns().iter();
            let with_filter = columns.filter(|column| column.bloom_filter_offset().is_some());
            assert_eq!(with_filter.map(|column| column.column_path().string()).collect::<Vec<_>>(), filtered);
        }
    }

    #[test]
    fn jobs_share_a_file_and_their_rows_are_counted() {
        let schema = lake_schema(&batch(vec![]).schema());
        let mut writer = TableWriter::new(&schema, Some("t"), true);
        for (job, rows) in [("a", 2), ("a", 1), ("b", 4)] {
            writer.write(&batch(vec![Some(0); rows]), &origin(job)).expect("write");
        }
        let files = writer.finish().expect("finish");
        assert_eq!(files[0].jobs, [("a".into(), 3), ("b".into(), 4)]);
    }

    #[test]
    fn types_come_to_those_of_the_lake() {
        for (from, to) in [
            (DataType::UInt64, DataType::Decimal128(20, 0)),
            (DataType::Utf8View, DataType::Utf8),
            (
                DataType::Timestamp(TimeUnit::Nanosecond, None),
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ),
        ] {
            assert_eq!(lake_type(&from), to);
        }
    }
}
