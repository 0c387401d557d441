//! Delta's per-file statistics, taken from the footer of the file just written.
//!
//! Format: <https://github.com/delta-io/delta/blob/master/PROTOCOL.md#per-file-statistics>. Only simple top-level
//! columns have bounds; the bounds of long text are cut, which the format allows because they stay bounds.

use parquet::basic::{LogicalType, TimeUnit, Type};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescriptor;
use serde_json::{Map, Value, json};

/// The statistics of a file as Delta's JSON.
pub(super) fn delta(metadata: &ParquetMetaData) -> String {
    let mut bounds: Vec<Column> = Vec::new();
    let schema = metadata.file_metadata().schema_descr();
    for (index, column) in schema.columns().iter().enumerate().filter(|(_, column)| column.path().parts().len() == 1) {
        let chunks: Vec<Option<&Statistics>> =
            metadata.row_groups().iter().map(|group| group.column(index).statistics()).collect();
        bounds.push(Column::new(column, &chunks));
    }
    let collect = |pick: fn(&Column) -> Option<&Value>| -> Map<String, Value> {
        bounds.iter().filter_map(|column| Some((column.name.clone(), pick(column)?.clone()))).collect()
    };
    json!({
        "numRecords": metadata.file_metadata().num_rows(),
        "minValues": collect(|column| column.min.as_ref()),
        "maxValues": collect(|column| column.max.as_ref()),
        "nullCount": collect(|column| column.nulls.as_ref()),
    })
    .to_string()
}

struct Column {
    name: String,
    min: Option<Value>,
    max: Option<Value>,
    nulls: Option<Value>,
}

impl Column {
    fn new(column: &ColumnDescriptor, chunks: &[Option<&Statistics>]) -> Self {
        let nulls: Option<u64> = chunks.iter().map(|chunk| chunk.and_then(Statistics::null_count_opt)).sum();
        let bounds = chunks.iter().map(|chunk| chunk.and_then(|chunk| Bounds::of(column, chunk)));
        let bounds = bounds.collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().reduce(Bounds::join));
        let (min, max) = bounds.map_or((None, None), |bounds| bounds.to_json(column));
        Self { name: column.name().to_owned(), min, max, nulls: nulls.map(Value::from) }
    }
}

enum Bounds {
    Int(i64, i64),
    Float(f64, f64),
    Text(String, String),
}

impl Bounds {
    fn of(column: &ColumnDescriptor, chunk: &Statistics) -> Option<Self> {
        match (chunk, column.logical_type_ref()) {
            (Statistics::Int32(s), None | Some(LogicalType::Date | LogicalType::Integer(_))) => {
                Some(Self::Int((*s.min_opt()?).into(), (*s.max_opt()?).into()))
            }
            (Statistics::Int64(s), None | Some(LogicalType::Timestamp(_) | LogicalType::Integer(_))) => {
                Some(Self::Int(*s.min_opt()?, *s.max_opt()?))
            }
            (Statistics::Double(s), _) => Some(Self::Float(*s.min_opt()?, *s.max_opt()?)),
            (Statistics::ByteArray(s), Some(LogicalType::String)) => {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
                Some(Self::Text(text(s.min_opt()?.data())?, text(s.max_opt()?.data())?))
            }
            _ => None,
        }
    }

    fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Int(a, b), Self::Int(c, d)) => Self::Int(a.min(c), b.max(d)),
            (Self::Float(a, b), Self::Float(c, d)) => Self::Float(a.min(c), b.max(d)),
            (Self::Text(a, b), Self::Text(c, d)) => Self::Text(a.min(c), b.max(d)),
            (kept, _) => kept,
        }
    }

    fn to_json(&self, column: &ColumnDescriptor) -> (Option<Value>, Option<Value>) {
        match self {
            Self::Float(min, max) if min.is_finite() && max.is_finite() => (Some((*min).into()), Some((*max).into())),
            Self::Float(..) => (None, None),
            Self::Text(min, max) => (Some(min.as_str().into()), Some(max.as_str().into())),
            Self::Int(min, max) => match column.logical_type_ref() {
                Some(LogicalType::Date) => (date(*min), date(*max)),
                Some(LogicalType::Timestamp(time)) if time.unit == TimeUnit::MICROS => {
                    // Delta keeps milliseconds: the bounds are rounded outwards.
                    (timestamp(min.div_euclid(1_000)), timestamp(max.div_euclid(1_000).saturating_add(1)))
                }
                _ if column.physical_type() == Type::INT64 || column.physical_type() == Type::INT32 => {
                    (Some((*min).into()), Some((*max).into()))
                }
                _ => (None, None),
            },
        }
    }
}

fn date(days: i64) -> Option<Value> {
    let date = chrono::DateTime::from_timestamp(days.checked_mul(86_400)?, 0)?;
    Some(date.format("%Y-%m-%d").to_string().into())
}

fn timestamp(ms: i64) -> Option<Value> {
    Some(chrono::DateTime::from_timestamp_millis(ms)?.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string().into())
}
