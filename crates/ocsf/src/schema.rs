//! The schema: classes, objects and types of OCSF 1.8.0, read from `schema/ocsf/ocsf.json`.
//!
//! That file holds one class, object, type or profile a line, so an item is parsed when it is first asked for: a source that
//! uses two classes reads some twenty lines of the nine hundred kilobytes.

use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

use serde::Deserialize;

static TEXT: &str = include_str!("../../../schema/ocsf/ocsf.json");
static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::index(TEXT));

/// The whole schema.
#[derive(Debug)]
pub struct Schema {
    version: &'static str,
    categories: BTreeMap<&'static str, Lazy<Category>>,
    classes: BTreeMap<&'static str, Lazy<Item>>,
    objects: BTreeMap<&'static str, Lazy<Item>>,
    types: BTreeMap<&'static str, Lazy<Type>>,
    profiles: BTreeMap<&'static str, Lazy<Profile>>,
    observables: Lazy<BTreeMap<String, String>>,
}

/// An event class or an object: something with attributes.
#[derive(Debug, Default, Deserialize)]
pub struct Item {
    /// The number of a class, such as 3002.
    #[serde(default)]
    pub uid: i64,
    /// Its name for people.
    #[serde(default)]
    pub caption: String,
    /// The name of a class's category.
    #[serde(default)]
    pub category: String,
    /// The number of a class's category.
    #[serde(default)]
    pub category_uid: i64,
    /// The category's name for people.
    #[serde(default)]
    pub category_name: String,
    /// What it consists of, by name. The open object has none.
    #[serde(default)]
    pub attributes: BTreeMap<String, Attribute>,
    /// `at_least_one` or `just_one`, and the attributes.
    #[serde(default)]
    pub constraints: BTreeMap<String, Vec<String>>,
    /// All profiles that can apply.
    #[serde(default)]
    pub profiles: Vec<String>,
    /// The version that deprecated it.
    pub deprecated: Option<String>,
}

/// One attribute of a class or an object.
#[derive(Debug, Deserialize)]
pub struct Attribute {
    /// The name of its type or object.
    #[serde(rename = "type")]
    pub kind: String,
    /// How much it is wanted.
    pub requirement: Requirement,
    /// Whether it is a list.
    #[serde(default)]
    pub is_array: bool,
    /// The attribute that holds an id's text.
    pub sibling: Option<String>,
    /// The values that an id may have, with their texts.
    #[serde(rename = "enum", default)]
    pub values: BTreeMap<String, String>,
    /// Values that are deprecated.
    #[serde(default)]
    pub enum_deprecated: BTreeMap<String, String>,
    /// The version that deprecated it.
    pub deprecated: Option<String>,
    /// The number of the kind of observable that it is.
    pub observable: Option<i64>,
    /// It exists only where one of these is in the event's `metadata.profiles`; empty: always.
    #[serde(default)]
    pub profiles: Vec<String>,
}

/// How much an attribute is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requirement {
    /// An event without it is wrong.
    Required,
    /// An event should have it.
    Recommended,
    /// An event may have it.
    Optional,
}

/// A scalar type.
#[derive(Debug, Deserialize)]
pub struct Type {
    /// `boolean_t`, `float_t`, `integer_t`, `json_t`, `long_t` or `string_t`.
    pub primitive: String,
    /// What a text must match somewhere.
    pub regex: Option<String>,
    /// The least and the largest value.
    pub range: Option<(i64, i64)>,
    /// The most characters of a text.
    pub max_len: Option<usize>,
    /// The number of the kind of observable that it is.
    pub observable: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Category {
    caption: String,
}

#[derive(Debug, Deserialize)]
struct Profile {
    #[serde(rename = "caption")]
    _caption: String,
}

impl Schema {
    /// The schema that is compiled in.
    pub fn get() -> &'static Self {
        &SCHEMA
    }

    /// Its version, such as `1.8.0`.
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// A class by name, such as `authentication`.
    pub fn class(&self, name: &str) -> Option<&Item> {
        self.classes.get(name).map(Lazy::get)
    }

    /// The name of the class with this number. The name and caption of a class are on its line, all of which are parsed.
    pub fn class_name(&self, uid: i64) -> Option<&'static str> {
        self.classes.iter().find(|(_, class)| class.get().uid == uid).map(|(name, _)| *name)
    }

    /// The names of all classes.
    pub fn class_names(&self) -> impl Iterator<Item = &'static str> {
        self.classes.keys().copied()
    }

    /// An object by name, such as `network_endpoint`.
    pub fn object(&self, name: &str) -> Option<&Item> {
        self.objects.get(name).map(Lazy::get)
    }

    /// A scalar type by name, such as `ip_t`.
    pub fn scalar(&self, name: &str) -> Option<&Type> {
        self.types.get(name).map(Lazy::get)
    }

    /// The names of all profiles.
    pub fn profiles(&self) -> impl Iterator<Item = &'static str> {
        self.profiles.keys().copied()
    }

    /// The name of a category for people.
    pub fn category(&self, name: &str) -> Option<&str> {
        self.categories.get(name).map(|category| category.get().caption.as_str())
    }

    /// The name of a kind of observable for people, such as `IP Address` of 2.
    pub fn observable(&self, type_id: i64) -> Option<&str> {
        self.observables.get().get(&type_id.to_string()).map(String::as_str)
    }

    /// The kind of observable that an attribute is, by itself or by its type.
    pub fn observable_of(&self, attribute: &Attribute) -> Option<i64> {
        attribute.observable.or_else(|| self.scalar(&attribute.kind)?.observable)
    }

    /// Finds the lines of the file; their content is parsed later.
    fn index(text: &'static str) -> Self {
        let mut schema = Self {
            version: "",
            categories: BTreeMap::new(),
            classes: BTreeMap::new(),
            objects: BTreeMap::new(),
            types: BTreeMap::new(),
            profiles: BTreeMap::new(),
            observables: Lazy::new("{}"),
        };
        let mut section = "";
        for line in text.lines() {
            let Some((name, value)) = line.trim_end_matches(',').split_once(':') else { continue };
            let name = name.trim_matches('"');
            match (section, value) {
                (_, "{") => section = name,
                ("categories", text) => drop(schema.categories.insert(name, Lazy::new(text))),
                ("classes", text) => drop(schema.classes.insert(name, Lazy::new(text))),
                ("objects", text) => drop(schema.objects.insert(name, Lazy::new(text))),
                ("types", text) if name.ends_with("_t") => drop(schema.types.insert(name, Lazy::new(text))),
                ("types", text) if name == "version" => schema.version = text.trim_matches('"'),
                ("profiles", text) => drop(schema.profiles.insert(name, Lazy::new(text))),
                ("observables", text) if name == "type_ids" => schema.observables = Lazy::new(text),
                _ => {}
            }
        }
        schema
    }
}

impl Item {
    /// Whether anything may be in it.
    pub fn is_open(&self) -> bool {
        self.attributes.is_empty()
    }
}

impl Attribute {
    /// Whether it exists in an event of these profiles.
    pub fn is_in<S: AsRef<str>>(&self, profiles: &[S]) -> bool {
        self.profiles.is_empty()
            || self.profiles.iter().any(|profile| profiles.iter().any(|of| of.as_ref() == profile.as_str()))
    }

    /// The text of an id.
    pub fn caption_of(&self, id: i64) -> Option<&str> {
        self.values.get(&id.to_string()).map(String::as_str)
    }
}

/// A line that is parsed when it is first looked at.
#[derive(Debug)]
struct Lazy<T> {
    text: &'static str,
    parsed: OnceLock<T>,
}

impl<T: for<'de> Deserialize<'de>> Lazy<T> {
    fn new(text: &'static str) -> Self {
        Self { text, parsed: OnceLock::new() }
    }

    #[expect(clippy::expect_used, reason = "the text is compiled in, and a test reads all of it")]
    fn get(&self) -> &T {
        self.parsed.get_or_init(|| serde_json::from_str(self.text).expect("the schema is well-formed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_file_is_read() {
        let schema = Schema::get();
        assert_eq!(schema.version(), "1.8.0");
        assert_eq!((schema.classes.len(), schema.objects.len(), schema.types.len()), (83, 178, 24));
        assert_eq!((schema.profiles().count(), schema.categories.len()), (14, 8));
        let items = schema.classes.values().chain(schema.objects.values());
        let attributes = items.flat_map(|item| item.get().attributes.values());
        let known = |kind: &str| schema.object(kind).is_some() || schema.scalar(kind).is_some();
        assert_eq!(attributes.filter(|attribute| known(&attribute.kind)).count(), 7_203);
        assert_eq!(schema.class_name(3002), Some("authentication"));
        assert_eq!(schema.class("authentication").expect("class").category_name, "Identity & Access Management");
        assert_eq!(schema.category("iam"), Some("Identity & Access Management"));
        assert_eq!(schema.observable(2), Some("IP Address"));
    }
}
