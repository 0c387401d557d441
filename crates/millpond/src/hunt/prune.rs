//! What cannot hold an indicator: told by the table's log, by a file's footer and by its bloom filters.

use millpond_core::indicator::{IndicatorSet, Plain};
use millpond_engine::leaves::Leaf;
use parquet::bloom_filter::Sbbf;
use parquet::file::statistics::Statistics;
use serde_json::Value;

/// Why a column of a row group is read or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its bounds leave nothing to look for.
    OutOfBounds,
    /// A value could be there, as far as bounds tell.
    Possible,
}

/// Whether the statistics of a file in its table's log tell that none of its texts holds an indicator. They have bounds
/// of columns, and not of what is inside them.
pub(super) fn log_excludes(statistics: &str, texts: &[Leaf], indicators: &IndicatorSet) -> bool {
    if texts.iter().any(|text| !text.is_column) {
        return false;
    }
    let Ok(statistics) = serde_json::from_str::<Value>(statistics) else { return false };
    let of = |part: &str, text: &Leaf| statistics.get(part).and_then(|part| part.get(&text.path)).cloned();
    let rows = statistics.get("numRecords").and_then(Value::as_u64);
    texts.iter().all(|text| {
        let nulls = of("nullCount", text).and_then(|nulls| nulls.as_u64());
        if nulls.is_some() && nulls == rows {
            return true;
        }
        match (of("minValues", text), of("maxValues", text)) {
            (Some(Value::String(low)), Some(Value::String(high))) => {
                !indicators.may_match(low.as_bytes(), high.as_bytes())
            }
            _ => false,
        }
    })
}

/// The smallest and the largest text of a column of a row group, if its statistics have them.
pub(super) fn bounds(statistics: Option<&Statistics>) -> Option<(&[u8], &[u8])> {
    match statistics {
        Some(Statistics::ByteArray(texts)) => Some((texts.min_opt()?.data(), texts.max_opt()?.data())),
        _ => None,
    }
}

/// What the statistics of a column of a row group of so many rows tell. `is_plain`: its values are all in the spelling
/// of indicators.
pub(super) fn judge(statistics: Option<&Statistics>, rows: i64, is_plain: bool, indicators: &IndicatorSet) -> Verdict {
    let nulls = statistics.and_then(Statistics::null_count_opt);
    if nulls.is_some() && nulls == u64::try_from(rows).ok() {
        return Verdict::OutOfBounds;
    }
    let Some((low, high)) = bounds(statistics) else { return Verdict::Possible };
    let can_match = match is_plain {
        true => indicators.plain(low, high) != Plain::Among(&[]),
        false => indicators.may_match(low, high),
    };
    if can_match { Verdict::Possible } else { Verdict::OutOfBounds }
}

/// Whether a bloom filter tells that no indicator is in a column whose values are all in the spelling of indicators.
pub(super) fn bloom_excludes(bloom: &Sbbf, statistics: Option<&Statistics>, indicators: &IndicatorSet) -> bool {
    let (low, high) = bounds(statistics).unwrap_or((&[], &[0xff]));
    match indicators.plain(low, high) {
        Plain::Any => false,
        Plain::Among(values) => !values.iter().any(|value| bloom.check(value.as_str())),
    }
}
