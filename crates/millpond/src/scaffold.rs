//! Scaffold: a new source from a sample, with a test that passes: `source.toml`, `transform.sql`, `README.md` and the first
//! records of the sample as its test's input.

use std::io::Read;

use millpond_core::format::{DecodeLimits, Delimited, Format, Header};
use millpond_core::recognize::{Pattern, RECORDS_LOOKED_AT, Recognizer, Record};
use millpond_core::units::nearest;
use millpond_core::{Error, Result};
use millpond_engine::decode::learn::{Learned, learn};
use millpond_engine::decode::sample::{Asked, Sample, SampledRecord, sample};
use millpond_ocsf::Schema;
use millpond_ocsf::schema::{Item, Requirement};
use serde_json::{Map, Value, json};

use crate::learn::{about_rows, config, sql_name, time_column, toml_key, toml_text, transform};

/// Records of the sample that become the test's input.
const TEST_RECORDS: usize = 5;
/// Fields that a source is recognised by.
const FIELDS_MIN: usize = 3;
const FIELDS_MAX: usize = 6;
/// Lines in which the header of a text is looked for.
const HEADER_LINES_MAX: usize = 200;
/// Fields that many kinds of logs have: they come last among those that a source is recognised by.
const COMMON_FIELDS: [&str; 20] = [
    "@timestamp",
    "_time",
    "action",
    "date",
    "event",
    "host",
    "hostname",
    "id",
    "level",
    "message",
    "msg",
    "name",
    "severity",
    "source",
    "status",
    "time",
    "timestamp",
    "ts",
    "type",
    "user",
];
/// Fields of formats whose records all have the same ones: what is the same in all of a sample's records tells the source.
const TELLING_FIELDS: [(&str, &[&str]); 5] = [
    ("syslog", &["appname"]),
    ("cef", &["device_vendor", "device_product"]),
    ("leef", &["vendor", "product"]),
    ("evtx", &["Channel"]),
    ("winxml", &["Channel"]),
];

/// Attributes that are filled in, or that the scaffold gives.
const FILLED_IN: [&str; 13] = [
    "activity_id",
    "category_uid",
    "class_uid",
    "metadata",
    "observables",
    "severity_id",
    "status",
    "time",
    "timezone_offset",
    "type_uid",
    "unmapped",
    "message",
    "status_code",
];

/// The files of a new source, by their paths below its folder.
pub type Files = Vec<(String, String)>;

/// Makes a source called `name` of a sample, whose rows are events of the class `ocsf` if one is named. `open` opens the
/// sample, any number of times.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) for a name that no source can have,
/// [`Kind::BadInput`](millpond_core::Kind::BadInput) for a sample without records.
pub fn scaffold(
    name: &str,
    file: &str,
    ocsf: Option<&str>,
    open: &dyn Fn() -> Result<Box<dyn Read + Send>>,
) -> Result<Files> {
    check_name(name)?;
    let class = ocsf.map(class).transpose()?;
    let mut learned = learn(vec![(file.to_owned(), open()?)], DecodeLimits::default())?;
    let whole = Asked { text_bytes_max: usize::MAX, ..Asked::first(RECORDS_LOOKED_AT) };
    let sample = sample(open()?, file, &whole)?;
    if sample.records.iter().all(|record| record.is_refused) {
        return Err(Error::bad_input(format!("no record of `{file}` can be read")));
    }
    let (ending, input) = input(&learned.format, &sample, file, open)?;
    if !learned.format.is_text() {
        // Tests are texts, which people can read and change; the same columns are read from either.
        learned.format = Format::Auto;
    }
    // A folder of the input: a wildcard before it would meet those of other sources that are as long.
    let glob = format!("{name}/**");
    let (about_rows, transform) = match class {
        Some((class, item)) => (about_events(name, class), transform_to_events(class, item, &learned)),
        None => (about_rows(&learned.columns), transform_of(&learned)),
    };
    Ok(vec![
        ("source.toml".to_owned(), config(name, &learned, &about_rows, &glob, &recognizer(&sample))),
        ("transform.sql".to_owned(), transform),
        ("README.md".to_owned(), readme(name, &learned, &sample)),
        (format!("tests/sample/input.{ending}"), input),
    ])
}

/// A source's name is also its table's.
fn check_name(name: &str) -> Result<()> {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(is_word) {
        return Ok(());
    }
    Err(Error::bad_config(format!("`{name}` is no name for a source"))
        .hint("use lower case letters, digits and `-`, and start with a letter: `vendor-product`"))
}

/// Every learned column, and what nobody has learned of.
fn transform_of(learned: &Learned) -> String {
    let select = transform(&learned.columns, &[("_rest", "unmapped")]);
    format!("-- One row per record. What a record has beyond the declared columns is in `unmapped`, as JSON.\n{select}")
}

/// A class of OCSF, by its name.
fn class(name: &str) -> Result<(&str, &'static Item)> {
    let schema = Schema::get();
    schema.class(name).map(|class| (name, class)).ok_or_else(|| {
        let error = Error::bad_config(format!("`{name}` is no class of OCSF"));
        match nearest(name, schema.class_names()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("its classes are those of schema.ocsf.io, such as `authentication`, or `base_event`"),
        }
    })
}

/// `[ocsf]`, with the maker and the product as the source's name has them.
fn about_events(name: &str, class: &str) -> String {
    let titled = |word: &str| word[..1].to_uppercase() + &word[1..];
    let words: Vec<String> = name.split('-').filter(|word| !word.is_empty()).map(titled).collect();
    let (vendor, product) = words.split_first().map_or((name, String::new()), |(first, rest)| (first, rest.join(" ")));
    let product = if product.is_empty() { vendor.to_owned() } else { product };
    format!("\n[ocsf]\nclasses = [\"{class}\"]\nvendor = \"{vendor}\"\nproduct = \"{product}\"\n")
}

/// An event of each record that says when it was, and what else the class asks for.
fn transform_to_events(class: &str, item: &Item, learned: &Learned) -> String {
    let wanted = |requirement: Requirement| {
        let attributes = item.attributes.iter().filter(|(name, attribute)| {
            attribute.requirement == requirement && attribute.profiles.is_empty() && !FILLED_IN.contains(&name.as_str())
        });
        let names: Vec<&str> = attributes.map(|(name, _)| name.as_str()).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    let time =
        time_column(&learned.columns).map_or("cast(null as timestamp)".to_owned(), |column| sql_name(&column.name));
    let time = if time == "time" { time } else { format!("{time} as time") };
    format!(
        "-- One event of the class `{class}` per record. `unmapped` holds the fields that nothing here names, as JSON.\n\
         -- Besides what is filled in behind this SQL the class requires: {}.\n-- It recommends: {}.\n\
         select\n    {time},\n    0 as activity_id,\n    _rest as unmapped,\n    _file,\n    _row\nfrom input\n",
        wanted(Requirement::Required),
        wanted(Requirement::Recommended),
    )
}

/// The first records in the format of the sample, with its header, and the ending that says what they are.
fn input(
    format: &Format,
    sample: &Sample,
    file: &str,
    open: &dyn Fn() -> Result<Box<dyn Read + Send>>,
) -> Result<(&'static str, String)> {
    let records: Vec<&SampledRecord> = sample.records.iter().filter(|record| !record.is_refused).collect();
    let records = &records[..records.len().min(TEST_RECORDS)];
    let lines = || records.iter().map(|record| format!("{}\n", record.raw.trim_end_matches(['\r', '\n']))).collect();
    Ok(match format {
        Format::Json { records: paths } => ("json", documents(paths.first(), records)),
        Format::Parquet | Format::Arrow | Format::Avro | Format::Orc => ("json", documents(None, records)),
        Format::Evtx | Format::WindowsXml => ("xml", lines()),
        Format::Delimited(dialect) => ("csv", header(dialect, records, file, open)? + &lines()),
        Format::Zeek => ("log", leading_lines(records, file, open)? + &lines()),
        _ => ("log", lines()),
    })
}

/// JSON lines, or one document where the records lie below a path.
fn documents(path: Option<&Vec<String>>, records: &[&SampledRecord]) -> String {
    let records = records.iter().map(|record| without_nulls(&record.fields));
    match path {
        None => records.map(|record| format!("{record}\n")).collect(),
        Some(path) => {
            let list = Value::Array(records.collect());
            let whole = path.iter().rev().fold(list, |below, name| json!({ name.as_str(): below }));
            format!("{whole:#}\n")
        }
    }
}

/// An object without its NULLs at the top: columns of a header that a record has no value of.
fn without_nulls(fields: &Map<String, Value>) -> Value {
    fields.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What stands before the first record, for a dialect that needs it.
fn header(
    dialect: &Delimited,
    records: &[&SampledRecord],
    file: &str,
    open: &dyn Fn() -> Result<Box<dyn Read + Send>>,
) -> Result<String> {
    match dialect.header {
        Header::Names(_) if dialect.skip == 0 => Ok(String::new()),
        _ => leading_lines(records, file, open),
    }
}

/// The lines of a text before its first record.
fn leading_lines(
    records: &[&SampledRecord],
    file: &str,
    open: &dyn Fn() -> Result<Box<dyn Read + Send>>,
) -> Result<String> {
    let asked =
        Asked { format: Format::Lines { start: None }, records_max: HEADER_LINES_MAX, text_bytes_max: usize::MAX };
    let lines = sample(open()?, file, &asked)?.records;
    let first = records.first().and_then(|record| record.raw.lines().next()).unwrap_or_default();
    let leading = lines.iter().take_while(|line| line.raw.trim_end_matches('\r') != first.trim_end_matches('\r'));
    Ok(leading.map(|line| format!("{}\n", line.raw.trim_end_matches('\r'))).collect())
}

/// `[[recognize]]`: fields that are in every record, those first that few others have; a comment where none tell.
fn recognizer(sample: &Sample) -> String {
    let records: Vec<&SampledRecord> = sample.records.iter().filter(|record| !record.is_refused).collect();
    let telling = TELLING_FIELDS.iter().find(|(format, _)| *format == sample.format);
    let conditions = match telling {
        Some((_, fields)) => same_values(fields, &records),
        None => common_fields(&records),
    };
    match conditions {
        Some(conditions) => format!("[[recognize]]\nformat = {}\n{conditions}\n\n", toml_text(sample.format)),
        None => "# No `[[recognize]]`: nothing that all records share tells them from others.\n\n".to_owned(),
    }
}

/// Names, and those in objects below them, that all records have.
fn common_fields(records: &[&SampledRecord]) -> Option<String> {
    let first = records.first()?;
    let is_own = |path: &String| !path.starts_with("column") && path != "line";
    let mut fields: Vec<String> = paths(&first.fields).into_iter().filter(is_own).collect();
    fields.retain(|path| {
        let asked = Recognizer { fields: vec![path.clone()], ..Recognizer::default() };
        records.iter().all(|record| asked.takes(&Record { fields: &record.fields, raw: &record.raw }))
    });
    let is_common = |path: &String| COMMON_FIELDS.contains(&path.to_lowercase().as_str());
    fields.sort_by_key(|path| (path.contains('.'), is_common(path)));
    fields.truncate(FIELDS_MAX);
    let list: Vec<String> = fields.iter().map(|name| toml_text(name)).collect();
    (fields.len() >= FIELDS_MIN).then(|| format!("fields = [{}]", list.join(", ")))
}

/// The names of an object, and of the objects in it.
fn paths(fields: &Map<String, Value>) -> Vec<String> {
    let below = |(name, value): (&String, &Value)| {
        let names = value.as_object().into_iter().flat_map(Map::keys).map(|inner| format!("{name}.{inner}"));
        std::iter::once(name.clone()).chain(names).collect::<Vec<_>>()
    };
    fields.iter().flat_map(below).collect()
}

fn same_values(fields: &[&str], records: &[&SampledRecord]) -> Option<String> {
    let same = |field: &&str| -> Option<String> {
        let value = records.first()?.fields.get(*field)?.as_str()?;
        let is_same = records.iter().all(|record| record.fields.get(*field).and_then(Value::as_str) == Some(value));
        let pattern = toml_text(&Pattern::exactly(value));
        is_same.then(|| format!("{} = {pattern}", toml_key(field)))
    };
    let values: Vec<String> = fields.iter().filter_map(same).collect();
    (!values.is_empty()).then(|| format!("values = {{ {} }}", values.join(", ")))
}

fn readme(name: &str, learned: &Learned, sample: &Sample) -> String {
    let record = sample.records.iter().find(|record| !record.is_refused);
    let shape = record.map(|record| names(&record.fields)).unwrap_or_default();
    format!(
        "# {name}\n\nWhat writes these records, with a link to its reference.\n\n\
         > `tests/sample/input.*` holds the first records of a sample as they were written. Before anybody else sees them,\n\
         > put made-up names, addresses, accounts and keys in their place, and run `millpond test {name} --update`.\n\n\
         ## Delivery\n\nHow files get into a bucket, and the layout of their keys that `[[match]]` expects.\n\n\
         ## A record\n\nRead as `{}`: {}. Its fields: {shape}.\n\n\
         ## Columns\n\n| column | from | meaning |\n|---|---|---|\n| `unmapped` | | fields that are not declared, as JSON |\n\n\
         ## Signals\n\nNone yet: a file `signals/NAME.sql` for each.\n",
        learned.format.name(),
        learned.why,
    )
}

fn names(fields: &Map<String, Value>) -> String {
    fields.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn made(text: &str) -> Files {
        let text = text.to_owned();
        let open = || Ok(Box::new(Cursor::new(text.clone().into_bytes())) as Box<dyn Read + Send>);
        scaffold("my-app", "x", None, &open).expect("a source")
    }

    fn file<'a>(files: &'a Files, path: &str) -> &'a str {
        let found = files.iter().find(|(name, _)| name.starts_with(path));
        found.map(|(_, text)| text.as_str()).unwrap_or_else(|| panic!("{path}"))
    }

    #[test]
    fn fields_of_every_record_tell_the_source() {
        let files = made(
            "{\"time\":1,\"door\":\"a\",\"badge\":{\"id\":1},\"gone\":1}\n{\"time\":2,\"door\":\"b\",\"badge\":null}\nno\n",
        );
        let config = file(&files, "source.toml");
        assert!(
            config.contains("[[recognize]]\nformat = \"json\"\nfields = [\"door\", \"badge\", \"time\"]\n"),
            "{config}"
        );
        assert_eq!(file(&files, "tests/sample/input.json").lines().count(), 2);
    }

    #[test]
    fn records_below_a_path_stay_there() {
        let files = made("{\"Records\":[{\"a\":1,\"b\":2,\"c\":3},{\"a\":4,\"b\":5,\"c\":6}]}");
        let input: Value = serde_json::from_str(file(&files, "tests/sample/input.json")).expect("JSON");
        assert_eq!(input, json!({"Records": [{"a": 1, "b": 2, "c": 3}, {"a": 4, "b": 5, "c": 6}]}));
    }

    #[test]
    fn a_header_goes_with_its_records() {
        let rows: String = (0..9).map(|n| format!("u{n},\"x, {n}\",{n}\n")).collect();
        let files = made(&format!("user,place,count\n{rows}"));
        let input = file(&files, "tests/sample/input.csv");
        assert!(input.starts_with("user,place,count\nu0,\"x, 0\",0\n"), "{input}");
        assert_eq!(input.lines().count(), 6);
        let files = made("#Software: x\n#Fields: date time c-ip\n2026-01-01 10:00:00 192.0.2.1\n");
        assert_eq!(file(&files, "tests/sample/input.csv").lines().count(), 3);
    }

    #[test]
    fn the_same_program_tells_a_syslog_source() {
        let line =
            |n: u32| format!("<38>Jan  2 03:04:0{n} host.example sshd[1{n}]: Connection closed by 192.0.2.{n}\n");
        let text: String = (0..5).map(line).collect();
        let files = made(&text);
        assert!(file(&files, "source.toml").contains("values = { appname = \"^sshd$\" }\n"), "{}", files[0].1);
        assert_eq!(file(&files, "tests/sample/input.log"), text);
    }

    #[test]
    fn names_are_those_of_tables() {
        let open = || Ok(Box::new(Cursor::new(b"{}\n".to_vec())) as Box<dyn Read + Send>);
        for name in ["", "My-App", "a_b", "1a", "a/b"] {
            let error = scaffold(name, "x", None, &open).expect_err(name);
            assert!(error.chain().contains("is no name for a source"), "{error:?}");
        }
    }
}
