//! Times correlations on made-up matches: `correlation_speed [MATCHES] [GROUPS]`, a million over 100,000 unless told
//! otherwise. Each kind is absorbed at once, and again in pieces with time that passes. Times are of one thread's CPU.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use millpond_sigma::{Collection, Correlator, Limits, Match, RuleFile, RuleSet, State};

/// How many pieces the matches come in, as with so many files.
const PIECES: usize = 100;
/// The time in which all matches lie: a day.
const SPAN_US: u64 = 86_400_000_000;

type Failure = Box<dyn std::error::Error>;

const RULES: &str = "title: t\nname: a\nlogsource: {product: p}\ndetection: {s: {f: 1}, condition: s}\n---\n\
     title: t\nname: b\nlogsource: {product: p}\ndetection: {s: {f: 1}, condition: s}\n---\n";

const CONDITIONS: [(&str, &str); 7] = [
    ("event_count", "{gte: 4}"),
    ("value_count", "{field: v, gte: 4}"),
    ("temporal", "{gte: 2}"),
    ("temporal_ordered", "{gte: 2}"),
    ("value_sum", "{field: v, gte: 200}"),
    ("value_avg", "{field: v, gte: 90}"),
    ("value_percentile", "{field: v, percentile: 90, gte: 90}"),
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}\nhint: correlation_speed [MATCHES] [GROUPS]");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let mut numbers = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let count = numbers.next().transpose()?.unwrap_or(1_000_000);
    let groups = numbers.next().transpose()?.unwrap_or(100_000).max(1);
    println!("{count} matches over {groups} groups and a day, timespan 1h");
    println!("{:<17} {:>9} {:>9} {:>9} {:>11} {:>9}", "", "at once", "in pieces", "episodes", "kept at end", "bytes");
    for (kind, condition) in CONDITIONS {
        let correlator = correlator(kind, condition)?;
        let (at_once, _, episodes) = absorbed(&correlator, matches(count, groups), count as usize)?;
        let (in_pieces, state, _) = absorbed(&correlator, matches(count, groups), count as usize / PIECES)?;
        let (at_once, in_pieces) = (at_once.as_secs_f64(), in_pieces.as_secs_f64());
        let (kept, bytes) = (state.matches(), state.to_bytes()?.len());
        println!("{kind:<17} {at_once:>7.2} s {in_pieces:>7.2} s {episodes:>9} {kept:>11} {bytes:>9}");
    }
    Ok(())
}

fn correlator(kind: &str, condition: &str) -> Result<Correlator, Failure> {
    let section = format!("type: {kind}, rules: [a, b], group-by: [user], timespan: 1h, condition: {condition}");
    let file = RuleFile {
        name: "rules.yml".to_owned(),
        text: format!("{RULES}title: c\nname: c\ncorrelation: {{{section}}}\n"),
    };
    let collection = Collection::read([file]);
    if let Some(rejection) = collection.rejections.first() {
        return Err(rejection.to_string().into());
    }
    Ok(Correlator::new(&RuleSet::from(collection), Limits::default())?)
}

/// The CPU time that matches take in pieces, with the state and the number of episodes that are new or changed.
fn absorbed(correlator: &Correlator, matches: Vec<Match>, piece: usize) -> Result<(Duration, State, usize), Failure> {
    let mut state = State::default();
    let mut told = 0;
    let mut matches = matches.into_iter();
    let started = cpu_time()?;
    while matches.len() > 0 {
        let newest_us = matches.as_slice()[piece.min(matches.len()) - 1].time_us;
        told += state.absorb(correlator, matches.by_ref().take(piece.max(1))).found.len();
        told += state.expire(correlator, newest_us - 600_000_000).found.len();
    }
    Ok((cpu_time()? - started, state, told))
}

/// Matches by time; a tenth of them comes from a hundredth of the groups.
fn matches(count: u64, groups: u64) -> Vec<Match> {
    let mut random = 1_u64;
    let mut next = move || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random >> 33
    };
    let mut one = |place: u64| {
        let among = if next() % 10 == 0 { groups.div_ceil(100) } else { groups };
        let user = format!("user-{}@example.com", next() % among);
        Match {
            rule: if next() % 2 == 0 { "a" } else { "b" }.to_owned(),
            time_us: (u128::from(place) * u128::from(SPAN_US) / u128::from(count)) as i64,
            fields: BTreeMap::from([("user".to_owned(), user), ("v".to_owned(), (next() % 100).to_string())]),
            reference: u128::from(place),
        }
    };
    (0..count).map(&mut one).collect()
}

/// CPU time of this thread so far; see `sched-stats` in the kernel's documentation.
fn cpu_time() -> Result<Duration, Failure> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split_whitespace().next().ok_or("`schedstat` is empty")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}
