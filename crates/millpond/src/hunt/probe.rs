//! Comparing the texts of a batch with indicators.

use std::collections::BTreeSet;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use millpond_core::indicator::IndicatorSet;

/// A text of a batch that is an indicator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Match {
    /// The number of the indicator in its set.
    pub(super) indicator: u32,
    /// Where the text is.
    pub(super) path: String,
    /// The row of the batch.
    pub(super) row: usize,
    /// The text as it is written.
    pub(super) value: String,
}

/// Looks for indicators in the texts of `paths`. A row has a match once for each indicator and path, however often the
/// text is in a list.
pub(super) fn probe(batch: &RecordBatch, paths: &BTreeSet<String>, indicators: &IndicatorSet) -> Vec<Match> {
    let mut probe = Probe { paths, indicators, found: Vec::new() };
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let rows: Vec<usize> = (0..column.len()).collect();
        probe.column(column, field.name(), &rows);
    }
    probe.found
}

struct Probe<'a> {
    paths: &'a BTreeSet<String>,
    indicators: &'a IndicatorSet,
    found: Vec<Match>,
}

impl Probe<'_> {
    /// Looks at a column, each of whose values belongs to the row that `rows` says.
    fn column(&mut self, column: &ArrayRef, path: &str, rows: &[usize]) {
        match column.data_type() {
            DataType::Struct(fields) => {
                for (field, child) in fields.iter().zip(column.as_struct().columns()) {
                    self.column(child, &format!("{path}.{}", field.name()), rows);
                }
            }
            DataType::List(_) => {
                let list = column.as_list::<i32>();
                let (start, end) = span(list.offsets());
                self.column(&list.values().slice(start, end - start), path, &spread(list.offsets(), rows));
            }
            DataType::Map(..) => {
                let map = column.as_map();
                let (start, end) = span(map.offsets());
                let rows = spread(map.offsets(), rows);
                for (name, child) in [("key", map.keys()), ("value", map.values())] {
                    self.column(&child.slice(start, end - start), &format!("{path}.{name}"), &rows);
                }
            }
            _ if !self.paths.contains(path) => {}
            DataType::Utf8 => self.texts(column.as_string::<i32>().iter(), path, rows),
            DataType::LargeUtf8 => self.texts(column.as_string::<i64>().iter(), path, rows),
            DataType::Utf8View => self.texts(column.as_string_view().iter(), path, rows),
            _ => {}
        }
    }

    fn texts<'t>(&mut self, texts: impl Iterator<Item = Option<&'t str>>, path: &str, rows: &[usize]) {
        // Values often repeat one after the other, and most are none.
        let (mut last, mut found) = (None, Vec::new());
        let start = self.found.len();
        for (text, row) in texts.zip(rows) {
            let Some(text) = text else { continue };
            if last != Some(text) {
                found.clear();
                self.indicators.find(text, &mut found);
                last = Some(text);
            }
            for indicator in &found {
                let of_row = self.found[start..].iter().rev().take_while(|known| known.row == *row);
                if !of_row.into_iter().any(|known| known.indicator == *indicator) {
                    let (path, value) = (path.to_owned(), text.to_owned());
                    self.found.push(Match { indicator: *indicator, path, row: *row, value });
                }
            }
        }
    }
}

/// From which to which value the lists of a column reach.
fn span(offsets: &[i32]) -> (usize, usize) {
    let at = |offset: Option<&i32>| offset.copied().unwrap_or(0) as usize;
    (at(offsets.first()), at(offsets.last()))
}

/// The row of each value of the lists of a column.
fn spread(offsets: &[i32], rows: &[usize]) -> Vec<usize> {
    let lengths = offsets.windows(2).map(|pair| (pair[1] - pair[0]) as usize);
    lengths.zip(rows).flat_map(|(length, row)| std::iter::repeat_n(*row, length)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ListBuilder, StringArray, StringBuilder, StructArray};
    use arrow::datatypes::Field;
    use millpond_core::indicator::Indicator;
    use std::sync::Arc;

    #[test]
    fn texts_in_lists_and_structs_belong_to_their_rows() {
        let mut lists = ListBuilder::new(StringBuilder::new());
        lists.append_value([Some("a.example"), Some("evil.example"), Some("EVIL.example")]);
        lists.append_null();
        lists.append_value([None, Some("evil.example")]);
        let lists = lists.finish().slice(1, 2);
        let host = Arc::new(StringArray::from(vec![Some("evil.example"), None])) as ArrayRef;
        let inner = StructArray::from(vec![(Arc::new(Field::new("host", DataType::Utf8, true)), host)]);
        let rows =
            RecordBatch::try_from_iter([("names", Arc::new(lists) as ArrayRef), ("http", Arc::new(inner) as ArrayRef)]);
        let set = IndicatorSet::new([Indicator::parse("evil.example").expect("domain")], false);
        let paths = ["names".to_owned(), "http.host".to_owned()].into();
        let found = probe(&rows.expect("rows"), &paths, &set);
        let found: Vec<(&str, usize)> = found.iter().map(|found| (found.path.as_str(), found.row)).collect();
        assert_eq!(found, [("names", 1), ("http.host", 0)]);
    }
}
