//! Which columns and fields of a file hold values in the spelling of indicators alone. A bloom filter knows values as they are
//! written; only where all of them are in that spelling does it tell that an indicator is not there in any other.

use arrow::array::RecordBatch;
use millpond_core::indicator::is_plain;
use parquet::file::metadata::{KeyValue, ParquetMetaData};

use super::Finish;
use crate::leaves::{all_texts, is_within, leaves};

/// Under which name the footer lists the columns. It counts up when `millpond_core::indicator::fold` changes.
const KEY: &str = "millpond.plain.1";

/// The columns with bloom filters whose values were all plain so far.
#[derive(Debug)]
pub(super) struct PlainColumns(Vec<String>);

impl PlainColumns {
    /// Before the first row; `rows` has the columns.
    pub(super) fn new(rows: &RecordBatch, finish: &Finish) -> Self {
        let Finish::Compacted { indicators } = finish else { return Self(Vec::new()) };
        let texts = leaves(rows.schema_ref()).into_iter().filter(|leaf| leaf.is_text);
        let named = texts.filter(|leaf| indicators.iter().any(|name| is_within(&leaf.path, name)));
        Self(named.map(|leaf| leaf.path).collect())
    }

    /// Looks at rows that are written.
    pub(super) fn look(&mut self, rows: &RecordBatch) {
        self.0.retain(|path| all_texts(rows, path, is_plain));
    }

    /// As the footer says it; `None`: there is nothing to say.
    pub(super) fn metadata(&self) -> Option<KeyValue> {
        let list = || serde_json::Value::from(self.0.clone()).to_string();
        (!self.0.is_empty()).then(|| KeyValue::new(KEY.to_owned(), list()))
    }
}

/// The columns of a file whose values are all in the spelling of indicators, as far as its footer tells.
pub fn plain_columns(metadata: &ParquetMetaData) -> Vec<String> {
    let said = metadata.file_metadata().key_value_metadata().into_iter().flatten();
    let list = said.filter(|said| said.key == KEY).find_map(|said| said.value.as_deref());
    list.and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default()
}
