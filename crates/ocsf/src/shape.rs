//! What a source's columns become: each held against the attributes of the source's classes before any data comes.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use millpond_core::units::nearest;

use crate::schema::{Attribute, Item, Schema};

/// A column that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The top-level column; empty: it is about the source.
    pub column: String,
    /// What is wrong with it.
    pub message: String,
    /// What would help.
    pub hint: Option<String>,
}

/// Holds columns against attributes.
pub(crate) struct Shaper<'a> {
    pub(crate) schema: &'static Schema,
    pub(crate) profiles: &'a [String],
    pub(crate) problems: Vec<Problem>,
    /// The top-level column that is being looked at.
    pub(crate) column: String,
}

impl Shaper<'_> {
    /// The type that an attribute's values get. An attribute may be defined differently by several classes of a source.
    pub(crate) fn shape(&mut self, path: &str, given: &DataType, attributes: &[&Attribute]) -> DataType {
        let Some(first) = attributes.first() else { return given.clone() };
        match given {
            DataType::List(item) | DataType::LargeList(item) if first.is_array => {
                let kind = self.shape_value(&format!("{path}[]"), item.data_type(), attributes);
                DataType::List(Arc::new(Field::new("item", kind, true)))
            }
            _ if first.is_array => {
                self.wrong(format!("`{path}` is {given}, and OCSF has a list there"), Some("write `[…]` around it"));
                given.clone()
            }
            _ => self.shape_value(path, given, attributes),
        }
    }

    fn shape_value(&mut self, path: &str, given: &DataType, attributes: &[&Attribute]) -> DataType {
        let objects: Vec<&Item> =
            attributes.iter().filter_map(|attribute| self.schema.object(&attribute.kind)).collect();
        if objects.is_empty() {
            return self.shape_scalar(path, given, &attributes[0].kind);
        }
        if objects.iter().any(|object| object.is_open()) {
            return self.shape_open(path, given);
        }
        match given {
            DataType::Struct(fields) => DataType::Struct(self.shape_fields(path, fields, &objects)),
            other => {
                let hint = "write an object as a struct, such as `{'name': …} as user`";
                self.wrong(
                    format!("`{path}` is {other}, and OCSF has an object `{}` there", attributes[0].kind),
                    Some(hint),
                );
                other.clone()
            }
        }
    }

    fn shape_fields(&mut self, path: &str, fields: &Fields, objects: &[&Item]) -> Fields {
        let shaped = fields.iter().map(|field| {
            let path = format!("{path}.{}", field.name());
            let attributes = self.attributes(&path, field.name(), objects);
            Field::new(field.name(), self.shape(&path, field.data_type(), &attributes), true)
        });
        shaped.collect()
    }

    /// The attributes of this name, of all the items that have one. None is a problem.
    pub(crate) fn attributes<'i>(&mut self, path: &str, name: &str, items: &[&'i Item]) -> Vec<&'i Attribute> {
        let named: Vec<&Attribute> = items.iter().filter_map(|item| item.attributes.get(name)).collect();
        let found: Vec<&Attribute> = named.iter().copied().filter(|attribute| attribute.is_in(self.profiles)).collect();
        if !found.is_empty() {
            return found;
        }
        match named.first() {
            Some(attribute) => {
                let profiles = attribute.profiles.join("` or `");
                self.wrong(
                    format!("`{path}` exists only under the profile `{profiles}`"),
                    Some(&format!("name it in source.toml: `[ocsf]` `profiles = [\"{}\"]`", attribute.profiles[0])),
                );
            }
            None => {
                let known = items.iter().flat_map(|item| item.attributes.iter());
                let known =
                    known.filter(|(_, attribute)| attribute.is_in(self.profiles)).map(|(name, _)| name.as_str());
                let hint = nearest(name, known).map(|near| format!("did you mean `{near}`?"));
                let hint =
                    hint.unwrap_or_else(|| "what the schema has no place for belongs into `unmapped`".to_owned());
                self.wrong(format!("`{path}` is no attribute of OCSF {}", self.schema.version()), Some(&hint));
            }
        }
        Vec::new()
    }

    /// Anything goes into the open object: JSON as text, or a struct or map as it is.
    fn shape_open(&mut self, path: &str, given: &DataType) -> DataType {
        match given {
            DataType::Struct(_) | DataType::Map(..) => given.clone(),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => DataType::Utf8,
            other => {
                self.wrong(format!("`{path}` is {other}, and OCSF has any object there"), Some("give it as JSON text"));
                other.clone()
            }
        }
    }

    fn shape_scalar(&mut self, path: &str, given: &DataType, kind: &str) -> DataType {
        let primitive = self.schema.scalar(kind).map_or("", |scalar| scalar.primitive.as_str());
        let text = matches!(given, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        let (wanted, fits) = match (kind, primitive) {
            ("timestamp_t", _) => (time_type(), matches!(given, DataType::Timestamp(..) | DataType::Date32)),
            (_, "string_t") => {
                let is_scalar = text || given.is_numeric() || matches!(given, DataType::Boolean);
                (DataType::Utf8, is_scalar)
            }
            (_, "integer_t" | "long_t") => (DataType::Int64, given.is_integer()),
            (_, "float_t") => (DataType::Float64, given.is_numeric()),
            (_, "boolean_t") => (DataType::Boolean, matches!(given, DataType::Boolean)),
            // json_t: any value; text is taken for JSON.
            _ => (if text { DataType::Utf8 } else { given.clone() }, true),
        };
        if !fits && !given.is_null() {
            let hint = match wanted {
                DataType::Int64 => "convert it, such as `cast(… as bigint)`",
                DataType::Timestamp(..) => "convert it, such as `parse_time(…)`, or declare the field as `timestamp`",
                DataType::Boolean => "compare it, such as `x = 'true'`",
                DataType::Float64 => "convert it, such as `cast(… as double)`",
                _ => "give it as text",
            };
            self.wrong(format!("`{path}` is {given}, and OCSF has `{kind}` there"), Some(hint));
        }
        wanted
    }

    /// A name of source.toml that the schema lacks.
    pub(crate) fn wrong_name(&mut self, what: &str, name: &str, known: impl Iterator<Item = &'static str>) {
        let hint = nearest(name, known).map(|near| format!("did you mean `{near}`?"));
        let message = format!("OCSF {} has no {what} `{name}`", self.schema.version());
        self.wrong(message, hint.as_deref());
    }

    pub(crate) fn wrong(&mut self, message: String, hint: Option<&str>) {
        let column = self.column.clone();
        self.problems.push(Problem { column, message, hint: hint.map(str::to_owned) });
    }
}

/// How a point in time is stored.
pub(crate) fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}
