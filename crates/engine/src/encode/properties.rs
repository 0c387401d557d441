//! How a file is written: compression, row groups, and which columns get a dictionary.

use std::collections::HashSet;
use std::hash::Hash;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, Schema, TimeUnit, TimestampMicrosecondType};
use millpond_core::Result;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::{Finish, encode_error};
use crate::leaves::{is_within, leaves};

/// Rows of a row group: small enough that readers prune finely, large enough to compress (DuckDB's own default).
const ROW_GROUP_ROWS: usize = 122_880;
/// Bytes of a page before compression: each open column holds one, and what compresses it is sized by it. At 1 MiB,
/// Parquet's default, files are 4 % smaller, and encoding takes 5 % longer and 20 MB more.
const PAGE_BYTES: usize = 256 << 10;
/// Values that are looked at to judge a column.
const SAMPLE: usize = 512;
/// Fewer values than this tell nothing.
const SAMPLE_MIN: usize = 64;

/// Compression of files as they land, which live until they are compacted.
const LANDED_LEVEL: i32 = 1;
/// Compression of files that stay: a few per cent smaller, and written once for many reads.
const COMPACTED_LEVEL: i32 = 3;
/// How often a bloom filter says that a value may be there when it is not: one row group in a hundred is read in vain,
/// and a filter takes 10 bits for each distinct value.
const BLOOM_FPP: f64 = 0.01;

/// The properties of a file that begins with the rows `first`.
pub(super) fn properties(first: &RecordBatch, finish: &Finish) -> Result<WriterProperties> {
    let (level, indicators) = match finish {
        Finish::Landed => (LANDED_LEVEL, &[][..]),
        Finish::Compacted { indicators } => (COMPACTED_LEVEL, indicators.as_slice()),
    };
    let level = ZstdLevel::try_new(level).map_err(encode_error)?;
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_dictionary_page_size_limit(PAGE_BYTES)
        // With bounds for each page, readers skip pages and not only row groups.
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_statistics_truncate_length(Some(64))
        .set_column_index_truncate_length(Some(64))
        .set_created_by(concat!("millpond ", env!("CARGO_PKG_VERSION")).to_owned());
    for (field, column) in first.schema_ref().fields().iter().zip(first.columns()) {
        if is_mostly_distinct(column.as_ref()) {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(field.name().as_str()), false);
        }
    }
    for path in paths_within(first.schema_ref(), indicators)? {
        // The filter is sized for the rows of a row group, and folded to what there is.
        properties = properties.set_column_bloom_filter_fpp(path, BLOOM_FPP);
    }
    Ok(properties.build())
}

/// Where Parquet has the values that are in columns and fields of these names.
fn paths_within(schema: &Schema, names: &[String]) -> Result<Vec<ColumnPath>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let descriptor = ArrowSchemaConverter::new().convert(schema).map_err(encode_error)?;
    let leaves = leaves(schema).into_iter().zip(descriptor.columns());
    let named = leaves.filter(|(leaf, _)| names.iter().any(|name| is_within(&leaf.path, name)));
    Ok(named.map(|(_, column)| column.path().clone()).collect())
}

/// Whether the first values of a column hardly ever repeat, as those of ids do: a dictionary would hold nearly all of
/// them, and looking each one up costs more than writing it.
fn is_mostly_distinct(column: &dyn Array) -> bool {
    let first = column.slice(0, column.len().min(SAMPLE));
    let (values, distinct) = match first.data_type() {
        DataType::Utf8 => count(first.as_string::<i32>().iter().flatten()),
        DataType::Int64 => count(first.as_primitive::<Int64Type>().iter().flatten()),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            count(first.as_primitive::<TimestampMicrosecondType>().iter().flatten())
        }
        _ => return false,
    };
    values >= SAMPLE_MIN && distinct * 10 >= values * 9
}

/// How many values there are, and how many distinct ones.
fn count<T: Eq + Hash>(values: impl Iterator<Item = T>) -> (usize, usize) {
    let mut distinct = HashSet::new();
    let count = values.map(|value| distinct.insert(value)).count();
    (count, distinct.len())
}
