//! Matches labelled events and compares the hits with what is expected; `cargo xtask sigma-check` runs it.
//!
//! An event is one line `{"ls": [log sources it belongs to], "ev": {its fields}}`, perhaps compressed with zstd; an
//! expected hit is one line `<line of the event, from 0> <id of the rule>`. Times are of one thread's CPU.

mod from_pack;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use millpond_core::logsource::LogSource;
use millpond_sigma::{Collection, Hit, Matcher, Pack, RuleFile, RuleSet};
use serde_json::{Map, Value};

/// Rows of a batch, as in a job.
const BATCH_ROWS: usize = 4096;
/// How often the events are matched again for the time.
const REPEATS: u32 = 15;

type Failure = Box<dyn std::error::Error>;

#[derive(serde::Deserialize)]
struct Labelled {
    ls: Vec<LogSource>,
    ev: Map<String, Value>,
}

/// Rows that belong to the same log sources.
struct Class {
    sources: Vec<LogSource>,
    /// By batch.
    rows: Vec<Vec<u32>>,
}

struct Arguments {
    rules: Vec<PathBuf>,
    events: PathBuf,
    expected: PathBuf,
}

fn main() -> ExitCode {
    if let Some(folder) = std::env::args().skip_while(|argument| argument != from_pack::OPTION).nth(1) {
        return exit_code(from_pack::measure(Path::new(&folder)).map(|()| true));
    }
    exit_code(arguments().and_then(|arguments| check(&arguments)))
}

fn exit_code(outcome: Result<bool, Failure>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}\nhint: sigma_check --rules DIR... --events FILE --expected FILE");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Arguments, Failure> {
    let mut values: HashMap<String, Vec<PathBuf>> = HashMap::new();
    let mut name = String::new();
    for argument in std::env::args().skip(1) {
        match argument.strip_prefix("--") {
            Some(option) => option.clone_into(&mut name),
            None => values.entry(name.clone()).or_default().push(argument.into()),
        }
    }
    let mut take = |name: &str| values.remove(name).ok_or_else(|| format!("`--{name}` is missing"));
    let rules = take("rules")?;
    let events = take("events")?.remove(0);
    let expected = take("expected")?.remove(0);
    Ok(Arguments { rules, events, expected })
}

fn check(arguments: &Arguments) -> Result<bool, Failure> {
    let started = cpu_time()?;
    let mut files = Vec::new();
    for folder in &arguments.rules {
        read_rules(folder, &mut files)?;
    }
    let collection = Collection::read(files);
    let read = cpu_time()? - started;
    let rejected = collection.rejections.len();
    for rejection in &collection.rejections {
        eprintln!("rejected: {rejection}");
    }
    let pack = Pack::write(&collection, [0; 32])?;
    let rules = RuleSet::from(collection);
    println!("rules: {} loaded, {rejected} rejected, read in {:.3} s", rules.rules().len(), read.as_secs_f64());
    let events = read_events(&arguments.events)?;
    let (batches, classes) = batches(&events)?;
    let found = matched(&rules, &batches, &classes, events.len())?;
    from_pack::told(&pack, &rules, &batches[0].schema(), classes.into_iter().map(|class| class.sources))?;
    Ok(tell_differences(&found, &read_expected(&arguments.expected)?))
}

/// The hits, after it was told how long they took.
fn matched(
    rules: &RuleSet,
    batches: &[RecordBatch],
    classes: &[Class],
    events: usize,
) -> Result<HashSet<(u32, String)>, Failure> {
    let started = cpu_time()?;
    let (schema, renames) = (batches[0].schema(), BTreeMap::new());
    let mut matchers: Vec<_> = classes.iter().map(|class| rules.matcher(&class.sources, &schema, &renames)).collect();
    let made_ready = cpu_time()? - started;
    let mut found = Vec::new();
    let mut times = Vec::new();
    for _ in 0..REPEATS {
        let started = cpu_time()?;
        found = hits(batches, classes, &mut matchers);
        times.push(cpu_time()? - started);
    }
    times.sort();
    println!("made ready for {} kinds of events in {:.3} s", classes.len(), made_ready.as_secs_f64());
    println!("events: {events}, {:.0} per CPU-second", events as f64 / times[times.len() / 2].as_secs_f64());
    let named = |hit: &Hit| (hit.row, rules.rules()[hit.rule as usize].about.id.clone());
    Ok(found.iter().map(named).collect())
}

/// The hits of all batches; rows are counted through.
fn hits(batches: &[RecordBatch], classes: &[Class], matchers: &mut [Matcher]) -> Vec<Hit> {
    let mut found = Vec::new();
    for (class, matcher) in classes.iter().zip(matchers) {
        for ((index, batch), rows) in batches.iter().enumerate().zip(&class.rows) {
            let mut hits = Vec::new();
            matcher.find(batch, rows.iter().copied(), &mut hits);
            found.extend(hits.into_iter().map(|hit| Hit { row: hit.row + (index * BATCH_ROWS) as u32, ..hit }));
        }
    }
    found
}

fn tell_differences(found: &HashSet<(u32, String)>, expected: &HashSet<(u32, String)>) -> bool {
    let mut missing: Vec<_> = expected.difference(found).collect();
    let mut invented: Vec<_> = found.difference(expected).collect();
    missing.sort();
    invented.sort();
    for (row, rule) in missing.iter().take(20) {
        eprintln!("missing: {row} {rule}");
    }
    for (row, rule) in invented.iter().take(20) {
        eprintln!("invented: {row} {rule}");
    }
    println!("hits: {}, false negatives: {}, false positives: {}", found.len(), missing.len(), invented.len());
    missing.is_empty() && invented.is_empty()
}

fn read_rules(folder: &Path, files: &mut Vec<RuleFile>) -> Result<(), Failure> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            read_rules(&path, files)?;
        } else if path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml") {
            files.push(RuleFile { name: path.display().to_string(), text: std::fs::read_to_string(&path)? });
        }
    }
    Ok(())
}

fn read_events(file: &Path) -> Result<Vec<Labelled>, Failure> {
    let bytes = std::fs::read(file)?;
    let text = match file.extension().is_some_and(|ending| ending == "zst") {
        true => zstd::decode_all(bytes.as_slice())?,
        false => bytes,
    };
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    Ok(lines.map(serde_json::from_slice).collect::<Result<_, _>>()?)
}

fn read_expected(file: &Path) -> Result<HashSet<(u32, String)>, Failure> {
    let text = std::fs::read_to_string(file)?;
    let hit = |line: &str| -> Result<(u32, String), Failure> {
        let (row, rule) = line.split_once(' ').ok_or_else(|| format!("`{line}` is no hit"))?;
        Ok((row.parse()?, rule.to_owned()))
    };
    text.lines().map(hit).collect()
}

/// Every field of any event is a text column, as a reader of JSON without a schema would give it.
fn batches(events: &[Labelled]) -> Result<(Vec<RecordBatch>, Vec<Class>), Failure> {
    let names: BTreeSet<&str> = events.iter().flat_map(|event| event.ev.keys().map(String::as_str)).collect();
    let schema: SchemaRef =
        Arc::new(Schema::new(names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect::<Vec<_>>()));
    let mut classes: Vec<Class> = Vec::new();
    let mut batches = Vec::new();
    for (index, chunk) in events.chunks(BATCH_ROWS).enumerate() {
        let columns = names.iter().map(|name| column(chunk, name)).collect();
        batches.push(RecordBatch::try_new(Arc::clone(&schema), columns)?);
        for (row, event) in (0u32..).zip(chunk) {
            let mut sources = event.ls.clone();
            sources.sort();
            let at = classes.iter().position(|class| class.sources == sources).unwrap_or_else(|| {
                let rows = vec![Vec::new(); events.len().div_ceil(BATCH_ROWS)];
                classes.push(Class { sources, rows });
                classes.len() - 1
            });
            classes[at].rows[index].push(row);
        }
    }
    Ok((batches, classes))
}

fn column(events: &[Labelled], name: &str) -> ArrayRef {
    let mut texts = StringBuilder::new();
    for event in events {
        match event.ev.get(name) {
            None | Some(Value::Null) => texts.append_null(),
            Some(Value::String(text)) => texts.append_value(text),
            Some(other) => texts.append_value(other.to_string()),
        }
    }
    Arc::new(texts.finish())
}

/// CPU time of this thread so far; see `sched-stats` in the kernel's documentation. The kernel brings the number up to
/// date when the thread gives way.
fn cpu_time() -> Result<Duration, Failure> {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split_whitespace().next().ok_or("`schedstat` is empty")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}
