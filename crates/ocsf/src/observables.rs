//! `observables`: the addresses, names, hashes and the like of a row, gathered from wherever they stand in it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Builder, ListArray, StringArray, StringBuilder, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields};
use arrow::error::ArrowError;

use crate::schema::{Item, Schema};

/// Kinds of observables that are left out, because nobody looks for one without its context: port, country, process id.
const LEFT_OUT: [i64; 3] = [11, 14, 15];
/// Columns without observables of their own.
const WITHOUT: [&str; 2] = ["metadata", "unmapped"];

/// The places of a row in which observables stand.
#[derive(Debug)]
pub(crate) struct Observables {
    places: Vec<Place>,
}

/// One place.
#[derive(Debug)]
struct Place {
    /// The path as in `observables[].name`, lists with `[]`.
    name: String,
    steps: Vec<Step>,
    type_id: i64,
    caption: &'static str,
}

/// One step from a column to a place.
#[derive(Debug, Clone)]
enum Step {
    Field(String),
    Items,
}

impl Observables {
    pub(crate) fn new(
        schema: &'static Schema,
        classes: &[&'static Item],
        columns: &BTreeMap<String, (usize, DataType)>,
    ) -> Self {
        let mut places = Vec::new();
        for (name, (_, kind)) in columns.iter().filter(|(name, _)| !WITHOUT.contains(&name.as_str())) {
            let found = Found { schema, name: name.clone(), steps: vec![Step::Field(name.clone())] };
            found.look(name, kind, classes, &mut places);
        }
        Self { places }
    }

    /// The type of the column.
    pub(crate) fn data_type() -> DataType {
        DataType::List(Arc::new(Field::new("item", DataType::Struct(fields()), true)))
    }

    /// The column for rows with these columns.
    pub(crate) fn gather(&self, columns: &BTreeMap<&str, ArrayRef>, rows: usize) -> Result<ArrayRef, ArrowError> {
        let mut texts = Vec::with_capacity(self.places.len());
        for place in &self.places {
            texts.extend(place.texts(columns)?.map(|texts| (place, texts)));
        }
        let mut names = StringBuilder::new();
        let mut type_ids = Int64Builder::new();
        let mut types = StringBuilder::new();
        let mut values = StringBuilder::new();
        let mut lengths = Vec::with_capacity(rows);
        for row in 0..rows {
            let mut length = 0;
            for (place, texts) in &texts {
                for index in texts.range(row).filter(|index| texts.values.is_valid(*index)) {
                    names.append_value(&place.name);
                    type_ids.append_value(place.type_id);
                    types.append_value(place.caption);
                    values.append_value(texts.values.value(index));
                    length += 1;
                }
            }
            lengths.push(length);
        }
        let nulls = NullBuffer::from_iter(lengths.iter().map(|length| *length > 0));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(names.finish()),
            Arc::new(type_ids.finish()),
            Arc::new(types.finish()),
            Arc::new(values.finish()),
        ];
        let items = StructArray::try_new(fields(), columns, None)?;
        let item = Arc::new(Field::new("item", DataType::Struct(fields()), true));
        Ok(Arc::new(ListArray::try_new(item, OffsetBuffer::from_lengths(lengths), Arc::new(items), Some(nulls))?))
    }
}

fn fields() -> Fields {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    [text("name"), Field::new("type_id", DataType::Int64, true), text("type"), text("value")].into_iter().collect()
}

/// The way to a column or a field.
struct Found {
    schema: &'static Schema,
    name: String,
    steps: Vec<Step>,
}

impl Found {
    /// Notes the place, or those below it.
    fn look(self, attribute: &str, kind: &DataType, items: &[&'static Item], places: &mut Vec<Place>) {
        let attributes: Vec<_> = items.iter().filter_map(|item| item.attributes.get(attribute)).collect();
        let (kind, found) = match kind {
            DataType::List(item) => {
                let mut steps = self.steps;
                steps.push(Step::Items);
                (item.data_type(), Self { schema: self.schema, name: format!("{}[]", self.name), steps })
            }
            kind => (kind, self),
        };
        match kind {
            DataType::Struct(fields) => {
                let objects: Vec<&'static Item> =
                    attributes.iter().filter_map(|attribute| found.schema.object(&attribute.kind)).collect();
                for field in fields {
                    let mut steps = found.steps.clone();
                    steps.push(Step::Field(field.name().clone()));
                    let name = format!("{}.{}", found.name, field.name());
                    let below = Self { schema: found.schema, name, steps };
                    below.look(field.name(), field.data_type(), &objects, places);
                }
            }
            _ => {
                let type_id = attributes.iter().find_map(|attribute| found.schema.observable_of(attribute));
                let type_id = type_id.filter(|type_id| !LEFT_OUT.contains(type_id));
                let caption = type_id.and_then(|type_id| found.schema.observable(type_id));
                if let (Some(type_id), Some(caption)) = (type_id, caption) {
                    places.push(Place { name: found.name, steps: found.steps, type_id, caption });
                }
            }
        }
    }
}

/// The texts of one place in many rows.
struct Texts {
    values: StringArray,
    /// Where lists lie on the way: the items of each row. `None`: one a row.
    ranges: Option<Vec<Range<usize>>>,
}

impl Texts {
    fn range(&self, row: usize) -> Range<usize> {
        self.ranges.as_ref().map_or(row..row + 1, |ranges| ranges[row].clone())
    }
}

impl Place {
    /// `None`: no row has anything there.
    fn texts(&self, columns: &BTreeMap<&str, ArrayRef>) -> Result<Option<Texts>, ArrowError> {
        let mut steps = self.steps.iter();
        let Some(Step::Field(column)) = steps.next() else { return Ok(None) };
        let Some(mut array) = columns.get(column.as_str()).cloned() else { return Ok(None) };
        let mut ranges: Option<Vec<Range<usize>>> = None;
        for step in steps {
            array = match step {
                Step::Field(name) => {
                    let parent = array.as_struct();
                    let Some(child) = parent.column_by_name(name) else { return Ok(None) };
                    Arc::clone(child)
                }
                Step::Items => {
                    let list = array.as_list::<i32>();
                    let offsets = list.value_offsets();
                    let items = |rows: Range<usize>| offsets[rows.start] as usize..offsets[rows.end] as usize;
                    let rows = ranges.unwrap_or_else(|| (0..list.len()).map(|row| row..row + 1).collect());
                    ranges = Some(rows.into_iter().map(items).collect());
                    Arc::clone(list.values())
                }
            };
        }
        if array.null_count() == array.len() {
            return Ok(None);
        }
        let text = if array.data_type() == &DataType::Utf8 { array } else { cast(&array, &DataType::Utf8)? };
        Ok(Some(Texts { values: text.as_string::<i32>().clone(), ranges }))
    }
}
