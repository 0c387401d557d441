//! Which columns a hunt reads: all text, also inside structs, lists and maps.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use millpond_core::units::nearest;
use millpond_core::{Error, Result};

/// Which columns are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Columns {
    /// Every text, but for columns that millpond adds, whose names begin with `_`.
    #[default]
    Text,
    /// Those that a source names as `indicators`, which have bloom filters in compacted files.
    Indexed,
    /// Those of these names: a column with all that is in it, or one field of it, `request.host`.
    Named(Vec<String>),
}

impl Columns {
    /// Whether a text is read; `indexed` are the columns that sources name as `indicators`.
    pub(super) fn holds(&self, path: &str, indexed: &[String]) -> bool {
        let is_within = |name: &String| path.strip_prefix(name.as_str()).is_some_and(is_end_of_name);
        match self {
            Self::Text => !path.starts_with('_'),
            Self::Indexed => indexed.iter().any(is_within),
            Self::Named(names) => names.iter().any(is_within),
        }
    }

    /// Makes sure that each named column is a text of one of the tables.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) with the nearest name for one that is not.
    pub(super) fn check<'a>(&self, schemas: impl Iterator<Item = &'a SchemaRef>) -> Result<()> {
        let Self::Named(names) = self else { return Ok(()) };
        let leaves: Vec<Leaf> = schemas.flat_map(|schema| leaves(schema)).filter(|leaf| leaf.is_text).collect();
        for name in names {
            let one = Self::Named(vec![name.clone()]);
            if !leaves.iter().any(|leaf| one.holds(&leaf.path, &[])) {
                let error = Error::bad_config(format!("no table that is looked at has a text column `{name}`"));
                return Err(match nearest(name, leaves.iter().map(|leaf| leaf.path.as_str())) {
                    Some(near) => error.hint(format!("did you mean `{near}`? names are matched exactly")),
                    None => error.hint("`millpond query \"describe TABLE\"` lists a table's columns"),
                });
            }
        }
        Ok(())
    }
}

/// Whether what follows a name leads into it.
fn is_end_of_name(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('.')
}

/// A value that is none of other values, in the order in which Parquet has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf {
    /// Where it is: names with points between them. A list adds nothing, a map `key` and `value`.
    pub(super) path: String,
    /// Whether it is text.
    pub(super) is_text: bool,
    /// Whether it is a column and not inside one.
    pub(super) is_column: bool,
}

/// The leaves of a schema.
pub(super) fn leaves(schema: &Schema) -> Vec<Leaf> {
    let mut found = Vec::new();
    schema.fields().iter().for_each(|field| add(field, field.name().clone(), true, &mut found));
    found
}

fn add(field: &Field, path: String, is_column: bool, found: &mut Vec<Leaf>) {
    match field.data_type() {
        DataType::Struct(fields) => {
            fields.iter().for_each(|field| add(field, format!("{path}.{}", field.name()), false, found));
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => add(item, path, false, found),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                add(&pair[0], format!("{path}.key"), false, found);
                add(&pair[1], format!("{path}.value"), false, found);
            }
            _ => found.push(Leaf { path, is_text: false, is_column }),
        },
        kind => found.push(Leaf { path, is_text: is_text(kind), is_column }),
    }
}

fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_however_deep() {
        let text = |name: &str| Field::new(name, DataType::Utf8, true);
        let inner = DataType::Struct(vec![text("host"), Field::new("port", DataType::Int32, true)].into());
        let list = DataType::List(Field::new("element", inner, true).into());
        let pair = DataType::Struct(vec![text("key"), text("value")].into());
        let map = DataType::Map(Field::new("key_value", pair, false).into(), false);
        let fields = vec![text("a"), Field::new("peers", list, true), Field::new("tags", map, true), text("_file")];
        let leaves = leaves(&Schema::new(fields));
        let paths: Vec<&str> = leaves.iter().filter(|leaf| leaf.is_text).map(|leaf| leaf.path.as_str()).collect();
        assert_eq!(paths, ["a", "peers.host", "tags.key", "tags.value", "_file"]);
        let held = |columns: &Columns| paths.iter().filter(|path| columns.holds(path, &["a".into()])).count();
        let named = |name: &str| Columns::Named(vec![name.to_owned()]);
        assert_eq!((held(&Columns::Text), held(&Columns::Indexed), held(&named("tags"))), (4, 1, 2));
        assert_eq!((held(&named("peers.host")), held(&named("peer")), held(&named("_file"))), (1, 0, 1));
    }
}
