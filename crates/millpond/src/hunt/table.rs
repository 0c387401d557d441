//! One table of a hunt: its columns, and its days.

use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use millpond_core::date::day_text;
use millpond_core::source::Source;
use millpond_engine::leaves::{Leaf, leaves};

use super::Request;
use super::columns::Columns;
use crate::compaction::Layout;

const US_PER_DAY: i64 = 86_400_000_000;
/// The object that a row comes from.
pub(super) const FILE: &str = "_file";
/// The ordinal of its record there.
pub(super) const ROW: &str = "_row";

/// A table that is asked, and what of it.
#[derive(Debug)]
pub(super) struct Target {
    /// Its name.
    pub(super) table: String,
    schema: SchemaRef,
    columns: Columns,
    /// The columns that its sources name as `indicators`.
    indexed: Vec<String>,
    /// The column with the time of the event, if it has one.
    pub(super) time: Option<String>,
    /// Events from this time on, in microseconds since 1970.
    pub(super) since_us: Option<i64>,
    /// Events before this time.
    pub(super) until_us: Option<i64>,
    first_day: Option<String>,
    last_day: Option<String>,
}

impl Target {
    pub(super) fn new(table: &str, schema: &SchemaRef, sources: &[Source], request: &Request) -> Self {
        let time = sources.iter().filter(|source| source.table == table).find_map(|source| source.time.clone());
        let is_time = |name: &String| {
            let field = schema.field_with_name(name);
            field.is_ok_and(|field| matches!(field.data_type(), DataType::Timestamp(TimeUnit::Microsecond, _)))
        };
        let day = |us: i64| day_text(us.div_euclid(US_PER_DAY));
        Self {
            table: table.to_owned(),
            schema: SchemaRef::clone(schema),
            columns: request.columns.clone(),
            indexed: Layout::of(table, sources).indicators,
            time: time.or_else(|| own_time(table)).filter(is_time),
            since_us: request.since_us,
            until_us: request.until_us,
            first_day: request.since_us.map(day),
            last_day: request.until_us.map(|us| day(us.saturating_sub(1))),
        }
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The texts that are looked at, as the table has them now.
    pub(super) fn texts(&self) -> Vec<Leaf> {
        leaves(&self.schema).into_iter().filter(|leaf| self.holds(leaf)).collect()
    }

    /// Whether a leaf is looked at.
    pub(super) fn holds(&self, leaf: &Leaf) -> bool {
        leaf.is_text && self.columns.holds(&leaf.path, &self.indexed)
    }

    /// Whether rows of a partition can lie in the time that is asked for.
    pub(super) fn holds_day(&self, day: &str) -> bool {
        self.first_day.as_deref().is_none_or(|first| day >= first)
            && self.last_day.as_deref().is_none_or(|last| day <= last)
    }

    /// Whether an event lies in the time that is asked for; one without a time counts by its day.
    pub(super) fn holds_time(&self, time_us: Option<i64>) -> bool {
        let Some(time_us) = time_us else { return true };
        self.since_us.is_none_or(|since| time_us >= since) && self.until_us.is_none_or(|until| time_us < until)
    }
}

/// The time of rows that millpond itself writes.
fn own_time(table: &str) -> Option<String> {
    matches!(table, "signals" | "audit").then(|| "time".to_owned())
}
