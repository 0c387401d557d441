//! `millpond.toml`: the pond's inputs, lake, budget and tables.

use super::health::Health;
use super::hunt::HuntConfig;
use super::lanes::parse_lanes;
use super::section::{Problems, Section};
use crate::alert::AlertConfig;
use crate::columns::Column;
use crate::error::{Error, Result};
use crate::glob::Glob;
use crate::lane::{Lane, Lanes};
use crate::plan::Engine;
use crate::units::parse_ms;

/// The pond's own settings, as written in `millpond.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct PondConfig {
    /// What the pond is called in output.
    pub name: String,
    /// Where objects appear.
    pub inputs: Vec<Input>,
    /// Where the lake lies: a folder, relative to the pond, or a `file://` URL.
    pub lake: String,
    /// For how many days rows are kept, by table; a table that is not named keeps them for ever.
    pub retention_days: Vec<(String, u64)>,
    /// How often a process that commits for long compacts the lake by itself, in milliseconds; `None`: never.
    pub compact_every_ms: Option<u64>,
    /// Memory for all jobs together.
    pub memory_bytes: u64,
    /// Memory for one job whose source does not say otherwise.
    pub job_memory_bytes: u64,
    /// Jobs at a time; `None`: as many as there are processors.
    pub jobs: Option<u64>,
    /// Size classes of jobs, as written; empty: they follow from `job_memory_bytes`.
    pub lanes: Vec<Lane>,
    /// Files that may share their outputs and their pending commit.
    pub group_files: u64,
    /// The engine of sources that do not name one.
    pub engine: Engine,
    /// Where the shared libraries of engines are.
    pub drivers: Vec<(Engine, Driver)>,
    /// What SQL may name in quotes.
    pub allow: Allow,
    /// How the sources are watched.
    pub health: Health,
    /// Enrichment tables that need more than a file in `enrich/`.
    pub enrich: Vec<EnrichTable>,
    /// Databases of addresses.
    pub geoip: GeoIp,
    /// What becomes of signals.
    pub alerting: AlertConfig,
    /// How long correlations wait for matches that come late, in milliseconds.
    pub correlation_late_ms: u64,
    /// Lists of indicators that are looked for again when they change.
    pub hunts: Vec<HuntConfig>,
}

/// Where objects appear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A folder or an object store prefix that is listed.
    Place {
        /// A path relative to the pond, or a `file://`, `s3://`, `gs://`, `az://`, `http://` or `https://` URL.
        url: String,
        /// How often it is listed while `run` watches, in milliseconds.
        poll_ms: u64,
        /// Whether an object that no route takes is for the source that its content tells.
        recognize: bool,
    },
    /// A queue of notices.
    Queue {
        /// The URL of an SQS queue, or `sqs://NAME`.
        url: String,
    },
}

/// The shared library of an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Driver {
    /// A path, relative to the pond, or the name of an ADBC driver manifest; `None`: the manifest of the engine's name.
    pub library: Option<String>,
    /// The function that sets the driver up, where the library does not have the usual one.
    pub entrypoint: Option<String>,
    /// Libraries that are opened before it, with their symbols for all to see.
    pub preload: Vec<String>,
}

/// Files and URLs that SQL may name as tables: glob patterns over the text between the quotes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Allow {
    patterns: Vec<(String, Glob)>,
}

impl Allow {
    /// Compiles the patterns.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](crate::Kind::BadConfig) for a pattern that is no glob.
    pub fn new(patterns: &[String]) -> Result<Self> {
        let compile = |pattern: &String| Ok((pattern.clone(), Glob::new("", pattern)?));
        Ok(Self { patterns: patterns.iter().map(compile).collect::<Result<_>>()? })
    }

    /// Whether `location` may be read. A path that climbs with `..` never may.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](crate::Kind::BadConfig) that names the setting to change.
    pub fn check(&self, location: &str) -> Result<()> {
        let climbs = location.split(['/', '\\']).any(|segment| segment == "..");
        if !climbs && self.patterns.iter().any(|(_, glob)| glob.matches(location)) {
            return Ok(());
        }
        Err(Error::bad_config(format!("`{location}` may not be read as a table"))
            .hint(format!("allow it in `millpond.toml`: `[tables]` `allow = [\"{location}\"]`")))
    }
}

/// An enrichment table that SQL joins by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrichTable {
    /// The table's name in SQL.
    pub name: String,
    /// Where its rows are.
    pub rows: TableRows,
    /// Types of columns that are not text, for files; Parquet files bring their own. All columns of a query.
    pub columns: Vec<Column>,
    /// After how many milliseconds it is read again.
    pub refresh_ms: Option<u64>,
}

/// Where the rows of an enrichment table are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableRows {
    /// In a file: a path relative to the pond, or a URL.
    File(String),
    /// In the lake: what a query over its tables gives.
    Query(String),
}

/// Databases in MaxMind's format, by which `geoip` and `asn` know addresses: paths relative to the pond, or URLs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GeoIp {
    /// Countries and cities.
    pub city: Option<String>,
    /// Autonomous systems, or internet service providers.
    pub asn: Option<String>,
}

impl PondConfig {
    /// After how many milliseconds the first of its tables is to be read again; `None`: none is.
    pub fn refresh_ms(&self) -> Option<u64> {
        self.enrich.iter().filter_map(|table| table.refresh_ms).min()
    }

    /// Reads `millpond.toml`. `memory_bytes` is what the pond gets when the file does not say.
    pub fn parse(file: &str, text: &str, memory_bytes: u64, problems: &mut Problems) -> Option<Self> {
        let document = problems.parse_toml(file, text)?;
        let mut top = Section::top(file, text, &document);
        let name = top.text(problems, "name").unwrap_or_else(|| "pond".to_owned());
        let inputs =
            top.sections(problems, "input").into_iter().filter_map(|section| parse_input(section, problems)).collect();
        let lake = match top.section(problems, "lake") {
            Some(section) => parse_lake(section, problems),
            None => Lake::default(),
        };
        let mut config = Self {
            name,
            inputs,
            lake: lake.url.unwrap_or_else(|| "lake".to_owned()),
            retention_days: lake.retention_days,
            compact_every_ms: lake.compact_every_ms,
            memory_bytes,
            job_memory_bytes: JOB_MEMORY_BYTES,
            jobs: None,
            lanes: parse_lanes(&mut top, problems),
            group_files: GROUP_FILES,
            engine: Engine::default(),
            drivers: Vec::new(),
            allow: Allow::default(),
            health: Health::default(),
            enrich: Vec::new(),
            geoip: GeoIp::default(),
            alerting: AlertConfig::parse(file, &mut top, problems),
            correlation_late_ms: CORRELATION_LATE_MS,
            hunts: HuntConfig::parse_all(file, &mut top, problems),
        };
        if let Some(mut section) = top.section(problems, "correlations") {
            config.correlation_late_ms = section.ms(problems, "late").unwrap_or(CORRELATION_LATE_MS);
            section.finish(problems);
        }
        if let Some(section) = top.section(problems, "budget") {
            config.parse_budget(section, problems);
        }
        if let Some(section) = top.section(problems, "engine") {
            config.parse_engines(section, problems);
        }
        if let Some(mut section) = top.section(problems, "tables") {
            let line = section.line_of_key("allow");
            let allow = section.texts(problems, "allow").unwrap_or_default();
            match Allow::new(&allow) {
                Ok(allow) => config.allow = allow,
                Err(error) => problems.add(file, line, &error),
            }
            section.finish(problems);
        }
        if let Some(section) = top.section(problems, "health") {
            config.health = Health::parse(section, problems);
        }
        for (name, section) in top.named_sections(problems, "enrich") {
            config.enrich.extend(parse_enrich(name, section, problems));
        }
        if let Some(section) = top.section(problems, "geoip") {
            config.geoip = parse_geoip(section, problems);
        }
        top.finish(problems);
        Some(config)
    }

    /// The lanes of jobs on this machine, from small to large.
    pub fn lanes(&self) -> Lanes {
        self.lanes_anywhere().within(self.memory_bytes)
    }

    /// The lanes as they are written, whatever this machine has.
    pub fn lanes_anywhere(&self) -> Lanes {
        match self.lanes.is_empty() {
            true => Lanes::of_job_memory(self.job_memory_bytes),
            false => Lanes::new(self.lanes.clone(), self.job_memory_bytes),
        }
    }

    /// The URLs of the inputs that are listed.
    pub fn place_urls(&self) -> impl Iterator<Item = &str> {
        self.inputs.iter().filter_map(|input| match input {
            Input::Place { url, .. } => Some(url.as_str()),
            Input::Queue { .. } => None,
        })
    }

    /// `[engine]` with the default, and a section below it for each engine that is a shared library.
    fn parse_engines(&mut self, mut section: Section<'_>, problems: &mut Problems) {
        if let Some(engine) = section.choice(problems, "default", &Engine::NAMES) {
            self.engine = engine;
        }
        for engine in [Engine::DuckDb, Engine::ChDb] {
            let Some(mut own) = section.section(problems, engine.name()) else { continue };
            let driver = Driver {
                library: own.text(problems, "driver"),
                entrypoint: own.text(problems, "entrypoint"),
                preload: own.texts(problems, "preload").unwrap_or_default(),
            };
            own.finish(problems);
            self.drivers.push((engine, driver));
        }
        section.finish(problems);
    }

    /// Where the library of an engine is, as the pond says.
    pub fn driver(&self, engine: Engine) -> Driver {
        let named = self.drivers.iter().find(|(of, _)| *of == engine);
        named.map(|(_, driver)| driver.clone()).unwrap_or_default()
    }

    fn parse_budget(&mut self, mut section: Section<'_>, problems: &mut Problems) {
        if let Some(bytes) = section.bytes(problems, "memory") {
            self.memory_bytes = bytes;
        }
        if let Some(bytes) = section.bytes(problems, "job_memory") {
            self.job_memory_bytes = bytes;
        }
        self.jobs = section.count(problems, "jobs");
        if let Some(files) = section.count(problems, "group_files") {
            self.group_files = files;
        }
        section.finish(problems);
    }
}

/// Memory of a job: DataFusion's sorts and joins need some tens of MiB before they can spill.
const JOB_MEMORY_BYTES: u64 = 256 << 20;
/// Files of a group: each further one saves a smaller part of a request, and a crash repeats all of them.
const GROUP_FILES: u64 = 256;
/// What sources that deliver by the hour need, with time for a file that is tried again.
const CORRELATION_LATE_MS: u64 = 6 * 3_600_000;
/// How often an input is listed.
const POLL_MS: u64 = 2_000;
const MS_PER_DAY: u64 = 86_400_000;
/// Each look lists the tables and reads their logs; more often it would find nothing that is worth writing again.
const COMPACT_EVERY_MS_MIN: u64 = 60_000;

/// `[lake]`, as it is written.
#[derive(Default)]
struct Lake {
    url: Option<String>,
    retention_days: Vec<(String, u64)>,
    compact_every_ms: Option<u64>,
}

fn parse_lake(mut section: Section<'_>, problems: &mut Problems) -> Lake {
    let url = section.text(problems, "url");
    let compact_every_ms = section.ms(problems, "compact_every");
    if compact_every_ms.is_some_and(|ms| ms < COMPACT_EVERY_MS_MIN) {
        let error = Error::bad_config("`compact_every` is less than a minute");
        section.refuse(problems, "compact_every", &error.hint("an hour is often enough: `1h`"));
    }
    let mut retention_days = Vec::new();
    for (table, text) in section.named_texts(problems, "retention") {
        match parse_days(&text) {
            Ok(days) => retention_days.push((table, days)),
            Err(error) => section.refuse(problems, "retention", &error),
        }
    }
    section.finish(problems);
    Lake { url, retention_days, compact_every_ms }
}

/// A time in whole days, such as `400d`.
fn parse_days(text: &str) -> Result<u64> {
    let ms = parse_ms(text)?;
    if ms == 0 || !ms.is_multiple_of(MS_PER_DAY) {
        return Err(Error::bad_config(format!("a table cannot keep its rows for `{text}`"))
            .hint("tables are parted by day: write whole days, such as `400d`"));
    }
    Ok(ms / MS_PER_DAY)
}

fn parse_input(mut section: Section<'_>, problems: &mut Problems) -> Option<Input> {
    let url = section.text(problems, "url");
    let queue = section.text(problems, "queue");
    let poll_ms = section.ms(problems, "poll").unwrap_or(POLL_MS);
    let recognize = section.boolean(problems, "recognize");
    if queue.is_some() && recognize.is_some() {
        let error = Error::bad_config("`recognize` is for inputs with a `url`");
        section.refuse(problems, "recognize", &error.hint("notices are for objects that routes take"));
    }
    let recognize = recognize.unwrap_or(false);
    let input = match (url, queue) {
        (Some(url), None) => Some(Input::Place { url, poll_ms, recognize }),
        (None, Some(url)) => Some(Input::Queue { url }),
        (None, None) => {
            let hint = "name a folder such as `inbox`, a URL such as `s3://bucket/prefix/`, or a `queue`";
            section.missing(problems, "url", hint);
            None
        }
        (Some(_), Some(_)) => {
            let error = Error::bad_config("an input has either a `url` or a `queue`");
            section.refuse(problems, "queue", &error.hint("write two `[[input]]` sections to use both"));
            None
        }
    };
    section.finish(problems);
    input
}

fn parse_enrich(name: String, mut section: Section<'_>, problems: &mut Problems) -> Option<EnrichTable> {
    let url = section.text(problems, "url");
    let query = section.text(problems, "query");
    let columns = section.columns(problems, "columns");
    let refresh_ms = section.ms(problems, "refresh");
    let rows = match (url, query) {
        (Some(url), None) => Some(TableRows::File(url)),
        (None, Some(query)) => Some(TableRows::Query(query)),
        (None, None) => {
            let hint = "name a file such as `enrich/assets.csv`, a URL, or a `query` over the lake";
            section.missing(problems, "url", hint);
            None
        }
        (Some(_), Some(_)) => {
            let error = Error::bad_config(format!("table `{name}` has either a `url` or a `query`"));
            section.refuse(problems, "query", &error.hint("write two `[enrich.NAME]` sections to use both"));
            None
        }
    };
    if matches!(rows, Some(TableRows::Query(_))) && columns.is_empty() {
        section.missing(problems, "columns", "name all columns that the query gives, such as `{ uid = \"text\" }`");
    }
    if refresh_ms == Some(0) {
        section.refuse(problems, "refresh", &Error::bad_config("a table cannot be read again all the time"));
    }
    section.finish(problems);
    rows.map(|rows| EnrichTable { name, rows, columns, refresh_ms })
}

fn parse_geoip(mut section: Section<'_>, problems: &mut Problems) -> GeoIp {
    let geoip = GeoIp { city: section.text(problems, "city"), asn: section.text(problems, "asn") };
    if geoip == GeoIp::default() {
        section.missing(problems, "city", "name a database such as `enrich/GeoLite2-City.mmdb`, or one as `asn`");
    }
    section.finish(problems);
    geoip
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Option<PondConfig>, Vec<String>) {
        let mut problems = Problems::default();
        let config = PondConfig::parse("millpond.toml", text, 1 << 30, &mut problems);
        (config, problems.found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_empty_file_is_a_pond() {
        let (config, problems) = parse("");
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(config.expect("config").lake, "lake");
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let (_, problems) = parse("nme = 'x'\n\n[[input]]\nurl = 3\npol = '2 s'\n\n[budget]\nmemory = 'much'\n");
        let expected = [
            "millpond.toml:4: `url` must be text in quotes, not `3`",
            "millpond.toml:3: `url` is missing in `[input]`\n  hint: name a folder such as `inbox`, a URL such as `s3://bucket/prefix/`, or a `queue`",
            "millpond.toml:5: unknown key `pol` in `[input]`\n  hint: did you mean `poll`?",
            "millpond.toml:8: `much` is not a size\n  hint: write it as `512 MiB` or `1.5 GB`",
            "millpond.toml:1: unknown key `nme`\n  hint: did you mean `name`?",
        ];
        assert_eq!(problems, expected);
    }

    #[test]
    fn tables_keep_rows_for_whole_days() {
        let (config, problems) = parse("[lake.retention]\nsignals = '400d'\nportal = '30 d'\n");
        assert!(problems.is_empty(), "{problems:?}");
        let kept = config.expect("config").retention_days;
        assert_eq!(kept, [("signals".to_owned(), 400), ("portal".to_owned(), 30)]);
        let (_, problems) = parse("[lake.retention]\nsignals = '36 h'\n");
        assert!(problems[0].contains("a table cannot keep its rows for `36 h`"), "{problems:?}");
    }

    #[test]
    fn engines_are_named_with_their_libraries() {
        let (config, problems) = parse(
            "[engine]\ndefault = 'chdb'\n[engine.chdb]\ndriver = 'lib/_chdb.so'\npreload = ['libpython3.so']\n\
             [engine.duckdb]\nentrypoint = 'init'\n",
        );
        assert!(problems.is_empty(), "{problems:?}");
        let config = config.expect("config");
        assert_eq!(config.engine, Engine::ChDb);
        let chdb =
            Driver { library: Some("lib/_chdb.so".into()), entrypoint: None, preload: vec!["libpython3.so".into()] };
        assert_eq!(config.driver(Engine::ChDb), chdb);
        assert_eq!(config.driver(Engine::DuckDb).entrypoint.as_deref(), Some("init"));
        let (_, problems) = parse("[engine]\ndefault = 'velox'\n[engine.postgres]\ndriver = 'x'\n");
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].contains("velox") && problems[1].contains("unknown key `postgres`"), "{problems:?}");
    }

    #[test]
    fn a_lake_is_compacted_when_the_pond_says_how_often() {
        let every = |text: &str| parse(text).0.and_then(|config| config.compact_every_ms);
        assert_eq!((every(""), every("[lake]\ncompact_every = '1 h'\n")), (None, Some(3_600_000)));
        let (_, problems) = parse("[lake]\ncompact_every = '5 s'\n");
        assert!(problems[0].contains("`compact_every` is less than a minute"), "{problems:?}");
    }

    #[test]
    fn lanes_have_names_and_different_sizes() {
        let (config, problems) = parse("[lane.big]\nmemory = '1 GiB'\njobs = 1\n[lane.tiny]\nmemory = '32 MiB'\n");
        assert!(problems.is_empty(), "{problems:?}");
        let lanes = config.expect("config").lanes_anywhere();
        let names: Vec<&str> = lanes.all().iter().map(|lane| lane.name.as_str()).collect();
        assert_eq!(names, ["tiny", "big"]);
        let (_, problems) = parse("[lane.a]\nmemory = '1 MiB'\n[lane.b]\njobs = 2\n[lane.c]\nmemory = '1 MiB'\n");
        for told in ["lane `a` has less than 8 MiB", "`memory` is missing in `[lane.b]`", "lanes `a` and `c`"] {
            assert!(problems.iter().any(|problem| problem.contains(told)), "{told}: {problems:?}");
        }
        assert_eq!(parse("").0.expect("config").lanes().all().len(), 3);
    }

    #[test]
    fn only_allowed_locations_are_read() {
        let allow = Allow::new(&["s3://intel/**".into(), "enrich/*.parquet".into()]).expect("allow");
        assert!(allow.check("s3://intel/a/b.parquet").is_ok());
        assert!(allow.check("enrich/assets.parquet").is_ok());
        for refused in ["/etc/passwd", "enrich/../secret.parquet", "s3://intel/../other/x", "s3://other/x"] {
            assert!(allow.check(refused).is_err(), "{refused}");
        }
    }
}
