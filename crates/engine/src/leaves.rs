//! The values that are none of other values: columns, and what is inside structs, lists and maps.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};

/// A value that is none of other values, in the order in which Parquet has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Where it is: names with points between them. A list adds nothing, a map `key` and `value`.
    pub path: String,
    /// Whether it is text.
    pub is_text: bool,
    /// Whether it is a column and not inside one.
    pub is_column: bool,
}

/// The leaves of a schema.
pub fn leaves(schema: &Schema) -> Vec<Leaf> {
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

/// Whether a leaf is the column or field of this name, or inside it.
pub fn is_within(path: &str, name: &str) -> bool {
    path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether all texts of a leaf, as far as any are there, are as `test` wants them.
pub(crate) fn all_texts(rows: &RecordBatch, path: &str, test: impl Fn(&str) -> bool) -> bool {
    let columns = rows.schema_ref().fields().iter().zip(rows.columns());
    columns.into_iter().all(|(field, column)| all_texts_of(column, field.name(), path, &test))
}

fn all_texts_of(column: &ArrayRef, here: &str, path: &str, test: &dyn Fn(&str) -> bool) -> bool {
    if !is_within(path, here) {
        return true;
    }
    match column.data_type() {
        DataType::Struct(fields) => fields
            .iter()
            .zip(column.as_struct().columns())
            .all(|(field, child)| all_texts_of(child, &format!("{here}.{}", field.name()), path, test)),
        DataType::List(_) => all_texts_of(column.as_list::<i32>().values(), here, path, test),
        DataType::Map(..) => [("key", column.as_map().keys()), ("value", column.as_map().values())]
            .into_iter()
            .all(|(name, child)| all_texts_of(child, &format!("{here}.{name}"), path, test)),
        DataType::Utf8 => column.as_string::<i32>().iter().flatten().all(test),
        _ => false,
    }
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
    }
}
