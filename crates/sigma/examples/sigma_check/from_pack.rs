//! How long it takes until rules are ready from a pack, in a process that did nothing before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use arrow::datatypes::{DataType, Field, Schema};
use millpond_core::logsource::LogSource;
use millpond_sigma::{Pack, RuleSet, Wanted};

use crate::{Failure, cpu_time};

/// What the process is started with, before the folder of what it needs.
pub(crate) const OPTION: &str = "--from-pack";
const PACK: &str = "rules.pack";
const KINDS: &str = "kinds.json";
/// How many processes there are; the median counts.
const PROCESSES: usize = 5;

/// The columns of the events, and the log sources of each kind of event.
#[derive(serde::Serialize, serde::Deserialize)]
struct Kinds {
    columns: Vec<String>,
    sources: Vec<Vec<LogSource>>,
}

/// Checks that the pack holds the rules, starts the processes and tells the median of what they print.
pub(crate) fn told(
    pack: &[u8],
    rules: &RuleSet,
    schema: &Schema,
    sources: impl Iterator<Item = Vec<LogSource>>,
) -> Result<(), Failure> {
    if Pack::open(pack)?.load(|_| true)?.rules() != rules.rules() {
        return Err("the pack holds other rules than were read".into());
    }
    let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
    let folder = std::env::temp_dir().join(format!("sigma-check-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(PACK), pack)?;
    std::fs::write(folder.join(KINDS), serde_json::to_vec(&Kinds { columns, sources: sources.collect() })?)?;
    let outputs: Result<Vec<_>, Failure> = (0..PROCESSES).map(|_| process(&folder)).collect();
    std::fs::remove_dir_all(&folder)?;
    let outputs = outputs?;
    println!("from the pack: {} bytes", pack.len());
    for (line, (what, _)) in outputs[0].iter().enumerate() {
        let mut seconds: Vec<f64> = outputs.iter().map(|lines| lines[line].1).collect();
        seconds.sort_by(f64::total_cmp);
        println!("from the pack: {what} in {:.4} s", seconds[PROCESSES / 2]);
    }
    Ok(())
}

/// What one process measured: what, and its seconds.
fn process(folder: &Path) -> Result<Vec<(String, f64)>, Failure> {
    let output = Command::new(std::env::current_exe()?).arg(OPTION).arg(folder).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let line = |line: &str| -> Result<(String, f64), Failure> {
        let (what, seconds) = line.rsplit_once('\t').ok_or("a line without a time")?;
        Ok((what.to_owned(), seconds.parse()?))
    };
    String::from_utf8(output.stdout)?.lines().map(line).collect()
}

/// Measures, as the process that [`told`] starts.
pub(crate) fn measure(folder: &Path) -> Result<(), Failure> {
    let kinds: Kinds = serde_json::from_slice(&std::fs::read(folder.join(KINDS))?)?;
    let cloudtrail = LogSource { category: None, product: Some("aws".into()), service: Some("cloudtrail".into()) };
    let (rules, loaded) = loaded(folder, std::slice::from_ref(&cloudtrail))?;
    let ready = made_ready(&rules, &schema_for(&rules), &[vec![cloudtrail]])?;
    tell(&format!("{} rules for aws/cloudtrail ready", rules.rules().len()), loaded + ready);
    drop(rules);

    let columns = kinds.columns.iter().map(|name| Field::new(name, DataType::Utf8, true));
    let schema = Schema::new(columns.collect::<Vec<_>>());
    let (rules, loaded) = self::loaded(folder, &[])?;
    let ready = made_ready(&rules, &schema, &kinds.sources)?;
    tell(&format!("{} rules loaded", rules.rules().len()), loaded);
    tell(&format!("those made ready for {} kinds of events", kinds.sources.len()), ready);
    tell("all ready from disk", loaded + ready);
    Ok(())
}

fn tell(what: &str, time: Duration) {
    println!("{what}\t{}", time.as_secs_f64());
}

/// The rules for events of these log sources, or all, read from disk.
fn loaded(folder: &Path, sources: &[LogSource]) -> Result<(RuleSet, Duration), Failure> {
    let started = cpu_time()?;
    let pack = Pack::open(std::fs::read(folder.join(PACK))?)?;
    let rules = pack.load(|rules| sources.is_empty() || sources.iter().any(|source| rules.takes(source)))?;
    Ok((rules, cpu_time()? - started))
}

fn made_ready(rules: &RuleSet, schema: &Schema, kinds: &[Vec<LogSource>]) -> Result<Duration, Failure> {
    let started = cpu_time()?;
    let matchers: Vec<_> = kinds.iter().map(|sources| rules.matcher(sources, schema, &BTreeMap::new())).collect();
    let ready = cpu_time()? - started;
    drop(matchers);
    Ok(ready)
}

/// Text columns for the fields that rules name; what is behind a dot lies in the column before it.
fn schema_for(rules: &RuleSet) -> Schema {
    let wanted = Wanted::by(rules.rules());
    let columns: BTreeSet<&str> = wanted.fields.iter().filter_map(|field| field.split('.').next()).collect();
    Schema::new(columns.into_iter().map(|name| Field::new(name, DataType::Utf8, true)).collect::<Vec<_>>())
}
