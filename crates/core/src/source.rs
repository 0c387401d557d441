//! A source: a configured kind of log. Which objects, which format, which SQL.

use crate::columns::Column;
use crate::config::{Problems, Section};
use crate::error::{Error, Result};
use crate::format::{Compression, DecodeLimits, Delimited, Drift, Format, Header, Packing, Payload};
use crate::glob::Glob;
use crate::guard::Budget;
use crate::logsource::{EventSource, LogSource};
use crate::plan::Engine;
use crate::recognize::Recognizer;
pub use crate::signal::{Severity, Signal};

/// One source, ready to route and to plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The name of its folder.
    pub name: String,
    /// Bumped by hand when the columns or the meaning of the output change; part of every job's id.
    pub version: u32,
    /// One sentence for listings.
    pub description: String,
    /// The lake table that the transform's rows go to.
    pub table: String,
    /// The output column that holds the event's time; its day is the partition.
    pub time: Option<String>,
    /// Columns by which compacted files are sorted; empty: by `time`.
    pub sort: Vec<String>,
    /// Columns, or fields of columns (`src_endpoint.ip`), that it says people look for single values in.
    pub named_indicators: Option<Vec<String>>,
    /// Which objects it takes; none for a source that is only used by name.
    pub matches: Vec<Match>,
    /// What its records look like, for files that no match takes.
    pub recognizers: Vec<Recognizer>,
    /// How its files are read.
    pub format: Format,
    /// How their bytes become text, where it says so.
    pub packing: Packing,
    /// What its SQL sees in every file.
    pub columns: Vec<Column>,
    /// The engine that runs its transform, where it or its pond says so.
    pub engine: Option<Engine>,
    /// The transform as it is written for one engine alone, `transform.<engine>.sql`, where there is such a file.
    pub dialects: Vec<(Engine, Sql)>,
    /// Memory of its jobs, where it says so.
    pub memory_bytes: Option<u64>,
    /// How long the SQL of a job may run, in milliseconds, where it says so.
    pub time_ms: Option<u64>,
    /// Limits of its decoder.
    pub decode_limits: DecodeLimits,
    /// What it may spend and how often it may fail before it is left alone.
    pub budget: Budget,
    /// What happens to fields and values that it does not declare.
    pub drift: Drift,
    /// What happens to a file whose bytes were seen before under another name.
    pub duplicates: Duplicates,
    /// `source.toml` itself, for messages.
    pub config: Sql,
    /// The transform.
    pub transform: Sql,
    /// The signals that its jobs harvest.
    pub signals: Vec<Signal>,
    /// What its rows are in OCSF; `None`: they have columns of their own.
    pub ocsf: Option<Ocsf>,
    /// What its events are for Sigma rules; `None`: no rule is for them.
    pub logsource: Option<EventSource>,
}

/// That a source's rows are OCSF events, and which.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ocsf {
    /// The classes that its rows may have, such as `authentication`.
    pub classes: Vec<String>,
    /// `metadata.product.vendor_name`.
    pub vendor: String,
    /// `metadata.product.name`.
    pub product: String,
    /// The schema's profiles that its rows use, such as `cloud`.
    pub profiles: Vec<String>,
}

/// One way to match objects.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// The bucket, exactly; `None` matches every bucket and folder.
    pub bucket: Option<String>,
    /// Prefix and glob as written.
    pub pattern: String,
    /// The compiled pattern over the key.
    pub glob: Glob,
    /// The line of `source.toml` on which it starts.
    pub line: usize,
}

/// What happens to a file whose bytes were already processed by the same source under another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Duplicates {
    /// Its rows count as deduplicated and its receipt names the first file.
    #[default]
    Skip,
    /// It is processed like any other.
    Process,
}

/// A text (SQL or TOML) and the file that it stands in, relative to the pond.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sql {
    /// The file, for messages.
    pub file: String,
    /// The text.
    pub text: String,
}

impl Sql {
    /// The line on which a key of TOML stands, from 1; the first where it does not.
    pub fn line_of(&self, key: &str) -> usize {
        let line = self.text.lines().position(|line| line.trim_start().starts_with(key));
        line.map_or(1, |index| index + 1)
    }
}

/// The files of one source's folder, read by the caller.
#[derive(Debug, Clone)]
pub struct SourceFiles {
    /// The folder's name.
    pub name: String,
    /// `source.toml`: its path for messages, and its text.
    pub config: Sql,
    /// `transform.sql`, if there is one.
    pub transform: Option<Sql>,
    /// `transform.<engine>.sql` for the engines that have one.
    pub dialects: Vec<(Engine, Sql)>,
    /// `signals/*.sql` by name.
    pub signals: Vec<Sql>,
}

/// Columns that every output table has besides those of the transform.
pub const RESERVED_COLUMNS: [&str; 2] = ["_job", "_day"];
/// What is looked for in events of OCSF: addresses, hosts, people, hashes, names and addresses of the web.
const OCSF_INDICATORS: [&str; 27] = [
    "src_endpoint.ip",
    "src_endpoint.hostname",
    "src_endpoint.domain",
    "dst_endpoint.ip",
    "dst_endpoint.hostname",
    "dst_endpoint.domain",
    "device.ip",
    "device.hostname",
    "actor.user.name",
    "actor.user.uid",
    "actor.user.email_addr",
    "actor.process.file.hashes.value",
    "user.name",
    "user.uid",
    "user.email_addr",
    "process.file.hashes.value",
    "process.file.path",
    "file.hashes.value",
    "file.path",
    "query.hostname",
    "answers.rdata",
    "url.url_string",
    "url.hostname",
    "http_request.url.url_string",
    "http_request.url.hostname",
    "http_request.user_agent",
    "tls.sni",
];

/// Tables that millpond itself writes.
pub const SYSTEM_TABLES: [&str; 6] = ["signals", "receipts", "quarantine", "alerts", "deliveries", "audit"];

impl Source {
    /// Reads a source. Every problem is added to `problems`; a source with any is not returned.
    pub fn parse(files: &SourceFiles, problems: &mut Problems) -> Option<Self> {
        let before = problems.found.len();
        let file = files.config.file.as_str();
        let document = problems.parse_toml(file, &files.config.text)?;
        let mut top = Section::top(file, &files.config.text, &document);
        let table = top.text(problems, "table").unwrap_or_else(|| files.name.replace('-', "_"));
        check_table_name(&table, &top, file, problems);
        let version = top.count(problems, "version").unwrap_or(1) as u32;
        let description = top.text(problems, "description").unwrap_or_default();
        let ocsf = parse_ocsf(&mut top, problems);
        let time = top.text(problems, "time").or_else(|| ocsf.as_ref().map(|_| "time".to_owned()));
        let sort = top.texts(problems, "sort").unwrap_or_default();
        let named_indicators = top.texts(problems, "indicators");
        let engine = top.choice(problems, "engine", &Engine::NAMES);
        let matches = top
            .sections(problems, "match")
            .into_iter()
            .filter_map(|section| parse_match(file, section, problems))
            .collect();
        let recognizers = Recognizer::parse_sections(&mut top, problems);
        let (format, packing) = parse_format(&mut top, file, problems).unwrap_or((Format::Auto, Packing::default()));
        let columns = top.columns(problems, "columns");
        let (job_limits, decode_limits) = parse_limits(&mut top, problems);
        let budget = parse_budget(&mut top, problems);
        let (drift, duplicates) = parse_policy(&mut top, problems);
        let logsource = parse_logsource(&mut top, problems);
        top.finish(problems);
        let signals = files.signals.iter().filter_map(|sql| Signal::parse_harvested(sql, problems)).collect();
        let Some(transform) = files.transform.clone() else {
            let error = Error::bad_config(format!("source `{}` has no `transform.sql`", files.name))
                .hint("write one SELECT over `input`, such as `select * from input`");
            problems.add(file, 1, &error);
            return None;
        };
        (problems.found.len() == before).then(|| Self {
            name: files.name.clone(),
            version,
            description,
            table,
            time,
            sort,
            named_indicators,
            matches,
            recognizers,
            format,
            packing,
            columns,
            engine,
            dialects: files.dialects.clone(),
            memory_bytes: job_limits.memory_bytes,
            time_ms: job_limits.time_ms,
            decode_limits,
            budget,
            drift,
            duplicates,
            config: files.config.clone(),
            transform,
            signals,
            ocsf,
            logsource,
        })
    }
}

impl Source {
    /// The engine that runs its transform.
    pub fn engine(&self) -> Engine {
        self.engine.unwrap_or_default()
    }

    /// Columns and fields that people look for single values in: compacted files get bloom filters on them. A source
    /// of OCSF that names none has those of OCSF; what a table lacks of them is passed over.
    pub fn indicators(&self) -> Vec<String> {
        let usual = || self.ocsf.iter().flat_map(|_| OCSF_INDICATORS).map(str::to_owned).collect();
        self.named_indicators.clone().unwrap_or_else(usual)
    }

    /// The transform in the words of an engine.
    pub fn transform_for(&self, engine: Engine) -> &Sql {
        self.dialects.iter().find(|(of, _)| *of == engine).map_or(&self.transform, |(_, sql)| sql)
    }

    /// The transform that its jobs run.
    pub fn own_transform(&self) -> &Sql {
        self.transform_for(self.engine())
    }
}

fn parse_ocsf(top: &mut Section<'_>, problems: &mut Problems) -> Option<Ocsf> {
    let mut section = top.section(problems, "ocsf")?;
    let ocsf = Ocsf {
        classes: section.texts(problems, "classes").unwrap_or_default(),
        vendor: section.text(problems, "vendor").unwrap_or_default(),
        product: section.text(problems, "product").unwrap_or_default(),
        profiles: section.texts(problems, "profiles").unwrap_or_default(),
    };
    if ocsf.classes.is_empty() {
        section.missing(problems, "classes", "name the classes of its rows, such as `classes = [\"authentication\"]`");
    }
    if ocsf.product.is_empty() {
        section.missing(problems, "product", "name what writes these logs, such as `product = \"System Log\"`");
    }
    section.finish(problems);
    Some(ocsf)
}

fn check_table_name(table: &str, top: &Section<'_>, file: &str, problems: &mut Problems) {
    let is_word = !table.is_empty() && table.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let error = if SYSTEM_TABLES.contains(&table) {
        Error::bad_config(format!("table `{table}` belongs to millpond"))
            .hint("choose another name with `table = \"…\"`")
    } else if !is_word || table.starts_with('_') {
        Error::bad_config(format!("`{table}` is no table name"))
            .hint("use lower case letters, digits and `_`, and start with a letter; set it with `table = \"…\"`")
    } else {
        return;
    };
    problems.add(file, top.line_of_key("table"), &error);
}

fn parse_match(file: &str, mut section: Section<'_>, problems: &mut Problems) -> Option<Match> {
    let bucket = section.text(problems, "bucket");
    let prefix = section.text(problems, "prefix");
    let glob = section.text(problems, "glob");
    let line = section.line();
    if bucket.is_none() && prefix.is_none() && glob.is_none() {
        section.missing(problems, "glob", "`glob = \"**\"` matches every object");
    }
    section.finish(problems);
    let prefix = prefix.unwrap_or_default();
    let pattern = glob.unwrap_or_else(|| "**".to_owned());
    match Glob::new(&prefix, &pattern) {
        Ok(glob) => Some(Match { bucket, pattern: format!("{prefix}{pattern}"), glob, line }),
        Err(error) => {
            problems.add(file, line, &error);
            None
        }
    }
}

/// `format = "json"`, or a `[format]` table with `type` and its options.
fn parse_format(top: &mut Section<'_>, file: &str, problems: &mut Problems) -> Option<(Format, Packing)> {
    if top.is_text("format") {
        let format = top.parsed(problems, "format", format_named)?;
        needs_options(&format, file, top.line_of_key("format"), problems);
        return Some((format, Packing::default()));
    }
    let mut section = top.section(problems, "format")?;
    let line = section.line_of_key("type");
    let named = section.parsed(problems, "type", format_named);
    if named.is_none() && line == section.line() {
        section.missing(problems, "type", "name the format, such as `type = \"json\"`");
    }
    let format = parse_options(named?, &mut section, problems);
    needs_options(&format, file, line, problems);
    let packing = Packing {
        compression: section.choice(problems, "compression", &Compression::NAMES),
        encoding: section.text(problems, "encoding"),
    };
    section.finish(problems);
    Some((format, packing))
}

/// The options of a format, from the `[format]` table.
fn parse_options(named: Format, section: &mut Section<'_>, problems: &mut Problems) -> Format {
    match named {
        Format::Json { .. } => {
            let paths = section.texts(problems, "records").unwrap_or_default();
            Format::Json {
                records: paths.iter().map(|path| split_path(path)).filter(|path| !path.is_empty()).collect(),
            }
        }
        Format::Delimited(defaults) => Format::Delimited(parse_delimited(section, defaults, problems)),
        Format::Syslog { payload, .. } => {
            let choices = [
                ("text", Payload::Text),
                ("json", Payload::Json),
                ("kv", Payload::KeyValue),
                ("cef", Payload::Cef),
                ("leef", Payload::Leef),
            ];
            Format::Syslog {
                payload: section.choice(problems, "payload", &choices).unwrap_or(payload),
                start: section.text(problems, "start"),
            }
        }
        Format::Regex { .. } => Format::Regex {
            pattern: section.text(problems, "pattern").unwrap_or_default(),
            start: section.text(problems, "start"),
        },
        Format::Grok { .. } => Format::Grok {
            pattern: section.text(problems, "pattern").unwrap_or_default(),
            definitions: section.named_texts(problems, "patterns"),
            start: section.text(problems, "start"),
        },
        Format::Lines { .. } => Format::Lines { start: section.text(problems, "start") },
        other => other,
    }
}

fn split_path(path: &str) -> Vec<String> {
    path.split('.').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// A pattern is what these formats are made of.
fn needs_options(format: &Format, file: &str, line: usize, problems: &mut Problems) {
    let error = match format {
        Format::Regex { pattern, .. } if !pattern.contains("(?<") && !pattern.contains("(?P<") => {
            Error::bad_config("a `regex` format needs a `pattern` with named groups")
                .hint("write `pattern = '^(?<host>\\S+) (?<message>.*)$'`")
        }
        Format::Grok { pattern, .. } if pattern.is_empty() => Error::bad_config("a `grok` format needs a `pattern`")
            .hint("write `pattern = '%{IP:client} %{WORD:method}'`"),
        _ => return,
    };
    problems.add(file, line, &error);
}

/// Every format, by the name used in `source.toml`.
fn formats() -> [(&'static str, Format); 20] {
    [
        ("auto", Format::Auto),
        ("json", Format::Json { records: Vec::new() }),
        ("csv", Format::Delimited(Delimited::csv())),
        ("tsv", Format::Delimited(Delimited::tsv())),
        ("space", Format::Delimited(Delimited::space())),
        ("zeek", Format::Zeek),
        ("syslog", Format::Syslog { payload: Payload::Text, start: None }),
        ("cef", Format::Syslog { payload: Payload::Cef, start: None }),
        ("leef", Format::Syslog { payload: Payload::Leef, start: None }),
        ("kv", Format::KeyValue),
        ("auditd", Format::Auditd),
        ("regex", Format::Regex { pattern: String::new(), start: None }),
        ("grok", Format::Grok { pattern: String::new(), definitions: Vec::new(), start: None }),
        ("lines", Format::Lines { start: None }),
        ("evtx", Format::Evtx),
        ("winxml", Format::WindowsXml),
        ("parquet", Format::Parquet),
        ("arrow", Format::Arrow),
        ("avro", Format::Avro),
        ("orc", Format::Orc),
    ]
}

pub(crate) fn format_named(name: &str) -> Result<Format> {
    let formats = formats();
    if let Some((_, format)) = formats.iter().find(|(known, _)| *known == name) {
        return Ok(format.clone());
    }
    let names: Vec<String> = formats.iter().map(|(known, _)| format!("`{known}`")).collect();
    Err(Error::bad_config(format!("`{name}` is not a format")).hint(format!("formats are {}", names.join(", "))))
}

fn parse_delimited(section: &mut Section<'_>, defaults: Delimited, problems: &mut Problems) -> Delimited {
    let one_byte = |key: &'static str| {
        move |text: &str| match text.as_bytes() {
            [byte] => Ok(Some(*byte)),
            [] => Ok(None),
            _ => Err(Error::bad_config(format!("`{key}` must be one ASCII character, not `{text}`"))),
        }
    };
    Delimited {
        delimiter: section.parsed(problems, "delimiter", one_byte("delimiter")).flatten().unwrap_or(defaults.delimiter),
        repeated: defaults.repeated,
        quote: section.parsed(problems, "quote", one_byte("quote")).unwrap_or(defaults.quote),
        escape: section.parsed(problems, "escape", one_byte("escape")).unwrap_or(defaults.escape),
        brackets: section.boolean(problems, "brackets").unwrap_or(defaults.brackets),
        comment: section.parsed(problems, "comment", one_byte("comment")).unwrap_or(defaults.comment),
        skip: section.count(problems, "skip").map_or(defaults.skip, |lines| lines as usize),
        header: section.texts(problems, "header").map_or(defaults.header, Header::Names),
        null: section.text(problems, "null").or(defaults.null),
    }
}

/// What `[limits]` says of a job's SQL.
#[derive(Default)]
struct JobLimits {
    memory_bytes: Option<u64>,
    time_ms: Option<u64>,
}

fn parse_limits(top: &mut Section<'_>, problems: &mut Problems) -> (JobLimits, DecodeLimits) {
    let mut limits = DecodeLimits::default();
    let Some(mut section) = top.section(problems, "limits") else { return (JobLimits::default(), limits) };
    let job = JobLimits { memory_bytes: section.bytes(problems, "memory"), time_ms: section.ms(problems, "time") };
    if let Some(bytes) = section.bytes(problems, "decompressed_bytes") {
        limits.decompressed_bytes_max = bytes;
    }
    if let Some(ratio) = section.count(problems, "ratio") {
        limits.ratio_max = ratio;
    }
    if let Some(bytes) = section.bytes(problems, "record_bytes") {
        limits.record_bytes_max = bytes as usize;
    }
    if let Some(depth) = section.count(problems, "depth") {
        limits.depth_max = depth as usize;
    }
    if let Some(fields) = section.count(problems, "fields") {
        limits.fields_max = fields as usize;
    }
    if let Some(bytes) = section.bytes(problems, "window_bytes") {
        limits.window_bytes_max = bytes;
    }
    if let Some(members) = section.count(problems, "members") {
        limits.members_max = members;
    }
    if let Some(nesting) = section.count(problems, "nesting") {
        limits.nesting_max = nesting as usize;
    }
    section.finish(problems);
    (job, limits)
}

fn parse_budget(top: &mut Section<'_>, problems: &mut Problems) -> Budget {
    let Some(mut section) = top.section(problems, "budget") else { return Budget::default() };
    let budget = Budget {
        failures: section.count(problems, "failures").map_or(Budget::default().failures, |count| count as u32),
        attempts: section.count(problems, "attempts"),
        bytes: section.bytes(problems, "bytes"),
        seconds: section.count(problems, "seconds"),
        dollars: section.parsed(problems, "dollars", |text| {
            let dollars = text.parse::<f64>().ok().filter(|dollars| *dollars > 0.0);
            dollars.ok_or_else(|| Error::bad_config(format!("`{text}` is no sum")).hint("write `dollars = \"2.50\"`"))
        }),
    };
    section.finish(problems);
    budget
}

/// `[logsource]`: the names of Sigma's taxonomy, and where the events use other names than the rules.
fn parse_logsource(top: &mut Section<'_>, problems: &mut Problems) -> Option<EventSource> {
    let mut section = top.section(problems, "logsource")?;
    let mut part = |key| section.text(problems, key).map(|name| name.to_lowercase());
    let logsource = LogSource { category: part("category"), product: part("product"), service: part("service") };
    let fields = section.named_texts(problems, "fields").into_iter().collect();
    let entity = section.texts(problems, "entity").unwrap_or_default();
    if logsource == LogSource::default() {
        section.missing(problems, "product", "rules ask for a `product`, a `category` or a `service`");
    }
    section.finish(problems);
    Some(EventSource { logsource, fields, entity })
}

fn parse_policy(top: &mut Section<'_>, problems: &mut Problems) -> (Drift, Duplicates) {
    let Some(mut section) = top.section(problems, "policy") else { return Default::default() };
    let drifts = [("rescue", Drift::Rescue), ("freeze", Drift::Freeze), ("discard", Drift::Discard)];
    let drift = section.choice(problems, "drift", &drifts).unwrap_or_default();
    let choices = [("skip", Duplicates::Skip), ("process", Duplicates::Process)];
    let duplicates = section.choice(problems, "duplicates", &choices).unwrap_or_default();
    section.finish(problems);
    (drift, duplicates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::ColumnType;

    fn parse(config: &str) -> (Option<Source>, Vec<String>) {
        let sql = |file: &str, text: &str| Sql { file: file.into(), text: text.into() };
        let files = SourceFiles {
            name: "my-app".into(),
            config: sql("sources/my-app/source.toml", config),
            transform: Some(sql("sources/my-app/transform.sql", "select * from input")),
            dialects: Vec::new(),
            signals: vec![sql("sources/my-app/signals/x.sql", "-- title: X\n-- severity: high\nselect 1")],
        };
        let mut problems = Problems::default();
        let source = Source::parse(&files, &mut problems);
        (source, problems.found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_source_is_read_whole() {
        let (source, problems) = parse(
            "version = 2\ntime = 'ts'\nsort = ['ip', 'ts']\nindicators = 'ip'\n[[match]]\nbucket = 'logs'\nprefix = 'app/'\nglob = '*.json'\n\
             [format]\ntype = 'json'\nrecords = 'a.b'\n\
             [columns]\nts = 'timestamp(ms)'\nuser = { name = 'text', tags = ['text'] }\n\
             [limits]\nmemory = '64 MiB'\nrecord_bytes = '1 MiB'\n[policy]\ndrift = 'freeze'\nduplicates = 'process'\n",
        );
        assert!(problems.is_empty(), "{problems:?}");
        let source = source.expect("source");
        assert_eq!((source.table.as_str(), source.version, source.memory_bytes), ("my_app", 2, Some(64 << 20)));
        assert_eq!((source.sort.join(" "), source.indicators().join(" ")), ("ip ts".to_owned(), "ip".to_owned()));
        let path = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(source.format, Format::Json { records: vec![path(&["a", "b"])] });
        assert!(source.matches[0].glob.matches("app/x.json") && !source.matches[0].glob.matches("x.json"));
        assert_eq!(source.columns[1].kind.to_string(), "{ name = text, tags = list(text) }");
        assert_eq!(source.columns[0].kind, ColumnType::parse("timestamp(ms)").expect("type"));
        assert_eq!((source.drift, source.duplicates), (Drift::Freeze, Duplicates::Process));
        assert_eq!((source.signals[0].title.as_str(), source.signals[0].severity), ("X", Severity::High));
    }

    #[test]
    fn mistakes_have_lines_and_hints() {
        let (source, problems) = parse("[[match]]\nglobb = '*'\n\n[format]\ntype = 'jsn'\n\n[columns]\na = 'txt'\n");
        assert!(source.is_none());
        let starts = [
            "sources/my-app/source.toml:1: `glob` is missing in `[match]`",
            "sources/my-app/source.toml:2: unknown key `globb` in `[match]`\n  hint: did you mean `glob`?",
            "sources/my-app/source.toml:5: `jsn` is not a format",
            "sources/my-app/source.toml:8: `txt` is not a column type",
        ];
        for (problem, start) in problems.iter().zip(starts) {
            assert!(problem.starts_with(start), "{problem}");
        }
        assert_eq!(problems.len(), starts.len(), "{problems:?}");
    }

    #[test]
    fn system_tables_are_refused() {
        let (_, problems) = parse("table = 'receipts'\n");
        assert!(problems[0].contains("table `receipts` belongs to millpond"), "{problems:?}");
    }
}
