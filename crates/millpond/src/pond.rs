//! A pond: the user's folder, read and checked as a whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millpond_core::config::{PondConfig, Problems};
use millpond_core::plan::Engine as EngineKind;
use millpond_core::route::check_conflicts;
use millpond_core::signal::Signal;
use millpond_core::source::{Source, SourceFiles, Sql};
use millpond_core::units::nearest;
use millpond_core::{Error, Result};
use millpond_engine::encode::fits;
use millpond_engine::engine::Engines;
use millpond_engine::prepare::{Prepared, prepare};
use millpond_engine::run::{locations, locations_of};
use millpond_engine::tables::Tables;
use millpond_engine::{session, sql};
use millpond_sigma::RuleSet;

use crate::correlating::Correlations;
use crate::lake::Lake;
use crate::rules;
use crate::signals::{self, Periodic};
use crate::store::Stores;
use crate::tables;

/// The file that makes a folder a pond.
pub const CONFIG_FILE: &str = "millpond.toml";
/// Memory of a pond that does not say, where the machine does not tell its own.
const MEMORY_BYTES: u64 = 1 << 30;

/// A pond whose configuration, sources and SQL are right.
#[derive(Debug)]
pub struct Pond {
    /// The folder.
    pub root: PathBuf,
    /// `millpond.toml`.
    pub config: PondConfig,
    /// The sources, by name.
    pub sources: Vec<Source>,
    /// The signals over the lake, by name.
    pub periodic: Vec<Periodic>,
    /// The Sigma correlations; `None`: it has none.
    pub correlations: Option<Arc<Correlations>>,
    /// What runs its transforms.
    pub engines: Engines,
    pub(crate) tables: Tables,
    prepared: BTreeMap<String, Prepared>,
}

impl Pond {
    /// The nearest pond: `folder` or the first of its parents with a `millpond.toml`.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when there is none.
    pub fn find(folder: &Path) -> Result<PathBuf> {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let found = folder.ancestors().find(|folder| folder.join(CONFIG_FILE).is_file());
        found.map(Path::to_owned).ok_or_else(|| {
            Error::bad_config(format!("no `{CONFIG_FILE}` in `{}` or above it", folder.display()))
                .hint("make a pond with `millpond init DIR`, or name one with `--pond DIR`")
        })
    }

    /// Reads and checks the pond in `root`.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) that lists everything that is wrong, with file and line.
    pub async fn load(root: &Path) -> Result<Self> {
        let mut problems = Problems::default();
        let pond = Self::check(root, &mut problems).await?;
        problems.into_result()?;
        pond.ok_or_else(|| Error::bug("a pond without problems did not load"))
    }

    /// Reads the pond in `root` and notes everything that is wrong; what can be read is returned.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when the folder itself cannot be read.
    pub async fn check(root: &Path, problems: &mut Problems) -> Result<Option<Self>> {
        let text = read(&root.join(CONFIG_FILE))?;
        let config = PondConfig::parse(CONFIG_FILE, &text, machine_memory_bytes() / 2, problems);
        let mut sources = read_sources(root, problems)?;
        check_conflicts(&sources, problems);
        let mut periodic = read_periodic(root, problems)?;
        let Some(config) = config else { return Ok(None) };
        sources.iter_mut().for_each(|source| source.engine = source.engine.or(Some(config.engine)));
        let engines = Engines::new(root, &config.drivers);
        let names: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
        check_watched(&config, root, &names, problems);
        periodic.extend(signals::health::signals(&config.health, &names));
        let tables = load_tables(&config, root, &sources, &periodic, problems).await;
        let rules = read_rules(root, &sources, problems)?;
        let correlations = Correlations::new(&rules, &config)?;
        let mut prepared = BTreeMap::new();
        for source in &sources {
            let engine = match engines.get(source.engine()) {
                Ok(engine) => engine,
                Err(error) => {
                    problems.add(&source.config.file, source.config.line_of("engine"), &error);
                    continue;
                }
            };
            if let Some(ready) = prepare(&Arc::new(source.clone()), &engine, &tables, problems).await {
                prepared.insert(source.name.clone(), ready.with_rules(&rules, &correlations.correlator));
            }
        }
        check_shared_tables(&prepared, problems);
        let is_whole = prepared.len() == sources.len();
        let correlations = (!correlations.is_empty()).then(|| Arc::new(correlations));
        let pond = Self { root: root.to_owned(), config, sources, periodic, correlations, engines, tables, prepared };
        // The tables of a source that is wrong have no columns yet.
        if is_whole {
            signals::check(&pond, problems).await;
        }
        Ok(Some(pond))
    }

    /// Looks for mistakes in signals that run and find the wrong rows: nothing that keeps the pond from working.
    pub async fn lint(&self, problems: &mut Problems) {
        self.lint_geoip(problems);
        self.all_prepared().for_each(|prepared| prepared.lint(problems));
        signals::lint(self, problems).await;
    }

    /// Tells once that a function looks addresses up in a database that the pond does not name.
    fn lint_geoip(&self, problems: &mut Problems) {
        let geoip = &self.config.geoip;
        let state = session::state(session::config(1, 1_024));
        for (name, key, database) in [("geoip", "city", &geoip.city), ("asn", "asn", &geoip.asn)] {
            if database.is_some() {
                continue;
            }
            let found =
                self.queries().find_map(|query| Some((query, sql::line_of_call(&state, &query.text, &[name])?)));
            if let Some((query, line)) = found {
                let error = Error::bad_config(format!("`{name}` gives NULL: the pond has no database for it"));
                let hint = format!("name one in `millpond.toml`: `[geoip]` `{key} = \"enrich/….mmdb\"`");
                problems.warn(&query.file, line, &error.hint(hint));
            }
        }
    }

    /// The SQL of all sources and signals.
    fn queries(&self) -> impl Iterator<Item = &Sql> {
        let of_sources = self.sources.iter().flat_map(|source| {
            std::iter::once(source.own_transform()).chain(source.signals.iter().map(|signal| &signal.sql))
        });
        of_sources.chain(self.periodic.iter().map(|periodic| &periodic.signal.sql))
    }

    /// A source with its planned SQL.
    pub fn prepared(&self, source: &str) -> Option<&Prepared> {
        self.prepared.get(source)
    }

    /// A source with its transform planned on another engine than its own.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when the engine cannot be loaded, or does not take the SQL.
    pub async fn prepare_on(&self, source: &Source, engine: EngineKind) -> Result<Prepared> {
        let mut problems = Problems::default();
        let engine = self.engines.get(engine)?;
        let prepared = prepare(&Arc::new(source.clone()), &engine, &self.tables, &mut problems).await;
        problems.into_result()?;
        prepared.ok_or_else(|| Error::bug(format!("source `{}` without problems was not planned", source.name)))
    }

    /// Every source with its planned SQL.
    pub fn all_prepared(&self) -> impl Iterator<Item = &Prepared> {
        self.prepared.values()
    }

    /// A source by name.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) with the nearest name.
    pub fn source(&self, name: &str) -> Result<&Source> {
        let names = || self.sources.iter().map(|source| source.name.as_str());
        self.sources.iter().find(|source| source.name == name).ok_or_else(|| {
            let error = Error::bad_config(format!("the pond has no source `{name}`"));
            match nearest(name, names()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("its sources are {}", names().collect::<Vec<_>>().join(", "))),
            }
        })
    }

    /// Opens the pond's lake and makes sure that every source's rows still fit its table.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when a column changed its type.
    pub async fn open_lake(&self, stores: &Stores) -> Result<Lake> {
        let lake = Lake::open(stores, &self.config.lake, &self.root)?;
        for prepared in self.all_prepared() {
            lake.check_schema(&prepared.source.table, &prepared.output_schema).await?;
        }
        Ok(lake)
    }

    /// Opens the lake of the pond in `root` for those who only read it, whatever state its sources are in.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when `millpond.toml` is wrong or the lake cannot be opened.
    pub fn lake_of(stores: &Stores, root: &Path) -> Result<Lake> {
        Lake::open(stores, &Self::config_of(root)?.lake, root)
    }

    /// `millpond.toml` of the pond in `root` alone.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when it is wrong.
    pub fn config_of(root: &Path) -> Result<PondConfig> {
        let mut problems = Problems::default();
        let text = read(&root.join(CONFIG_FILE))?;
        let config = PondConfig::parse(CONFIG_FILE, &text, MEMORY_BYTES, &mut problems);
        problems.into_result()?;
        config.ok_or_else(|| Error::bug("a configuration without problems was not read"))
    }

    /// The sources of the pond in `root` as they are written, without planning their SQL.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when a `source.toml` is wrong.
    pub fn sources_of(root: &Path) -> Result<Vec<Source>> {
        let mut problems = Problems::default();
        let sources = read_sources(root, &mut problems)?;
        problems.into_result()?;
        Ok(sources)
    }

    /// What tells whether a file of the pond changed: made of the times and sizes of its files, and the configuration.
    pub fn stamp(root: &Path) -> u64 {
        fn add(stamp: &mut u64, meta: &std::fs::Metadata) {
            let changed = meta.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
            let changed = changed.map_or(0, |time| time.as_nanos() as u64);
            *stamp = stamp.wrapping_mul(31).wrapping_add(changed ^ meta.len());
        }
        fn walk(folder: &Path, stamp: &mut u64) {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            for entry in entries {
                match entry.metadata() {
                    Ok(meta) if meta.is_dir() => walk(&entry.path(), stamp),
                    Ok(meta) => add(stamp, &meta),
                    Err(_) => {}
                }
            }
        }
        let mut stamp = 0;
        for folder in ["sources", "enrich", "signals", rules::RULES] {
            walk(&root.join(folder), &mut stamp);
        }
        if let Ok(meta) = rules::pack_of(root).metadata() {
            add(&mut stamp, &meta);
        }
        let config = std::fs::read(root.join(CONFIG_FILE)).unwrap_or_default();
        config.iter().fold(stamp, |stamp, byte| stamp.wrapping_mul(31).wrapping_add(u64::from(*byte)))
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| Error::bad_config(format!("failed to read `{}`", path.display())).because(error))
}

/// The entries of a folder by name; a folder that is missing has none.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let failed = |error| Error::bad_config(format!("failed to list `{}`", folder.display())).because(error);
    let listed = std::fs::read_dir(folder).map_err(failed)?;
    let mut paths =
        listed.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    paths.sort();
    Ok(paths)
}

fn read_sources(root: &Path, problems: &mut Problems) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for folder in entries(&root.join("sources"))? {
        if folder.join("source.toml").is_file() {
            sources.extend(Source::parse(&read_source_files(root, &folder)?, problems));
        }
    }
    Ok(sources)
}

/// The packs in a folder, or the one of this name, each with what is wrong with it.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when there is none of that name.
pub(crate) fn read_packs(folder: &Path, pack: Option<&str>) -> Result<Vec<(Option<Source>, Problems)>> {
    let mut packs = Vec::new();
    for path in entries(folder)?.iter().filter(|path| path.join("source.toml").is_file()) {
        if pack.is_none_or(|name| path.file_name().is_some_and(|found| found == name)) {
            let mut problems = Problems::default();
            let source = Source::parse(&read_source_files(folder, path)?, &mut problems);
            packs.push((source, problems));
        }
    }
    match pack {
        Some(name) if packs.is_empty() => {
            Err(Error::bad_config(format!("`{}` has no pack `{name}`", folder.display())))
        }
        _ => Ok(packs),
    }
}

/// The signals over the lake: `signals/*.sql`.
fn read_periodic(root: &Path, problems: &mut Problems) -> Result<Vec<Periodic>> {
    let mut periodic = Vec::new();
    for path in entries(&root.join("signals"))?.iter().filter(|path| is_sql(path)) {
        let sql = read_sql(root, path)?;
        let signal = Signal::parse_periodic(&sql, problems);
        if let Some(name) = signal.as_ref().map(|signal| signal.name.as_str()).filter(|name| !is_signal_name(name)) {
            let error = Error::bad_config(format!("`{name}` cannot be the name of a signal"));
            let hint = "use letters, digits, `_` and `-`; names that start with `health_` are millpond's own";
            problems.add(&sql.file, 1, &error.hint(hint));
        }
        periodic.extend(signal.map(|signal| Periodic { kind: "periodic", signal }));
    }
    Ok(periodic)
}

/// Names are parts of file names in the lake.
fn is_signal_name(name: &str) -> bool {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    !name.is_empty() && name.chars().all(is_plain) && !name.starts_with("health_")
}

/// Every source of `[health.sources]` exists.
fn check_watched(config: &PondConfig, root: &Path, names: &[String], problems: &mut Problems) {
    for (name, _) in config.health.sources.iter().filter(|(name, _)| !names.contains(name)) {
        let error = Error::bad_config(format!("`[health.sources]` names `{name}`, and the pond has no such source"));
        let error = match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("a source is a folder of `sources/`"),
        };
        let text = read(&root.join(CONFIG_FILE)).unwrap_or_default();
        let line = text.lines().position(|line| line.contains("health.sources") && line.contains(name.as_str()));
        problems.add(CONFIG_FILE, line.map_or(1, |index| index + 1), &error);
    }
}

fn is_sql(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "sql")
}

/// A file of SQL, named by its path below the pond.
fn read_sql(root: &Path, path: &Path) -> Result<Sql> {
    let below = path.strip_prefix(root).unwrap_or(path);
    Ok(Sql { file: below.to_string_lossy().replace('\\', "/"), text: read(path)? })
}

/// `transform.<engine>.sql` of a source, by engine.
fn read_dialects(root: &Path, folder: &Path) -> Result<Vec<(EngineKind, Sql)>> {
    let files = EngineKind::NAMES.iter().map(|(name, kind)| (*kind, folder.join(format!("transform.{name}.sql"))));
    files.filter(|(_, path)| path.is_file()).map(|(kind, path)| Ok((kind, read_sql(root, &path)?))).collect()
}

fn read_source_files(root: &Path, folder: &Path) -> Result<SourceFiles> {
    let sql = |path: &Path| read_sql(root, path);
    let transform = folder.join("transform.sql");
    let signals = entries(&folder.join("signals"))?;
    Ok(SourceFiles {
        name: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        config: sql(&folder.join("source.toml"))?,
        transform: if transform.is_file() { Some(sql(&transform)?) } else { None },
        dialects: read_dialects(root, folder)?,
        signals: signals.iter().filter(|path| is_sql(path)).map(|path| sql(path)).collect::<Result<_>>()?,
    })
}

/// Loads the tables; one that cannot be loaded is a problem of the pond, told where it is named.
async fn load_tables(
    config: &PondConfig,
    root: &Path,
    sources: &[Source],
    periodic: &[Periodic],
    problems: &mut Problems,
) -> Tables {
    let over_lake = || periodic.iter().map(|periodic| &periodic.signal.sql);
    let named = sources.iter().flat_map(locations).chain(over_lake().flat_map(locations_of)).collect();
    let (tables, failures) = tables::load(config, root, sources, &named).await;
    let queries = || {
        let harvested = sources.iter().flat_map(|source| {
            std::iter::once(source.own_transform()).chain(source.signals.iter().map(|signal| &signal.sql))
        });
        harvested.chain(over_lake())
    };
    for (name, error) in failures {
        let line = queries().find_map(|sql| {
            let index = sql.text.lines().position(|line| named.contains(&name) && line.contains(&name))?;
            Some((sql.file.as_str(), index + 1))
        });
        let (file, line) = line.unwrap_or((CONFIG_FILE, 1));
        problems.add(file, line, &error);
    }
    tables
}

/// Sources that share a table must give it columns of the same types.
fn check_shared_tables(prepared: &BTreeMap<String, Prepared>, problems: &mut Problems) {
    for (index, one) in prepared.values().enumerate() {
        for other in prepared.values().take(index).filter(|other| other.source.table == one.source.table) {
            for field in one.output_schema.fields() {
                if let Ok(known) = other.output_schema.field_with_name(field.name())
                    && !fits(known.data_type(), field.data_type())
                {
                    let error = Error::bad_config(format!(
                        "sources `{}` and `{}` give table `{}` column `{}` as {} and {}",
                        other.source.name,
                        one.source.name,
                        one.source.table,
                        field.name(),
                        known.data_type(),
                        field.data_type()
                    ));
                    problems.add(
                        &one.transform_sql().file,
                        1,
                        &error.hint("cast one of them, or give it another name"),
                    );
                }
            }
        }
    }
}

/// The machine's memory, or what its container may use.
fn machine_memory_bytes() -> u64 {
    let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let total = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib << 10)
    });
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"].map(number);
    [total, limits[0], limits[1]].into_iter().flatten().min().unwrap_or(2 * MEMORY_BYTES)
}

/// The pond's Sigma rules, with correlations if all are within the limits.
fn read_rules(root: &Path, sources: &[Source], problems: &mut Problems) -> Result<RuleSet> {
    let events: Vec<_> = sources.iter().filter_map(|source| source.logsource.as_ref()).collect();
    let rules = rules::of_pond(root, &events, problems)?;
    match Correlations::check(&rules, problems) {
        true => Ok(rules),
        false => Ok(rules.without_correlations()),
    }
}
