//! `millpond scan`: evidence against Sigma rules, without a pond.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use clap::Args;
use millpond::rules;
use millpond::scan::{Scan, ScanHit, ScannedFile, files_below};
use millpond_core::logsource::{EventSource, LogSource};
use millpond_core::source::Severity;
use millpond_core::{Error, Result};
use millpond_sigma::RuleSet;

use crate::output;

/// Hits that a table shows; JSON and CSV have no such limit.
const TABLE_HITS_MAX: usize = 1_000;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Sigma rules: files, folders with `.yml` files at any depth, or packs of `millpond sigma compile`
    #[arg(long, value_name = "PATH", required = true)]
    rules: Vec<PathBuf>,
    /// Files and folders to look through
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// What the events are, such as `product=aws,service=cloudtrail`; by default each file tells
    #[arg(long, value_name = "NAMES", value_parser = logsource)]
    logsource: Option<LogSource>,
    /// Leave out hits below this
    #[arg(long, value_name = "LEVEL", default_value = "informational", value_parser = level)]
    level_min: Severity,
    /// How many files at a time; by default as many as there are processors
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print JSON lines
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV
    #[arg(long)]
    csv: bool,
}

fn level(name: &str) -> Result<Severity, String> {
    let names = Severity::NAMES.map(|(name, _)| name).join(", ");
    let known = Severity::NAMES.iter().find(|(known, _)| *known == name);
    known.map(|(_, level)| *level).ok_or_else(|| format!("levels are {names}"))
}

fn logsource(text: &str) -> Result<LogSource, String> {
    let mut logsource = LogSource::default();
    for part in text.split(',') {
        let (name, value) = part.split_once('=').ok_or_else(|| format!("`{part}` is not `name=value`"))?;
        let value = Some(value.trim().to_lowercase());
        match name.trim() {
            "category" => logsource.category = value,
            "product" => logsource.product = value,
            "service" => logsource.service = value,
            other => return Err(format!("`{other}` is none of `category`, `product`, `service`")),
        }
    }
    Ok(logsource)
}

/// What all files came to.
#[derive(Debug, Default)]
struct Total {
    hits: Vec<ScanHit>,
    files: usize,
    records: u64,
    rejected: u64,
    untold: Vec<PathBuf>,
    failed: Vec<(PathBuf, Error)>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let started = Instant::now();
    let rules = load(&arguments.rules)?;
    let files = files_below(&arguments.files)?;
    let events = arguments.logsource.clone().map(|logsource| EventSource { logsource, ..EventSource::default() });
    let scan = Scan { rules: Arc::new(rules), events, level_min: arguments.level_min };
    let threads = arguments.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()));
    let total = Mutex::new(Total::default());
    let bar = crate::progress::files(files.len());
    scan.files(&files, threads, &|file| {
        total.lock().unwrap_or_else(PoisonError::into_inner).add(file);
        bar.inc(1);
    });
    bar.finish_and_clear();
    let mut total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    total.hits.sort_by(|left, right| (&left.file, left.row, &left.rule).cmp(&(&right.file, right.row, &right.rule)));
    match (arguments.json, arguments.csv) {
        (true, _) => output::print_json_lines(&total.hits)?,
        (_, true) => print_csv(&total.hits)?,
        _ => print_table(&mut total.hits)?,
    }
    total.tell(started);
    Ok(if total.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads rules and says on stderr how many there are, and how many were refused.
fn load(paths: &[PathBuf]) -> Result<RuleSet> {
    let (mut all, mut rejected) = (Vec::new(), 0);
    for path in paths {
        if !path.exists() {
            return Err(Error::bad_config(format!("there are no rules in `{}`", path.display())).hint(
                "name a Sigma rule or a folder of them, such as https://github.com/SigmaHQ/sigma/tree/master/rules",
            ));
        }
        if path.extension().is_some_and(|ending| ending == rules::PACK_ENDING) {
            let pack = rules::open_pack(path)?;
            all.extend_from_slice(pack.load(|_| true)?.rules());
            rejected += pack.rejected() as usize;
        } else {
            let read = rules::read(std::path::Path::new(""), path)?;
            all.extend(read.rules);
            rejected += read.rejections.len();
        }
    }
    eprintln!("{} rules loaded, {rejected} rejected", all.len());
    if rejected > 0 {
        eprintln!("  `millpond sigma check` says why");
    }
    Ok(RuleSet::new(all, Vec::new()))
}

impl Total {
    fn add(&mut self, file: ScannedFile) {
        self.files += 1;
        self.records += file.records;
        self.rejected += file.rejected;
        self.hits.extend(file.hits);
        match (file.error, file.events) {
            (Some(error), _) => self.failed.push((file.file, error)),
            (None, None) => self.untold.push(file.file),
            (None, Some(_)) => {}
        }
    }

    fn tell(&self, started: Instant) {
        for (file, error) in &self.failed {
            eprintln!("failed to read `{}`: {}", file.display(), error.report());
        }
        if let Some(first) = self.untold.first() {
            eprintln!("{} files are of no known log source, `{}` for one", self.untold.len(), first.display());
            eprintln!("  hint: name it, such as `--logsource product=linux,service=auditd`");
        }
        let seconds = started.elapsed().as_secs_f64();
        eprintln!(
            "{} hits in {} records of {} files, {} records refused, {seconds:.1} s",
            self.hits.len(),
            self.records,
            self.files,
            self.rejected
        );
    }
}

/// The worst first.
fn print_table(hits: &mut [ScanHit]) -> Result<()> {
    let rank = |hit: &ScanHit| Severity::NAMES.iter().position(|(name, _)| *name == hit.level);
    hits.sort_by_key(|hit| std::cmp::Reverse(rank(hit)));
    let columns: [output::Column<ScanHit>; 7] = [
        ("level", |hit| hit.level.to_owned()),
        ("time", |hit| hit.time.clone().unwrap_or_default()),
        ("title", |hit| hit.title.clone()),
        ("computer", |hit| hit.computer.clone().unwrap_or_default()),
        ("file", |hit| hit.file.clone()),
        ("row", |hit| hit.row.map(|row| row.to_string()).unwrap_or_default()),
        ("fields", |hit| shown(hit)),
    ];
    let shown = &hits[..hits.len().min(TABLE_HITS_MAX)];
    if !shown.is_empty() {
        output::print(&output::text_table(&columns, shown))?;
    }
    if shown.len() < hits.len() {
        eprintln!("the first {TABLE_HITS_MAX} hits; all of them with --json or --csv");
    }
    Ok(())
}

/// The fields on one line, long values cut.
fn shown(hit: &ScanHit) -> String {
    let short = |value: &serde_json::Value| {
        let text: String = value.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        match text.char_indices().nth(80) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    };
    hit.fields.iter().map(|(name, value)| format!("{name}={}", short(value))).collect::<Vec<_>>().join(" ")
}

fn print_csv(hits: &[ScanHit]) -> Result<()> {
    output::print("time,level,title,rule,author,technique,computer,file,row,fields\n")?;
    for hit in hits {
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        let cells = [
            optional(&hit.time),
            hit.level.to_owned(),
            hit.title.clone(),
            hit.rule.clone(),
            optional(&hit.author),
            optional(&hit.technique),
            optional(&hit.computer),
            hit.file.clone(),
            hit.row.map(|row| row.to_string()).unwrap_or_default(),
            serde_json::Value::Object(hit.fields.clone()).to_string(),
        ];
        output::print(&output::csv_line(&cells))?;
    }
    Ok(())
}
