//! How fast packs are, beside decoding alone, and what it costs to begin with a file.

use std::io::{Cursor, Read};
use std::path::Path;
use std::time::Duration;

use arrow::array::RecordBatch;
use millpond_core::plan::{Plan, plan};
use millpond_core::{Error, Result};
use millpond_engine::decode::{Decoder, Reject};
use millpond_engine::prepare::Prepared;
use millpond_engine::rules::RuleMatch;
use millpond_engine::run::{InputFile, Sink, run};
use serde::Serialize;

use crate::source_test::{cases, input_of, prepared_packs};

/// Bytes of a measured file, at least.
const BYTES: usize = 8 << 20;
/// Memory of a job: nothing is spilled.
const MEMORY_BYTES: u64 = 2 << 30;
/// Files of a test's size that are run one after the other.
const SMALL_FILES: u32 = 10;
/// How often each figure is measured; the best counts.
const RUNS: usize = 3;

/// What one pack needs.
#[derive(Debug, Clone, Serialize)]
pub struct PackSpeed {
    /// The pack.
    pub pack: String,
    /// Megabytes of input for each second of decoding the columns that the pack reads.
    pub decode_mb_per_s: f64,
    /// Megabytes of input for each second of the whole job but for writing: decoder, transform, completion, signals.
    pub job_mb_per_s: f64,
    /// Milliseconds of a job over a file of a few records.
    pub small_file_ms: f64,
}

/// Measures the packs in a folder, or one of them, over their first test's input, which is repeated. Seconds are the
/// processor's own where the system tells them.
///
/// # Errors
/// A pack that does not plan or whose job fails.
pub async fn pack_speeds(folder: &Path, pack: Option<&str>, tell: &mut dyn FnMut(PackSpeed)) -> Result<()> {
    for prepared in prepared_packs(folder, pack).await? {
        let tests = folder.join(&prepared.source.name).join("tests");
        let Some(case) = cases(&tests)?.into_iter().next() else { continue };
        let file = input_of(&case)?;
        let bytes = std::fs::read(&file)
            .map_err(|error| Error::bad_input(format!("failed to read `{}`", file.display())).because(error))?;
        tell(measure(&prepared, bytes).await?);
    }
    Ok(())
}

async fn measure(prepared: &Prepared, bytes: Vec<u8>) -> Result<PackSpeed> {
    let plan = plan(&prepared.source, MEMORY_BYTES);
    let large = Repeated { times: BYTES.div_ceil(bytes.len().max(1)), bytes };
    let small = Repeated { bytes: large.bytes.clone(), times: 1 };
    let (mut decoding, mut job, mut begun) = (Duration::MAX, Duration::MAX, Duration::MAX);
    for _ in 0..RUNS {
        decoding = decoding.min(decode(prepared, &plan, &large)?);
        job = job.min(run_job(prepared, &plan, &large).await?);
        let mut all = Duration::ZERO;
        for _ in 0..SMALL_FILES {
            all += run_job(prepared, &plan, &small).await?;
        }
        begun = begun.min(all / SMALL_FILES);
    }
    let megabytes = (large.bytes.len() * large.times) as f64 / 1e6;
    Ok(PackSpeed {
        pack: prepared.source.name.clone(),
        decode_mb_per_s: megabytes / decoding.as_secs_f64(),
        job_mb_per_s: megabytes / job.as_secs_f64(),
        small_file_ms: begun.as_secs_f64() * 1e3,
    })
}

/// A file in memory, several times over.
struct Repeated {
    bytes: Vec<u8>,
    times: usize,
}

impl Repeated {
    fn open(&self) -> Box<dyn Read + Send> {
        Box::new(Cursor::new(self.bytes.repeat(self.times)))
    }
}

fn decode(prepared: &Prepared, plan: &Plan, file: &Repeated) -> Result<Duration> {
    let bytes = file.open();
    let started = thread_time();
    let mut decoder = Decoder::open(bytes, prepared.decode_request(plan, "input", 0))?;
    while decoder.next_batch()?.is_some() {
        drop(decoder.take_rejects());
    }
    Ok(thread_time() - started)
}

async fn run_job(prepared: &Prepared, plan: &Plan, file: &Repeated) -> Result<Duration> {
    let input = InputFile { name: "input", modified_us: 0, bytes: file.open() };
    let started = thread_time();
    run(prepared, plan, input, &mut Nowhere).await?;
    Ok(thread_time() - started)
}

/// Takes everything and keeps nothing.
struct Nowhere;

impl Sink for Nowhere {
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

/// Processor time of this thread, or what the clock says where the system does not tell.
fn thread_time() -> Duration {
    static STARTED: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let clock = STARTED.get_or_init(std::time::Instant::now).elapsed();
    // The kernel counts when a thread gives way, and else once in some milliseconds.
    std::thread::yield_now();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or(clock, Duration::from_nanos)
}
