//! Completing rows: what follows from a row's class and ids is filled in, and its columns get the schema's types.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder, StructArray,
    TimestampMicrosecondArray, UInt32Array, new_null_array,
};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{cast, is_not_null, take};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Int64Type, Schema as ArrowSchema, SchemaRef};
use arrow::error::ArrowError;

use millpond_core::source::Ocsf;

use crate::conform::{conform, united_fields};
use crate::observables::Observables;
use crate::schema::{Attribute, Item, Schema};
use crate::shape::{Problem, Shaper, time_type};

/// Severity of what says nothing of it: logs tell of what happened, and not of something wrong.
const INFORMATIONAL: i64 = 1;
/// The columns that are filled in, in the order in which they stand first in a row.
const FIRST: [&str; 12] = [
    "time",
    "class_uid",
    "class_name",
    "category_uid",
    "category_name",
    "activity_id",
    "activity_name",
    "type_uid",
    "type_name",
    "severity_id",
    "severity",
    "metadata",
];
const OBSERVABLES: &str = "observables";

/// Completes the rows of one source.
#[derive(Debug)]
pub struct Completer {
    classes: Vec<Class>,
    completed: SchemaRef,
    /// Index in the given schema and type of the columns that were given.
    shaped: BTreeMap<String, (usize, DataType)>,
    /// Texts of ids: column of the text, and column of the id.
    captions: Vec<(String, String)>,
    profiles: Vec<ProfileColumns>,
    vendor: String,
    product: String,
    observables: Observables,
}

/// A class of the source.
#[derive(Debug)]
struct Class {
    name: String,
    item: &'static Item,
}

/// A profile, and the columns that exist by it alone.
#[derive(Debug)]
struct ProfileColumns {
    name: String,
    columns: Vec<String>,
    /// The classes that have it.
    classes: Vec<i64>,
}

impl Completer {
    /// Plans how rows with the columns of `given` are completed.
    ///
    /// # Errors
    /// Every column that no class of the source has, or that has another type there.
    pub fn new(source: &Ocsf, given: &SchemaRef) -> Result<Self, Vec<Problem>> {
        let schema = Schema::get();
        let mut shaper = Shaper { schema, profiles: &source.profiles, problems: Vec::new(), column: String::new() };
        let classes = known_classes(&mut shaper, source);
        if classes.is_empty() {
            return Err(shaper.problems);
        }
        let mut shaped = shape_columns(&mut shaper, &classes, given);
        let captions = caption_columns(&classes, &shaped);
        let profiles = profile_columns(source, &classes, &shaped);
        let metadata = metadata_type(shaped.get("metadata").map(|(_, kind)| kind));
        check_needed(&mut shaper, &classes, &shaped);
        if !shaper.problems.is_empty() {
            return Err(shaper.problems);
        }
        if let Some((_, kind)) = shaped.get_mut("metadata") {
            kind.clone_from(&metadata);
        }
        let observables =
            Observables::new(schema, &classes.iter().map(|class| class.item).collect::<Vec<_>>(), &shaped);
        let completed = completed_schema(given, &shaped, &captions, metadata);
        let (vendor, product) = (source.vendor.clone(), source.product.clone());
        Ok(Self { classes, completed, shaped, captions, profiles, vendor, product, observables })
    }

    /// The columns of completed rows: those that every row has first, then the source's own in its order, then
    /// `observables`.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.completed)
    }

    /// Completes rows of a file that was written at `modified_us`, microseconds since 1970: the `time` of rows that have
    /// none of their own, as every event has to have one.
    ///
    /// # Errors
    /// When the rows have other columns than were planned for.
    pub fn complete(&self, batch: &RecordBatch, modified_us: i64) -> Result<RecordBatch, ArrowError> {
        let mut columns = BTreeMap::new();
        for (name, (index, kind)) in &self.shaped {
            columns.insert(name.as_str(), conform(batch.column(*index), kind)?);
        }
        if let Some(time) = columns.get_mut("time").filter(|time| time.null_count() > 0) {
            let written = TimestampMicrosecondArray::from_value(modified_us, batch.num_rows());
            *time = filled(Some(&*time), cast(&written, time.data_type())?)?;
        }
        let ids = self.ids(&columns, batch.num_rows());
        for (name, values) in [
            ("class_uid", &ids.class),
            ("category_uid", &ids.category),
            ("activity_id", &ids.activity),
            ("type_uid", &ids.kind),
            ("severity_id", &ids.severity),
        ] {
            columns.insert(name, Arc::new(values.clone()));
        }
        for (text, id) in &self.captions {
            let told = self.caption_texts(id, &ids, columns.get(id.as_str()));
            let filled = filled(columns.get(text.as_str()), Arc::new(told))?;
            columns.insert(text, filled);
        }
        columns.insert("class_name", Arc::new(self.class_texts(&ids.class, |class| &class.item.caption)));
        columns.insert("category_name", Arc::new(self.class_texts(&ids.class, |class| &class.item.category_name)));
        let metadata = self.metadata(&columns, &ids, batch.num_rows())?;
        columns.insert("metadata", metadata);
        columns.insert(OBSERVABLES, self.observables.gather(&columns, batch.num_rows())?);
        let ordered = self.completed.fields().iter().map(|field| match columns.remove(field.name().as_str()) {
            Some(column) => Ok(column),
            None => batch.column_by_name(field.name()).cloned().ok_or_else(|| missing(field)),
        });
        RecordBatch::try_new(self.schema(), ordered.collect::<Result<_, _>>()?)
    }

    fn class(&self, uid: i64) -> Option<&Class> {
        self.classes.iter().find(|class| class.item.uid == uid)
    }

    fn ids(&self, columns: &BTreeMap<&str, ArrayRef>, rows: usize) -> Ids {
        let given = |name: &str| columns.get(name).map(|column| column.as_primitive::<Int64Type>().clone());
        let or = |name: &str, other: i64| match given(name) {
            Some(ids) if ids.null_count() == 0 => ids,
            Some(ids) => ids.iter().map(|id| Some(id.unwrap_or(other))).collect(),
            None => Int64Array::from_value(other, rows),
        };
        let class = or("class_uid", self.classes.first().map_or(0, |class| class.item.uid));
        let activity = or("activity_id", 0);
        let categories = class.iter().map(|uid| self.class(uid?).map(|class| class.item.category_uid));
        let category = categories.collect();
        let kind = arrow::compute::binary(&class, &activity, |class, activity| class * 100 + activity);
        let kind = kind.unwrap_or_else(|_| Int64Array::new_null(rows));
        Ids { class, activity, category, kind, severity: or("severity_id", INFORMATIONAL) }
    }

    /// The texts of an id's values, by class.
    fn caption_texts(&self, id: &str, ids: &Ids, values: Option<&ArrayRef>) -> StringArray {
        let Some(values) = values else { return StringArray::new_null(ids.class.len()) };
        let values = values.as_primitive::<Int64Type>();
        let mut told = Told::default();
        let chosen = ids.class.iter().zip(values).map(|(class, value)| {
            let (class, value) = (class?, value?);
            told.index((class, value), || {
                let attribute = self.class(class)?.item.attributes.get(id)?;
                // What "other" stands for is only known to whoever wrote the row.
                attribute.caption_of(value)
            })
        });
        let chosen: UInt32Array = chosen.collect();
        told.take(&chosen)
    }

    fn class_texts(&self, classes: &Int64Array, text: fn(&Class) -> &str) -> StringArray {
        let mut told = Told::default();
        let chosen: UInt32Array =
            classes.iter().map(|uid| told.index((uid?, 0), || self.class(uid?).map(text))).collect();
        told.take(&chosen)
    }

    /// The given metadata with version, product and profiles.
    fn metadata(&self, columns: &BTreeMap<&str, ArrayRef>, ids: &Ids, rows: usize) -> Result<ArrayRef, ArrowError> {
        let DataType::Struct(fields) = self.completed.field_with_name("metadata")?.data_type().clone() else {
            return Err(ArrowError::SchemaError("`metadata` is no object".to_owned()));
        };
        let given = columns.get("metadata").map(|metadata| metadata.as_struct());
        let of = |name: &str| given.and_then(|given| given.column_by_name(name));
        let mut all = Vec::with_capacity(fields.len());
        for field in &fields {
            all.push(match field.name().as_str() {
                "version" => filled(of("version"), repeated(Schema::get().version(), rows))?,
                "product" => self.product(of("product"), field, rows)?,
                "profiles" => filled(of("profiles"), self.used_profiles(columns, ids, rows))?,
                name => of(name).cloned().unwrap_or_else(|| new_null_array(field.data_type(), rows)),
            });
        }
        Ok(Arc::new(StructArray::try_new_with_length(fields, all, None, rows)?))
    }

    /// The given product where it has a name; else the source's.
    fn product(&self, given: Option<&ArrayRef>, field: &Field, rows: usize) -> Result<ArrayRef, ArrowError> {
        let DataType::Struct(fields) = field.data_type() else {
            return Err(ArrowError::SchemaError("`metadata.product` is no object".to_owned()));
        };
        let own = fields.iter().map(|field| match field.name().as_str() {
            "name" => repeated(&self.product, rows),
            "vendor_name" => repeated(&self.vendor, rows),
            _ => new_null_array(field.data_type(), rows),
        });
        let own: ArrayRef = Arc::new(StructArray::try_new(fields.clone(), own.collect(), None)?);
        filled(given, own)
    }

    /// The profiles that each row uses: those of its class of which it has something.
    fn used_profiles(&self, columns: &BTreeMap<&str, ArrayRef>, ids: &Ids, rows: usize) -> ArrayRef {
        let mut lists = ListBuilder::new(StringBuilder::new());
        for row in 0..rows {
            let class = ids.class.value(row);
            let mut has_any = false;
            for profile in self.profiles.iter().filter(|profile| profile.is_used(columns, class, row)) {
                lists.values().append_value(&profile.name);
                has_any = true;
            }
            lists.append(has_any);
        }
        Arc::new(lists.finish())
    }
}

impl ProfileColumns {
    fn is_used(&self, columns: &BTreeMap<&str, ArrayRef>, class: i64, row: usize) -> bool {
        let has = |name: &String| columns.get(name.as_str()).is_some_and(|column| column.is_valid(row));
        self.classes.contains(&class) && (self.columns.is_empty() || self.columns.iter().any(has))
    }
}

/// The ids of rows.
struct Ids {
    class: Int64Array,
    activity: Int64Array,
    category: Int64Array,
    kind: Int64Array,
    severity: Int64Array,
}

/// The few texts that a column of many rows consists of.
#[derive(Default)]
struct Told<'a> {
    keys: Vec<((i64, i64), Option<u32>)>,
    texts: Vec<&'a str>,
}

impl<'a> Told<'a> {
    /// The place of a key's text, which is looked for once.
    fn index(&mut self, key: (i64, i64), text: impl FnOnce() -> Option<&'a str>) -> Option<u32> {
        if let Some((_, index)) = self.keys.iter().find(|(known, _)| *known == key) {
            return *index;
        }
        let index = text().map(|text| {
            self.texts.push(text);
            (self.texts.len() - 1) as u32
        });
        self.keys.push((key, index));
        index
    }

    fn take(&self, chosen: &UInt32Array) -> StringArray {
        let texts = StringArray::from(self.texts.clone());
        let taken = take(&texts, chosen, None).map(|taken| taken.as_string::<i32>().clone());
        taken.unwrap_or_else(|_| StringArray::new_null(chosen.len()))
    }
}

/// The source's classes; a name that is none, and a profile that is none, is a problem.
fn known_classes(shaper: &mut Shaper<'_>, source: &Ocsf) -> Vec<Class> {
    let mut classes = Vec::new();
    for name in &source.classes {
        match shaper.schema.class(name) {
            Some(item) => classes.push(Class { name: name.clone(), item }),
            None => shaper.wrong_name("class", name, shaper.schema.class_names()),
        }
    }
    for name in &source.profiles {
        if !shaper.schema.profiles().any(|known| known == name) {
            shaper.wrong_name("profile", name, shaper.schema.profiles());
        }
    }
    classes
}

fn shape_columns(shaper: &mut Shaper<'_>, classes: &[Class], given: &SchemaRef) -> BTreeMap<String, (usize, DataType)> {
    let items: Vec<&Item> = classes.iter().map(|class| class.item).collect();
    let mut shaped = BTreeMap::new();
    for (index, field) in given.fields().iter().enumerate().filter(|(_, field)| !field.name().starts_with('_')) {
        let name = field.name();
        shaper.column.clone_from(name);
        if name == OBSERVABLES {
            shaper.wrong("`observables` is gathered from the other columns".to_owned(), Some("leave it out"));
            continue;
        }
        let attributes = shaper.attributes(name, name, &items);
        shaped.insert(name.clone(), (index, shaper.shape(name, field.data_type(), &attributes)));
    }
    shaped
}

/// The texts of ids that are filled in: of those that every row has, and of those that were given.
fn caption_columns(classes: &[Class], shaped: &BTreeMap<String, (usize, DataType)>) -> Vec<(String, String)> {
    let mut captions = BTreeMap::new();
    for (id, attribute) in classes.iter().flat_map(|class| &class.item.attributes) {
        let is_there = shaped.contains_key(id) || ["activity_id", "type_uid", "severity_id"].contains(&id.as_str());
        let is_filled_otherwise = ["class_uid", "category_uid"].contains(&id.as_str());
        if let (Some(sibling), true, false, false) =
            (&attribute.sibling, is_there, is_filled_otherwise, attribute.is_array)
        {
            captions.insert(sibling.clone(), id.clone());
        }
    }
    captions.into_iter().collect()
}

fn profile_columns(
    source: &Ocsf,
    classes: &[Class],
    shaped: &BTreeMap<String, (usize, DataType)>,
) -> Vec<ProfileColumns> {
    let by_profile = |profile: &String, attribute: &&Attribute| attribute.profiles.contains(profile);
    let profiles = source.profiles.iter().map(|profile| ProfileColumns {
        name: profile.clone(),
        columns: shaped
            .keys()
            .filter(|column| {
                let mut named = classes.iter().filter_map(|class| class.item.attributes.get(*column));
                named.any(|attribute| by_profile(profile, &attribute))
            })
            .cloned()
            .collect(),
        classes: classes
            .iter()
            .filter(|class| class.item.profiles.contains(profile))
            .map(|class| class.item.uid)
            .collect(),
    });
    profiles.collect()
}

/// What no row can do without.
fn check_needed(shaper: &mut Shaper<'_>, classes: &[Class], shaped: &BTreeMap<String, (usize, DataType)>) {
    shaper.column = String::new();
    if !shaped.contains_key("time") {
        shaper.wrong(
            "there is no column `time`, which every OCSF event has".to_owned(),
            Some("give the event's time as a timestamp"),
        );
    }
    if !shaped.contains_key("activity_id") {
        let names: Vec<&str> = classes.iter().map(|class| class.name.as_str()).collect();
        let hint = format!("its values are those of `activity_id` of {}; 0 is unknown, 99 other", names.join(", "));
        shaper.wrong("there is no column `activity_id`, which every OCSF event has".to_owned(), Some(&hint));
    }
    if classes.len() > 1 && !shaped.contains_key("class_uid") {
        let uids: Vec<String> = classes.iter().map(|class| format!("{} ({})", class.item.uid, class.name)).collect();
        let hint = format!("give {}", uids.join(" or "));
        shaper.wrong("there is no column `class_uid`, and the source has several classes".to_owned(), Some(&hint));
    }
}

fn text_field(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

/// The given metadata's type with what is filled in.
fn metadata_type(given: Option<&DataType>) -> DataType {
    let product = DataType::Struct([text_field("name"), text_field("vendor_name")].into_iter().collect());
    let profiles = DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)));
    let own: Fields =
        [text_field("version"), Field::new("product", product, true), Field::new("profiles", profiles, true)]
            .into_iter()
            .collect();
    match given {
        Some(DataType::Struct(fields)) => DataType::Struct(united_fields(&own, fields)),
        _ => DataType::Struct(own),
    }
}

fn completed_schema(
    given: &SchemaRef,
    shaped: &BTreeMap<String, (usize, DataType)>,
    captions: &[(String, String)],
    metadata: DataType,
) -> SchemaRef {
    let kind = |name: &str| match name {
        "time" => time_type(),
        "class_uid" | "category_uid" | "activity_id" | "type_uid" | "severity_id" => DataType::Int64,
        "metadata" => metadata.clone(),
        _ => DataType::Utf8,
    };
    let mut fields: Vec<FieldRef> = FIRST.iter().map(|name| Arc::new(Field::new(*name, kind(name), true))).collect();
    let is_own = |name: &str| !FIRST.contains(&name);
    for field in given.fields().iter().filter(|field| is_own(field.name()) && !field.name().starts_with('_')) {
        let kind = shaped.get(field.name()).map_or_else(|| field.data_type().clone(), |(_, kind)| kind.clone());
        let text = captions.iter().find(|(_, id)| id == field.name()).map(|(text, _)| text);
        fields.push(Arc::new(Field::new(field.name(), kind, true)));
        // The text of an id stands beside it.
        fields.extend(text.filter(|text| !shaped.contains_key(*text)).map(|text| Arc::new(text_field(text))));
    }
    fields.push(Arc::new(Field::new(OBSERVABLES, Observables::data_type(), true)));
    fields.extend(given.fields().iter().filter(|field| field.name().starts_with('_')).cloned());
    Arc::new(ArrowSchema::new(fields))
}

fn repeated(text: &str, rows: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows)))
}

/// The given values, and others where they are NULL.
fn filled(given: Option<&ArrayRef>, others: ArrayRef) -> Result<ArrayRef, ArrowError> {
    match given {
        None => Ok(others),
        Some(given) if given.null_count() == 0 => Ok(Arc::clone(given)),
        Some(given) => zip(&is_not_null(given)?, given, &others),
    }
}

fn missing(field: &FieldRef) -> ArrowError {
    ArrowError::SchemaError(format!("the rows have no column `{}`", field.name()))
}
