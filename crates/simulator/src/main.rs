//! The seeded fault simulator: the whole of millpond in one process, on one thread, in virtual time.
//!
//! Files are put into a bucket in memory; notices of them come late, twice, in any order or never; workers and
//! committers run, fail, sleep and crash at any call of a store. In the end, and at times on the way, the lake is
//! compared with what was put. What happens follows from the seed alone, so a failure can be replayed.

mod check;
mod process;
mod queue;
mod random;
mod simulation;
mod sources;
mod store;
mod truth;
mod world;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use simulation::{Options, Report};

/// What the command line asks for.
#[derive(Debug, Clone, Parser)]
#[command(name = "millpond-simulator", about = "Runs millpond against faults that follow from a seed")]
struct Arguments {
    /// Files of each seed.
    #[arg(long, default_value_t = 1_000)]
    files: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seeds, one after the other from the first.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Seeds that run at the same time, each on its own thread.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Print every event.
    #[arg(long)]
    trace: bool,
    /// Run each seed twice and compare the two traces.
    #[arg(long)]
    twice: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let started = Instant::now();
    let next = std::sync::atomic::AtomicU64::new(0);
    let reports = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    if index >= arguments.seeds {
                        return;
                    }
                    let report = run_seed(&arguments, arguments.seed + index);
                    reports.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(report);
                }
            });
        }
    });
    let reports = reports.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    tell_total(&arguments, &reports, started);
    match reports.iter().all(|report| report.failures.is_empty()) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn run_seed(arguments: &Arguments, seed: u64) -> Report {
    let options = Options { files: arguments.files, seed, is_traced: arguments.trace };
    let mut report = simulation::run(&options);
    if arguments.twice {
        let again = simulation::run(&options);
        if again.trace_hash != report.trace_hash {
            let (first, second) = (&report.trace_hash, &again.trace_hash);
            report.failures.push(format!("the same seed gave two traces: {first} and {second}"));
        }
    }
    println!("{report}");
    for failure in &report.failures {
        println!("  FAILED {failure}");
    }
    if !report.failures.is_empty() {
        report.trace.iter().for_each(|line| println!("    {line}"));
        println!("  replay: cargo xtask simulate --files {} --seed {seed} --trace", arguments.files);
    }
    report
}

fn tell_total(arguments: &Arguments, reports: &[Report], started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    let files = arguments.files * arguments.seeds;
    let mut total = Report::default();
    reports.iter().for_each(|report| total.add(report));
    let failed = reports.iter().filter(|report| !report.failures.is_empty()).count();
    println!(
        "total: {} seeds, {failed} failed, {files} files in {seconds:.1} s ({:.0} files/s)\n{total}",
        reports.len(),
        files as f64 / seconds
    );
}
