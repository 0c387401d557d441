//! Proposing a source from samples: `source.toml` and a first transform.

use millpond_core::columns::{Column, ColumnType, TimeFormat};
use millpond_core::format::{Delimited, Format, Header, Payload};
use millpond_engine::decode::learn::Learned;

/// A proposed source, ready to be written into `sources/<name>/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// `source.toml`.
    pub config: String,
    /// `transform.sql`.
    pub transform: String,
}

/// Words that SQL reserves: as column names they stand in quotes.
const RESERVED: [&str; 24] = [
    "all", "and", "any", "as", "between", "by", "case", "desc", "end", "from", "group", "in", "is", "limit", "not",
    "on", "or", "order", "select", "table", "to", "union", "user", "where",
];

/// Writes down what was learned of a source called `name`.
pub fn propose(name: &str, learned: &Learned) -> Proposal {
    Proposal {
        config: config(name, learned, &about_rows(&learned.columns), &format!("**/{name}/**"), ""),
        transform: transform(&learned.columns, &[]),
    }
}

/// `source.toml`: what it says of its rows, one match, and `recognize` behind it.
pub(crate) fn config(name: &str, learned: &Learned, about_rows: &str, glob: &str, recognize: &str) -> String {
    let Learned { records, why, format, .. } = learned;
    let format = format_section(format);
    let mut text = format!(
        "# Learned from {records} records: {why}\nversion = 1\ndescription = \"{name}\"\n{about_rows}\n[[match]]\nglob = \"{glob}\"\n\n\
         {recognize}{format}\n[columns]\n"
    );
    for column in &learned.columns {
        text.push_str(&format!("{} = {}\n", toml_key(&column.name), toml_type(&column.kind)));
    }
    text
}

/// Which column of the rows is the event's time.
pub(crate) fn about_rows(columns: &[Column]) -> String {
    time_column(columns).map(|column| format!("time = \"{}\"\n", output_name(&column.name))).unwrap_or_default()
}

/// The first timestamp of a record is taken for the event's time.
pub(crate) fn time_column(columns: &[Column]) -> Option<&Column> {
    columns.iter().find(|column| matches!(column.kind, ColumnType::Timestamp(_)))
}

fn format_section(format: &Format) -> String {
    let mut text = format!("[format]\ntype = \"{}\"\n", format.name());
    match format {
        Format::Json { records } if !records.is_empty() => {
            let paths: Vec<String> = records.iter().map(|path| toml_text(&path.join("."))).collect();
            match &paths[..] {
                [path] => text.push_str(&format!("records = {path}\n")),
                paths => text.push_str(&format!("records = [{}]\n", paths.join(", "))),
            }
        }
        Format::Syslog { payload: Payload::Json, .. } => text.push_str("payload = \"json\"\n"),
        Format::Delimited(delimited) => text.push_str(&delimited_options(delimited)),
        Format::Syslog { payload: Payload::KeyValue, .. } => text.push_str("payload = \"kv\"\n"),
        Format::Regex { pattern, start } => text.push_str(&pattern_options(pattern, start.as_deref())),
        Format::Grok { pattern, definitions, start } => {
            text.push_str(&pattern_options(pattern, start.as_deref()));
            if !definitions.is_empty() {
                let named = |(name, pattern): &(String, String)| format!("{} = {}", toml_key(name), toml_text(pattern));
                let definitions: Vec<String> = definitions.iter().map(named).collect();
                text.push_str(&format!("patterns = {{ {} }}\n", definitions.join(", ")));
            }
        }
        Format::Lines { start: Some(start) } => text.push_str(&format!("start = {}\n", toml_text(start))),
        _ => {}
    }
    text
}

fn pattern_options(pattern: &str, start: Option<&str>) -> String {
    let start = start.map(|start| format!("start = {}\n", toml_text(start)));
    format!("pattern = {}\n{}", toml_text(pattern), start.unwrap_or_default())
}

/// The options in which a dialect differs from that of its name.
fn delimited_options(delimited: &Delimited) -> String {
    let usual = match delimited.delimiter {
        b'\t' => Delimited::tsv(),
        b' ' => Delimited::space(),
        _ => Delimited::csv(),
    };
    let byte = |byte: Option<u8>| toml_text(&byte.map(|byte| char::from(byte).to_string()).unwrap_or_default());
    let mut text = String::new();
    if delimited.delimiter != usual.delimiter {
        text.push_str(&format!("delimiter = {}\n", byte(Some(delimited.delimiter))));
    }
    if delimited.quote != usual.quote {
        text.push_str(&format!("quote = {}\n", byte(delimited.quote)));
    }
    if delimited.escape != usual.escape {
        text.push_str(&format!("escape = {}\n", byte(delimited.escape)));
    }
    if delimited.brackets != usual.brackets {
        text.push_str(&format!("brackets = {}\n", delimited.brackets));
    }
    if delimited.comment != usual.comment {
        text.push_str(&format!("comment = {}\n", byte(delimited.comment)));
    }
    if delimited.skip != usual.skip {
        text.push_str(&format!("skip = {}\n", delimited.skip));
    }
    if let Header::Names(names) = &delimited.header {
        let names: Vec<String> = names.iter().map(|name| toml_text(name)).collect();
        text.push_str(&format!("header = [{}]\n", names.join(", ")));
    }
    if delimited.null != usual.null {
        text.push_str(&format!("null = {}\n", toml_text(delimited.null.as_deref().unwrap_or_default())));
    }
    text
}

pub(crate) fn toml_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

pub(crate) fn toml_key(name: &str) -> String {
    let is_bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if is_bare { name.to_owned() } else { toml_text(name) }
}

fn toml_type(kind: &ColumnType) -> String {
    match kind {
        ColumnType::Struct(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|field| format!("{} = {}", toml_key(&field.name), toml_type(&field.kind))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        ColumnType::List(item) => format!("[{}]", toml_type(item)),
        ColumnType::Timestamp(TimeFormat::Pattern(_)) => toml_text(&kind.to_string()),
        // A map's type is one text, in which no object can be declared.
        ColumnType::Map(value) if has_struct(value) => "\"map(text)\"".to_owned(),
        other => format!("\"{other}\""),
    }
}

fn has_struct(kind: &ColumnType) -> bool {
    match kind {
        ColumnType::Struct(_) => true,
        ColumnType::List(item) | ColumnType::Map(item) => has_struct(item),
        _ => false,
    }
}

/// A first transform: every column under a name in snake case, and `more` behind them.
pub(crate) fn transform(columns: &[Column], more: &[(&str, &str)]) -> String {
    let mut taken: std::collections::BTreeSet<String> = more.iter().map(|(_, name)| (*name).to_owned()).collect();
    taken.insert("processed_at".to_owned());
    let mut lines: Vec<String> = Vec::new();
    for column in columns {
        let name = output_name(&column.name);
        let unique =
            (1..).map(|n| if n == 1 { name.clone() } else { format!("{name}_{n}") }).find(|name| !taken.contains(name));
        let name = unique.unwrap_or(name);
        taken.insert(name.clone());
        let read = sql_name(&column.name);
        lines.push(if read == name { format!("    {read},") } else { format!("    {read} as {name},") });
    }
    lines.extend(more.iter().map(|(read, name)| format!("    {read} as {name},")));
    format!("select\n{}\n    _file,\n    _row,\n    now() as processed_at\nfrom input\n", lines.join("\n"))
}

pub(crate) fn sql_name(name: &str) -> String {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_reserved = RESERVED.contains(&name.to_ascii_lowercase().as_str());
    if starts_well && is_word && !is_reserved { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A field's name in snake case, as columns of the lake are called: `eventTime` and `id.orig_h` become `event_time` and
/// `id_orig_h`.
fn output_name(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    let mut previous = '_';
    for character in name.chars() {
        if !character.is_ascii_alphanumeric() {
            if previous != '_' {
                text.push('_');
            }
            previous = '_';
            continue;
        }
        if character.is_ascii_uppercase() && (previous.is_ascii_lowercase() || previous.is_ascii_digit()) {
            text.push('_');
        }
        text.push(character.to_ascii_lowercase());
        previous = character;
    }
    let text = text.trim_matches('_');
    let needs_letter = text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit());
    let is_reserved = RESERVED.contains(&text);
    match (needs_letter, is_reserved) {
        (true, _) => format!("column_{text}"),
        (_, true) => format!("{text}_value"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use millpond_core::config::Problems;
    use millpond_core::source::{Source, SourceFiles, Sql};

    use super::*;

    #[test]
    fn names_become_snake_case() {
        for (name, expected) in [
            ("eventTime", "event_time"),
            ("id.orig_h", "id_orig_h"),
            ("sourceIPAddress", "source_ipaddress"),
            ("user", "user_value"),
            ("2fa", "column_2fa"),
            ("@timestamp", "timestamp"),
        ] {
            assert_eq!(output_name(name), expected);
        }
    }

    #[test]
    fn a_proposal_is_a_source() {
        let columns = vec![
            Column { name: "eventTime".into(), kind: ColumnType::Timestamp(TimeFormat::Iso) },
            Column {
                name: "user.x".into(),
                kind: ColumnType::Struct(vec![Column {
                    name: "type".into(),
                    kind: ColumnType::List(Box::new(ColumnType::Int)),
                }]),
            },
        ];
        let learned = Learned {
            format: Format::Json { records: vec![vec!["Records".into()]] },
            compression: "gzip".into(),
            why: "because".into(),
            columns,
            records: 3,
        };
        let proposal = propose("mine", &learned);
        assert!(proposal.config.contains("time = \"event_time\"\n"), "{}", proposal.config);
        assert!(proposal.config.contains("records = \"Records\"\n"), "{}", proposal.config);
        assert!(proposal.config.contains("\"user.x\" = { type = [\"int\"] }\n"), "{}", proposal.config);
        assert!(
            proposal.transform.contains("    eventTime as event_time,\n    \"user.x\" as user_x,\n"),
            "{}",
            proposal.transform
        );
    }

    #[test]
    fn options_are_read_as_they_are_written() {
        let w3c = Delimited { comment: Some(b'#'), brackets: false, quote: None, ..Delimited::space() };
        let names = Header::Names(vec!["client:port".into(), "b".into()]);
        let definitions = vec![("X".into(), r"\d+".into()), ("Y".into(), "y".into())];
        for format in [
            Format::Delimited(w3c),
            Format::Delimited(Delimited { skip: 1, delimiter: b';', escape: Some(b'\\'), ..Delimited::csv() }),
            Format::Delimited(Delimited { null: Some("-".into()), comment: Some(b'#'), ..Delimited::tsv() }),
            Format::Delimited(Delimited { header: names, ..Delimited::space() }),
            Format::Syslog { payload: Payload::Json, start: None },
            Format::Syslog { payload: Payload::KeyValue, start: None },
            Format::Syslog { payload: Payload::Cef, start: None },
            Format::Regex { pattern: r"^(?<a>\d+'\s)".into(), start: Some(r"^\d".into()) },
            Format::Grok { pattern: "%{X:x}".into(), definitions, start: None },
            Format::Lines { start: Some(r"^\S".into()) },
        ] {
            let learned = Learned {
                format: format.clone(),
                compression: "none".into(),
                why: "because".into(),
                columns: Vec::new(),
                records: 1,
            };
            let sql = |text: &str| Sql { file: "x".into(), text: text.into() };
            let files = SourceFiles {
                name: "mine".into(),
                config: sql(&propose("mine", &learned).config),
                transform: Some(sql("select 1")),
                dialects: Vec::new(),
                signals: Vec::new(),
            };
            let mut problems = Problems::default();
            let source = Source::parse(&files, &mut problems).map(|source| source.format);
            assert_eq!(source, Some(format), "{}\n{:?}", files.config.text, problems.found);
        }
    }
}
