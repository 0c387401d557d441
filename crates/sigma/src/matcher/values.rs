//! Where the values of a field lie in a batch, and what texts a row has there.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, StringViewArray};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use hashbrown::HashMap;
use serde_json::Value;

/// Columns that say where a row comes from; they are no values of the event.
const PROVENANCE: [&str; 3] = ["_file", "_row", "_offset"];

/// The column that holds, as one JSON object, the fields that have no column.
const REST: &str = "_rest";

/// Where a field's values lie.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Place {
    /// In a column, or in a member of its structs; lists on the way hold many values.
    Column(Vec<usize>),
    /// Behind these names in the JSON that a text column holds.
    Json { column: Vec<usize>, keys: Vec<String> },
    /// In every one of these columns, also inside the JSON that they hold.
    Everything(Vec<usize>),
    /// At either: a column of the whole name, and the path.
    Either(Box<[Place; 2]>),
}

impl Place {
    /// Every column that holds what the event says.
    pub(super) fn everything(schema: &Schema) -> Self {
        let is_event = |name: &str| !PROVENANCE.contains(&name);
        let columns = schema.fields().iter().enumerate().filter(|(_, field)| is_event(field.name()));
        Self::Everything(columns.map(|(index, _)| index).collect())
    }

    /// A field by its name: the column of that name and the path below the longest start that is a column, else the column
    /// whose name is the same without its spaces, else what the column `_rest` holds under it.
    pub(super) fn find(schema: &Schema, name: &str) -> Option<Self> {
        let column = |name: &str| schema.fields().iter().position(|field| field.name() == name);
        let whole = column(name).map(|index| Self::Column(vec![index]));
        let mut starts = name.rmatch_indices('.').map(|(at, _)| (&name[..at], &name[at + 1..]));
        let below = starts.find_map(|(start, rest)| {
            column(start).and_then(|index| Self::below(vec![index], schema.field(index), rest))
        });
        match (whole, below) {
            (Some(whole), Some(below)) => return Some(Self::Either(Box::new([whole, below]))),
            (Some(place), None) | (None, Some(place)) => return Some(place),
            (None, None) => {}
        }
        let spaceless = |field: &Field| field.name().chars().filter(|c| *c != ' ').eq(name.chars());
        if let Some(index) = schema.fields().iter().position(|field| spaceless(field)) {
            return Some(Self::Column(vec![index]));
        }
        let rest = column(REST)?;
        Some(Self::Json { column: vec![rest], keys: name.split('.').map(str::to_owned).collect() })
    }

    /// `rest` below a column: through structs as far as they go, then through JSON.
    fn below(mut path: Vec<usize>, field: &Field, rest: &str) -> Option<Self> {
        match innermost(field.data_type()) {
            DataType::Struct(members) => {
                let member = |name: &str| members.iter().position(|member| member.name() == name);
                if let Some(index) = member(rest) {
                    path.push(index);
                    return Some(Self::Column(path));
                }
                let starts = rest.rmatch_indices('.').map(|(at, _)| (&rest[..at], &rest[at + 1..]));
                starts.filter_map(|(start, rest)| member(start).map(|index| (index, rest))).find_map(|(index, rest)| {
                    let path = path.iter().copied().chain([index]).collect();
                    Self::below(path, &members[index], rest)
                })
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                Some(Self::Json { column: path, keys: rest.split('.').map(str::to_owned).collect() })
            }
            _ => None,
        }
    }

    /// Whether its values cost too much to be looked at in every row.
    pub(super) fn is_costly(&self) -> bool {
        match self {
            Self::Json { .. } => true,
            Self::Either(places) => places.iter().any(Self::is_costly),
            Self::Column(_) | Self::Everything(_) => false,
        }
    }

    /// Gives each text of one row to `take` until that says no; says whether it never did. Writes no number of another
    /// row as text, as [`Place::values`] does.
    fn each_in_row(&self, batch: &RecordBatch, row: usize, take: &mut dyn FnMut(&str) -> bool) -> bool {
        let cell = |column: usize| batch.column(column).slice(row, 1);
        match self {
            Self::Column(path) | Self::Json { column: path, .. }
                if is_text(batch.column(path[0]).data_type(), &path[1..]) =>
            {
                self.values(batch).each(row, take)
            }
            Self::Column(path) => Values::of(&cell(path[0]), &path[1..], false).each(0, take),
            Self::Json { column, keys } => {
                let cell = cell(column[0]);
                Values::Json(Box::new(Values::of(&cell, &column[1..], false)), keys.clone()).each(0, take)
            }
            Self::Either(places) => places.iter().all(|place| place.each_in_row(batch, row, take)),
            Self::Everything(columns) => {
                columns.iter().all(|column| Values::of(&cell(*column), &[], true).each(0, take))
            }
        }
    }

    /// The values in a batch.
    pub(super) fn values<'a>(&self, batch: &'a RecordBatch) -> Values<'a> {
        match self {
            Self::Column(path) => Values::of(batch.column(path[0]), &path[1..], false),
            Self::Json { column, keys } => {
                Values::Json(Box::new(Values::of(batch.column(column[0]), &column[1..], false)), keys.clone())
            }
            Self::Either(places) => Values::Several(places.iter().map(|place| place.values(batch)).collect()),
            Self::Everything(columns) => {
                let all = columns.iter().map(|index| Values::of(batch.column(*index), &[], true));
                Values::Several(all.filter(|values| !matches!(values, Values::None)).collect())
            }
        }
    }
}

/// Texts of fields, whose places in one schema are remembered.
#[derive(Debug)]
pub(crate) struct FieldTexts {
    schema: SchemaRef,
    places: HashMap<String, Option<Place>>,
}

impl FieldTexts {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        Self { schema, places: HashMap::new() }
    }

    /// Gives each text of a field in a row to `take` until that says no: those of its list, where it is one, and none
    /// where it is absent.
    pub(crate) fn each(&mut self, batch: &RecordBatch, row: usize, field: &str, take: &mut dyn FnMut(&str) -> bool) {
        if !self.places.contains_key(field) {
            self.places.insert(field.to_owned(), Place::find(&self.schema, field));
        }
        if let Some(Some(place)) = self.places.get(field) {
            place.each_in_row(batch, row, take);
        }
    }

    /// The first text of a field in a row.
    pub(crate) fn first(&mut self, batch: &RecordBatch, row: usize, field: &str) -> Option<String> {
        let mut first = None;
        self.each(batch, row, field, &mut |text| {
            first = Some(text.to_owned());
            false
        });
        first
    }
}

/// Whether there is nothing to be written as text at a place.
fn is_text(kind: &DataType, path: &[usize]) -> bool {
    match kind {
        DataType::Utf8 | DataType::Utf8View => true,
        DataType::List(item) => is_text(item.data_type(), path),
        DataType::Struct(members) => {
            path.split_first().is_some_and(|(first, rest)| is_text(members[*first].data_type(), rest))
        }
        _ => false,
    }
}

fn innermost(kind: &DataType) -> &DataType {
    match kind {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            innermost(item.data_type())
        }
        other => other,
    }
}

/// The texts of the rows of a batch at one place.
pub(super) enum Values<'a> {
    Text {
        texts: &'a StringArray,
        opens_objects: bool,
    },
    View {
        texts: &'a StringViewArray,
        opens_objects: bool,
    },
    /// Numbers and the like, as text.
    Written(StringArray),
    List {
        offsets: &'a [i32],
        nulls: Option<&'a NullBuffer>,
        items: Box<Values<'a>>,
    },
    Member {
        nulls: Option<&'a NullBuffer>,
        member: Box<Values<'a>>,
    },
    Json(Box<Values<'a>>, Vec<String>),
    Several(Vec<Values<'a>>),
    None,
}

impl<'a> Values<'a> {
    fn of(array: &'a ArrayRef, path: &[usize], opens_objects: bool) -> Self {
        match array.data_type() {
            _ if array.null_count() == array.len() => Self::None,
            DataType::Utf8 => Self::Text { texts: array.as_string(), opens_objects },
            DataType::Utf8View => Self::View { texts: array.as_string_view(), opens_objects },
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                let items = Box::new(Self::of(list.values(), path, opens_objects));
                Self::List { offsets: list.value_offsets(), nulls: list.nulls(), items }
            }
            DataType::Struct(_) => {
                let members = array.as_struct();
                let member = match path.split_first() {
                    Some((first, rest)) => Self::of(members.column(*first), rest, opens_objects),
                    None => Self::Several(
                        members.columns().iter().map(|column| Self::of(column, &[], opens_objects)).collect(),
                    ),
                };
                Self::Member { nulls: members.nulls(), member: Box::new(member) }
            }
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::Null => Self::None,
            _ => match cast(array, &DataType::Utf8) {
                Ok(texts) => Self::Written(texts.as_string::<i32>().clone()),
                Err(_) => Self::None,
            },
        }
    }

    /// Gives each text of a row to `take` until that says no; says whether it never did.
    pub(super) fn each(&self, row: usize, take: &mut dyn FnMut(&str) -> bool) -> bool {
        match self {
            Self::Text { texts, opens_objects } => {
                texts.is_null(row) || take_text(texts.value(row), *opens_objects, take)
            }
            Self::View { texts, opens_objects } => {
                texts.is_null(row) || take_text(texts.value(row), *opens_objects, take)
            }
            Self::Written(texts) => texts.is_null(row) || take(texts.value(row)),
            Self::List { offsets, nulls, items } => {
                let is_null = nulls.is_some_and(|nulls| nulls.is_null(row));
                is_null || (offsets[row]..offsets[row + 1]).all(|item| items.each(item as usize, take))
            }
            Self::Member { nulls, member } => nulls.is_some_and(|nulls| nulls.is_null(row)) || member.each(row, take),
            Self::Json(texts, keys) => texts.each(row, &mut |text| {
                let document = opened(text);
                document.is_none_or(|document| follow(&document, keys, take))
            }),
            Self::Several(all) => all.iter().all(|values| values.each(row, take)),
            Self::None => true,
        }
    }
}

/// A text, and its members where it is a JSON list (or an object, where those are opened too).
fn take_text(text: &str, opens_objects: bool, take: &mut dyn FnMut(&str) -> bool) -> bool {
    let may_open = text.starts_with('[') || (opens_objects && text.starts_with('{'));
    match may_open.then(|| opened(text)).flatten() {
        None => take(text),
        Some(document) if opens_objects => leaves(&document, take),
        Some(document) => take(text) && members(&document, take),
    }
}

/// The JSON list or object that a text is.
fn opened(text: &str) -> Option<Value> {
    let is_enclosed = (text.starts_with('[') && text.ends_with(']')) || (text.starts_with('{') && text.ends_with('}'));
    is_enclosed.then(|| serde_json::from_str(text).ok()).flatten()
}

/// The values behind `keys`: the rest of the path as one key first, then key by key; lists are looked through.
fn follow(value: &Value, keys: &[String], take: &mut dyn FnMut(&str) -> bool) -> bool {
    match (value, keys.split_first()) {
        (Value::Array(items), _) => items.iter().all(|item| follow(item, keys, take)),
        (Value::Object(object), Some((first, rest))) => match object.get(&keys.join(".")) {
            Some(found) => members(found, take),
            None => object.get(first).is_none_or(|found| follow(found, rest, take)),
        },
        (scalar, None) => members(scalar, take),
        (_, Some(_)) => true,
    }
}

/// The members of a list and of lists in it; an object as its JSON; null is not there.
fn members(value: &Value, take: &mut dyn FnMut(&str) -> bool) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => take(text),
        Value::Array(items) => items.iter().all(|item| members(item, take)),
        other => take(&other.to_string()),
    }
}

/// Every value that is neither list nor object.
fn leaves(value: &Value, take: &mut dyn FnMut(&str) -> bool) -> bool {
    match value {
        Value::Array(items) => items.iter().all(|item| leaves(item, take)),
        Value::Object(object) => object.values().all(|member| leaves(member, take)),
        other => members(other, take),
    }
}
