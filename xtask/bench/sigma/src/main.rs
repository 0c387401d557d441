//! The same rules over the same events, by millpond and by rsigma, one after the other in each round. CPU time of one
//! thread; the median of the rounds counts. `cargo xtask bench --sigma` runs it.

mod input;
mod ours;
mod report;
mod theirs;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use input::{Hits, Input};
use report::Figures;

/// How often everything is measured.
const ROUNDS: usize = 5;

type Failure = Box<dyn Error>;

/// What one side did in one round.
struct Round {
    hits: Hits,
    times: Times,
}

/// How long it took.
#[derive(Clone, Copy)]
struct Times {
    /// From the text of the rules until every kind of event can be matched.
    ready: Duration,
    /// The same from rules that were compiled before.
    ready_compiled: Duration,
    /// From events in memory, as the side wants them, to hits.
    matching: Duration,
    /// The same once more, when the side remembers what it remembers.
    matching_again: Duration,
    /// From lines of JSON to hits, by what was compiled before.
    file_to_hits: Duration,
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}\nhint: millpond-bench-sigma EVENTS EXPECTED RULES...");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, Failure> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let events = arguments.next().ok_or("no events are named")?;
    let expected = arguments.next().ok_or("no expected hits are named")?;
    let input = Input::read(&events, &expected, &arguments.collect::<Vec<_>>())?;
    let ours = ours::Side::new(&input)?;
    let theirs: Vec<theirs::Side> =
        theirs::SETTINGS.iter().map(|setting| theirs::Side::new(setting, &input)).collect::<Result<_, _>>()?;
    let mut figures: Vec<Figures> =
        [ours::NAME].into_iter().chain(theirs.iter().map(|side| side.name())).map(Figures::new).collect();
    for round in 0..ROUNDS {
        eprintln!("round {} of {ROUNDS}", round + 1);
        figures[0].add(ours.round(&input)?);
        for (side, figures) in theirs.iter().zip(&mut figures[1..]) {
            figures.add(side.round(&input)?);
        }
    }
    print!("{}", report::table(&figures, &input));
    figures.iter().for_each(|figures| figures.tell_differences(&input));
    Ok(figures[0].are_right(&input))
}

/// CPU time of this thread so far. The kernel brings the number up to date when the thread gives way.
fn cpu_time() -> Result<Duration, Failure> {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split_whitespace().next().ok_or("`schedstat` is empty")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}

/// What something gives, and how long it took.
fn timed<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<(T, Duration), Failure> {
    let started = cpu_time()?;
    let outcome = work()?;
    Ok((outcome, cpu_time()? - started))
}
