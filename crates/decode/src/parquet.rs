//! Parquet: kept in a temporary file, read by row group, only the columns that are asked for.
//!
//! Each batch passes through the JSON reader, so the same declaration gives the same values whatever the file's types.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Fields, TimeUnit};
use arrow::json::LineDelimitedWriter;
use millpond_core::columns::{Column, ColumnType, TimeFormat};
use millpond_core::format::DecodeRequest;
use millpond_core::{Error, Result};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::Records;
use super::json::RecordReader;
use super::rows::Rows;
use super::spool::spool;
use super::window::Window;

/// Rows read at once; they are held as JSON until they are handed out.
const READ_ROWS: usize = 1024;

/// Reads Parquet.
pub(super) struct ParquetReader {
    reader: ParquetRecordBatchReader,
    record: RecordReader,
    fields: Fields,
    /// Rows as lines of JSON, from `position` on.
    lines: Vec<u8>,
    position: usize,
}

impl ParquetReader {
    pub(super) fn open(window: &mut Window, rows: &mut Rows, request: &DecodeRequest) -> Result<Self> {
        let file = spool(window)?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(unreadable)?;
        let fields = builder.schema().fields().clone();
        if fields.len() > rows.limits.fields_max {
            return Err(Error::too_big(format!("the file has more than {} fields", rows.limits.fields_max))
                .hint("raise `fields` under `[limits]` in source.toml"));
        }
        let is_needed = |name: &str| {
            rows.wants_rest()
                || rows.frozen_names().is_some()
                || request.columns.iter().any(|column| column.name == name)
        };
        let needed = (0..fields.len()).filter(|index| is_needed(fields[*index].name()));
        let mask = ProjectionMask::roots(builder.parquet_schema(), needed);
        let reader = builder.with_projection(mask).with_batch_size(READ_ROWS).build().map_err(unreadable)?;
        for field in &fields {
            rows.summary.fields.insert(field.name().clone(), 0);
        }
        Ok(Self { reader, record: RecordReader::new(rows), fields, lines: Vec::new(), position: 0 })
    }

    fn read_lines(&mut self) -> Result<bool> {
        let Some(batch) = self.reader.next() else { return Ok(false) };
        let batch = batch.map_err(|error| Error::bad_input("failed to read the file as Parquet").because(error))?;
        self.lines.clear();
        self.position = 0;
        if batch.num_columns() == 0 {
            self.lines.extend(b"{}\n".repeat(batch.num_rows()));
            return Ok(true);
        }
        let mut writer = LineDelimitedWriter::new(&mut self.lines);
        writer.write(&batch).and_then(|()| writer.finish()).map_err(|error| {
            Error::bad_input("failed to read the file as Parquet: a type is not supported").because(error)
        })?;
        Ok(true)
    }
}

impl Records for ParquetReader {
    fn read(&mut self, _: &mut Window, rows: &mut Rows) -> Result<bool> {
        while !rows.is_full() {
            if self.position == self.lines.len() && !self.read_lines()? {
                return Ok(false);
            }
            let start = self.position;
            let end = self
                .record
                .scan(&self.lines, start, rows)
                .map_err(|stop| Error::bug(format!("failed to read a row of Parquet as JSON: {stop:?}")))?;
            self.record.emit(&self.lines, start, end, None, rows)?;
            self.position = end + 1;
        }
        Ok(true)
    }

    fn note_fields(&self, fields: &mut BTreeMap<String, u8>) {
        self.record.note_fields(fields);
    }

    fn native_columns(&self) -> Option<Vec<Column>> {
        Some(columns(&self.fields))
    }
}

fn unreadable(error: parquet::errors::ParquetError) -> Error {
    Error::bad_input("failed to read the file as Parquet").because(error)
}

fn columns(fields: &Fields) -> Vec<Column> {
    fields.iter().map(|field| Column { name: field.name().clone(), kind: column_type(field.data_type()) }).collect()
}

fn column_type(kind: &DataType) -> ColumnType {
    match kind {
        DataType::Boolean => ColumnType::Boolean,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => ColumnType::Int,
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => ColumnType::Int,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => ColumnType::Float,
        DataType::Decimal128(precision, scale) => ColumnType::Decimal { precision: *precision, scale: *scale },
        DataType::Timestamp(
            TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond | TimeUnit::Nanosecond,
            _,
        ) => ColumnType::Timestamp(TimeFormat::Iso),
        DataType::Date32 => ColumnType::Date,
        DataType::List(item) | DataType::LargeList(item) => ColumnType::List(Box::new(column_type(item.data_type()))),
        DataType::Struct(fields) if !fields.is_empty() => ColumnType::Struct(columns(fields)),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 && fields[0].data_type() == &DataType::Utf8 => {
                ColumnType::Map(Box::new(column_type(fields[1].data_type())))
            }
            _ => ColumnType::Text,
        },
        _ => ColumnType::Text,
    }
}
