//! `cargo xtask fuzz`: every reader on mutated inputs, with libFuzzer on the stable compiler and without cargo-fuzz.
//!
//! Targets are `fuzz/fuzz_targets/*.rs`. Build, corpora and artifacts lie in the cache folder; the committed seeds of
//! `fuzz/seeds/<target>/` are only read.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use crate::error::{Context, Error, Result};
use crate::{cache, process};

/// Coverage as libFuzzer wants it; what cargo-fuzz passes, without a sanitizer.
const RUSTFLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                         -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
                         -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";
/// Inputs are small, a run is short, and a reader's memory is bounded: beyond these it is a bug.
const LIMITS: [&str; 3] = ["-max_len=65536", "-timeout=25", "-rss_limit_mb=2048"];
const HINT: &str = "`fuzz [--minutes N] [TARGET...]`";

/// What the command line asks for.
#[derive(Debug, PartialEq)]
struct Options {
    /// All targets together; `None`: one minute for each.
    minutes: Option<f64>,
    /// None: all.
    targets: Vec<String>,
}

/// What became of one target.
#[derive(Debug, Default)]
struct Outcome {
    target: String,
    seconds: f64,
    corpus_files: usize,
    stats: Stats,
    /// What ended the run, where its time did not.
    failure: Option<String>,
}

/// What libFuzzer tells.
#[derive(Debug, Default, PartialEq)]
struct Stats {
    runs: u64,
    runs_per_second: u64,
    new_units: u64,
    rss_mb: u64,
    coverage: u64,
    artifact: Option<String>,
    panic: Option<String>,
}

/// Builds the targets, runs one after the other, and prints a table.
///
/// # Errors
/// When a target is unknown, cannot be built or started, or found an input that crashes, hangs or takes too much memory.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let options = parse(args)?;
    let targets = select(&options.targets, known_targets()?)?;
    let binaries = build(&targets)?;
    let seconds = options.minutes.map_or(60.0, |minutes| minutes * 60.0 / targets.len() as f64).ceil();
    let mut outcomes = Vec::new();
    for (index, target) in targets.iter().enumerate() {
        eprintln!("fuzzing `{target}` for {seconds:.0} s ({} of {})", index + 1, targets.len());
        let outcome = fuzz(target, &binaries.join(target), seconds as u64)?;
        eprintln!("  {}", outcome.row());
        outcomes.push(outcome);
    }
    println!("{}", table(&outcomes));
    let failures: Vec<&str> = outcomes.iter().filter_map(|outcome| outcome.failure.as_deref()).collect();
    if failures.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(Error::new(failures.join("\n"))) }
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options { minutes: None, targets: Vec::new() };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--minutes" => {
                let minutes = args.next().and_then(|text| text.parse().ok()).filter(|minutes| *minutes > 0.0);
                let missing = || Error::new(format!("`--minutes` needs a number\nhint: {HINT}"));
                options.minutes = Some(minutes.ok_or_else(missing)?);
            }
            flag if flag.starts_with('-') => {
                return Err(Error::new(format!("`fuzz` does not know `{flag}`\nhint: {HINT}")));
            }
            target => options.targets.push(target.to_owned()),
        }
    }
    Ok(options)
}

fn folder() -> PathBuf {
    process::root().join("fuzz")
}

/// The targets by name.
fn known_targets() -> Result<Vec<String>> {
    let folder = folder().join("fuzz_targets");
    let failed = || format!("cannot list `{}`", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).context(failed)? {
        let path = entry.context(failed)?.path();
        if path.extension().is_some_and(|ending| ending == "rs") {
            names.extend(path.file_stem().and_then(|name| name.to_str()).map(str::to_owned));
        }
    }
    names.sort();
    Ok(names)
}

fn select(asked: &[String], known: Vec<String>) -> Result<Vec<String>> {
    match asked.iter().find(|target| !known.contains(target)) {
        Some(unknown) => {
            Err(Error::new(format!("`{unknown}` is not a fuzz target\nhint: targets are {}", known.join(", "))))
        }
        None if asked.is_empty() => Ok(known),
        None => Ok(asked.to_vec()),
    }
}

/// Builds the targets and gives the folder of their binaries.
///
/// `--target` keeps the flags away from build scripts, which have no fuzzer to link with.
fn build(targets: &[String]) -> Result<PathBuf> {
    align_lock()?;
    let host = host()?;
    let target_folder = cache::folder("fuzz/target")?;
    let mut cargo = process::cargo();
    cargo.current_dir(folder()).env_remove("CARGO_ENCODED_RUSTFLAGS").env("RUSTFLAGS", RUSTFLAGS);
    cargo.args(["build", "--release", "--target", &host, "--target-dir"]).arg(&target_folder);
    cargo.args(targets.iter().flat_map(|target| ["--bin", target]));
    process::run(&mut cargo)?;
    Ok(target_folder.join(host).join("release"))
}

/// Fuzzes what is shipped: the versions of the main lock file. Cargo takes out what is not needed and adds libFuzzer.
fn align_lock() -> Result {
    let (main, own) = (process::root().join("Cargo.lock"), folder().join("Cargo.lock"));
    let changed = |path: &Path| fs::metadata(path).and_then(|facts| facts.modified()).ok();
    if changed(&own) >= changed(&main) {
        return Ok(());
    }
    fs::copy(&main, &own).map(drop).context(|| format!("cannot write `{}`", own.display()))
}

fn host() -> Result<String> {
    let text = process::output(Command::new("rustc").arg("-vV"))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Error::new("`rustc -vV` names no host"))
}

/// Runs one target until its time is over or it found something.
fn fuzz(target: &str, binary: &Path, seconds: u64) -> Result<Outcome> {
    let (corpus, artifacts) =
        (cache::folder("fuzz/corpus")?.join(target), cache::folder("fuzz/artifacts")?.join(target));
    let log = cache::folder("fuzz/logs")?.join(format!("{target}.txt"));
    cache::create(&corpus)?;
    cache::create(&artifacts)?;
    let mut command = Command::new(binary);
    command.args(LIMITS).args(["-print_final_stats=1", &format!("-max_total_time={seconds}")]);
    // libFuzzer takes the value as a prefix of file names.
    command.arg(format!("-artifact_prefix={}/", artifacts.display())).arg(&corpus);
    command.args(Some(folder().join("seeds").join(target)).filter(|seeds| seeds.is_dir()));
    command.env("RUST_BACKTRACE", "1").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn().context(|| format!("cannot start `{}`", binary.display()))?;
    let stats = match child.stderr.take() {
        Some(pipe) => read_log(BufReader::new(pipe), &log)?,
        None => Stats::default(),
    };
    let status = child.wait().context(|| format!("cannot wait for `{target}`"))?;
    let failure = (!status.success()).then(|| stats.failure(target, &log));
    let corpus_files = fs::read_dir(&corpus).map_or(0, Iterator::count);
    Ok(Outcome { target: target.to_owned(), seconds: started.elapsed().as_secs_f64(), corpus_files, stats, failure })
}

/// Keeps what libFuzzer says in `path`, tells its pulse on standard error, and takes the numbers out.
fn read_log(lines: impl BufRead, path: &Path) -> Result<Stats> {
    let failed = || format!("cannot write `{}`", path.display());
    let mut log = BufWriter::new(File::create(path).context(failed)?);
    let mut stats = Stats::default();
    for line in lines.split(b'\n') {
        let line = line.context(|| "cannot read what libFuzzer says".to_owned())?;
        let text = String::from_utf8_lossy(&line);
        stats.read(&text);
        if text.contains("\tpulse ") {
            eprintln!("  {text}");
        }
        log.write_all(&line).and_then(|()| log.write_all(b"\n")).context(failed)?;
    }
    log.flush().context(failed)?;
    Ok(stats)
}

impl Stats {
    /// Takes what one line tells.
    fn read(&mut self, line: &str) {
        if let Some((_, path)) = line.split_once("Test unit written to ") {
            self.artifact = Some(path.trim().to_owned());
        }
        if self.panic.is_none() && line.contains("panicked at ") {
            self.panic = Some(line.trim().to_owned());
        }
        if let Some(coverage) = line.split_once(" cov: ").filter(|_| line.starts_with('#')).map(|(_, rest)| rest) {
            self.coverage = first_number(coverage).unwrap_or(self.coverage);
        }
        let Some((name, value)) = line.strip_prefix("stat::").and_then(|stat| stat.split_once(':')) else { return };
        let value = first_number(value).unwrap_or(0);
        match name {
            "number_of_executed_units" => self.runs = value,
            "average_exec_per_sec" => self.runs_per_second = value,
            "new_units_added" => self.new_units = value,
            "peak_rss_mb" => self.rss_mb = value,
            _ => {}
        }
    }

    /// One sentence about a run that failed.
    fn failure(&self, target: &str, log: &Path) -> String {
        let panic = self.panic.as_deref().map(|panic| format!(", {panic}")).unwrap_or_default();
        let artifact = self.artifact.as_deref().unwrap_or("no artifact");
        format!("fuzz target `{target}` failed: {artifact}{panic}\nhint: its output is in `{}`", log.display())
    }
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

impl Outcome {
    fn row(&self) -> String {
        let Self { target, seconds, corpus_files, stats, failure } = self;
        let Stats { runs, runs_per_second, new_units, rss_mb, coverage, .. } = stats;
        let crashes = usize::from(failure.is_some());
        format!(
            "| {target} | {seconds:.0} | {runs} | {runs_per_second} | {coverage} | {new_units} | {corpus_files} | \
             {rss_mb} | {crashes} |"
        )
    }
}

fn table(outcomes: &[Outcome]) -> String {
    let head = "| target | seconds | runs | runs/s | coverage | new inputs | corpus files | peak MB | crashes |\n\
                |---|---:|---:|---:|---:|---:|---:|---:|---:|";
    let rows: Vec<String> = outcomes.iter().map(Outcome::row).collect();
    format!("{head}\n{}", rows.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_from_what_libfuzzer_says() {
        let mut stats = Stats::default();
        let lines = [
            "#2\tINITED cov: 100 ft: 120 corp: 1/1b exec/s: 0 rss: 40Mb",
            "#4096\tpulse  cov: 345 ft: 900 corp: 12/80b lim: 33 exec/s: 2048 rss: 61Mb",
            "thread '<unnamed>' (7) panicked at src/json.rs:1:2:",
            "artifact_prefix='/c/'; Test unit written to /c/crash-1f",
            "stat::number_of_executed_units: 5000",
            "stat::average_exec_per_sec:     2500",
            "stat::new_units_added:          11",
            "stat::slowest_unit_time_sec:    0",
            "stat::peak_rss_mb:              62",
        ];
        lines.iter().for_each(|line| stats.read(line));
        let expected = Stats {
            runs: 5000,
            runs_per_second: 2500,
            new_units: 11,
            rss_mb: 62,
            coverage: 345,
            artifact: Some("/c/crash-1f".to_owned()),
            panic: Some("thread '<unnamed>' (7) panicked at src/json.rs:1:2:".to_owned()),
        };
        assert_eq!(stats, expected);
    }

    #[test]
    fn the_command_line_names_minutes_and_targets() {
        let args = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let options = parse(&args("--minutes 2.5 json csv")).expect("options");
        assert_eq!(options, Options { minutes: Some(2.5), targets: args("json csv") });
        assert!(parse(&args("--minutes")).is_err());
        assert!(parse(&args("--minutes 0")).is_err());
        assert!(parse(&args("--hours 1")).is_err());
    }

    #[test]
    fn an_unknown_target_is_refused() {
        let known = vec!["csv".to_owned(), "json".to_owned()];
        assert_eq!(select(&[], known.clone()).expect("all"), known);
        assert!(select(&["yaml".to_owned()], known).is_err());
    }
}
