//! How fast each shipped pack is, beside decoding alone, and what it costs to begin with a file.
//!
//! `cargo run --release -p millpond --example pack_speed -- [PACK…]` repeats the test input of each pack to some
//! megabytes and prints a Markdown table: decompressed megabytes per CPU-second of decoding the columns that the pack reads
//! and of the whole job but for writing (decode, transform, completion, signals), and the milliseconds of processor time that
//! a file of a few records takes. Rows and their values are those of the tests: few kinds, often repeated.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use millpond::packs;
use millpond::preview::prepare_pack;
use millpond_core::plan::{Plan, plan};
use millpond_core::{Error, Result};
use millpond_engine::decode::{Decoder, Reject};
use millpond_engine::prepare::Prepared;
use millpond_engine::rules::RuleMatch;
use millpond_engine::run::{InputFile, Sink, run};

/// Bytes of one measured file.
const BYTES: usize = 4 << 20;
/// Memory of a job.
const MEMORY_BYTES: u64 = 1 << 30;
/// Files of a few records that are run one after the other.
const SMALL_FILES: u32 = 20;

/// Takes everything and keeps nothing.
struct Nothing;

impl Sink for Nothing {
    fn output(&mut self, _: RecordBatch) -> Result<()> {
        Ok(())
    }

    fn signal(&mut self, _: usize, _: RecordBatch) -> Result<()> {
        Ok(())
    }

    fn matches(&mut self, _: Vec<RuleMatch>) -> Result<()> {
        Ok(())
    }

    fn reject(&mut self, _: Reject) -> Result<()> {
        Ok(())
    }
}

/// A file in memory that is repeated.
struct Repeated {
    bytes: Vec<u8>,
    times: usize,
}

impl Repeated {
    fn open(&self) -> Box<dyn Read + Send> {
        Box::new(Cursor::new(self.bytes.repeat(self.times)))
    }

    fn megabytes(&self) -> f64 {
        (self.bytes.len() * self.times) as f64 / 1e6
    }
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::bug("failed to start the runtime").because(error))?;
    let asked: Vec<String> = std::env::args().skip(1).collect();
    println!("| pack | decode, MB/s | job, MB/s | share | one small file, ms |\n|---|---:|---:|---:|---:|");
    for pack in packs::names().into_iter().filter(|pack| asked.is_empty() || asked.iter().any(|one| one == pack)) {
        let Some(input) = input_of(pack) else { continue };
        println!("{}", runtime.block_on(measure(pack, &input))?);
    }
    Ok(())
}

/// The first test input of a pack that can be repeated.
fn input_of(pack: &str) -> Option<Repeated> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sources").join(pack).join("tests");
    let mut inputs: Vec<PathBuf> = std::fs::read_dir(tests)
        .ok()?
        .filter_map(|case| std::fs::read_dir(case.ok()?.path()).ok())
        .flatten()
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|file| file.file_stem().is_some_and(|stem| stem == "input"))
        .collect();
    inputs.sort();
    let mut bytes = Vec::new();
    File::open(inputs.first()?).ok()?.read_to_end(&mut bytes).ok()?;
    let times = (BYTES / bytes.len().max(1)).max(1);
    Some(Repeated { bytes, times })
}

async fn measure(pack: &str, input: &Repeated) -> Result<String> {
    let prepared = prepare_pack(pack).await?;
    let plan = plan(&prepared.source, MEMORY_BYTES);
    let decoded = decode(&prepared, &plan, input)?.min(decode(&prepared, &plan, input)?);
    let whole = job(&prepared, &plan, input).await?.min(job(&prepared, &plan, input).await?);
    let small = Repeated { bytes: input.bytes.clone(), times: 1 };
    let mut begun = Duration::ZERO;
    for _ in 0..SMALL_FILES {
        begun += job(&prepared, &plan, &small).await?;
    }
    let speed = |time: Duration| input.megabytes() / time.as_secs_f64();
    Ok(format!(
        "| {pack} | {:.0} | {:.0} | 1/{:.1} | {:.1} |",
        speed(decoded),
        speed(whole),
        whole.as_secs_f64() / decoded.as_secs_f64(),
        begun.as_secs_f64() * 1e3 / f64::from(SMALL_FILES),
    ))
}

fn decode(prepared: &Prepared, plan: &Plan, input: &Repeated) -> Result<Duration> {
    let bytes = input.open();
    let started = cpu_time();
    let mut decoder = Decoder::open(bytes, prepared.decode_request(plan, "input", 0))?;
    while decoder.next_batch()?.is_some() {
        drop(decoder.take_rejects());
    }
    Ok(cpu_time() - started)
}

async fn job(prepared: &Prepared, plan: &Plan, input: &Repeated) -> Result<Duration> {
    let file = InputFile { name: "input", modified_us: 0, bytes: input.open() };
    let started = cpu_time();
    run(prepared, plan, file, &mut Nothing).await?;
    Ok(cpu_time() - started)
}

/// Processor time of this process, or the time of the clock where the system does not tell.
fn cpu_time() -> Duration {
    static STARTED: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let clock = STARTED.get_or_init(Instant::now).elapsed();
    let told = std::fs::read_to_string("/proc/self/schedstat").ok();
    let nanoseconds = told.and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or(clock, Duration::from_nanos)
}
