//! How fast a bootstrap answers its first invocation, how large its zip is, and what it needs for a large document.
//!
//! `cargo run -p millpond-lambda --example cold_start -- target/dist/millpond-lambda [RUNS]`
//!
//! The Runtime API is on this machine and the lake a folder, so what is measured is the program and not the network. The
//! lanes are control groups of version 1 (as root): a hard limit of memory, and the part of a processor that Lambda gives
//! with it.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use millpond_testkit::{Answer, Function};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(900);
/// Memory that comes with one whole processor, MB.
const MB_PER_PROCESSOR: u64 = 1_769;
const RUNS: usize = 20;
/// Records of a file of some 100 KB, compressed.
const SMALL_RECORDS: u64 = 930;
/// Bytes of the large document, decompressed.
const LARGE_BYTES: usize = 100 << 20;
/// The function's memory at the cold start, MB.
const COLD_MB: u32 = 512;
/// The lanes in which the large document is read, MB.
const LANES_MB: [u64; 3] = [128, 256, 512];

const RECORD: &str = r#"{"eventVersion":"1.09","userIdentity":{"type":"AssumedRole","principalId":"AROA<hex>:session","arn":"arn:aws:sts::111122223333:assumed-role/ingest/session-<n>","accountId":"111122223333","accessKeyId":"ASIA<hex>","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLE","arn":"arn:aws:iam::111122223333:role/ingest","accountId":"111122223333","userName":"ingest"},"attributes":{"creationDate":"2026-03-01T23:58:10Z","mfaAuthenticated":"false"}}},"eventTime":"2026-03-02T<time>Z","eventSource":"s3.amazonaws.com","eventName":"GetObject","awsRegion":"us-east-1","sourceIPAddress":"198.51.100.<byte>","userAgent":"Boto3/1.35.10 md/Botocore#1.35.10 ua/2.0 os/linux","requestParameters":{"bucketName":"example","key":"data/<n>/<hex>","Host":"example.s3.us-east-1.amazonaws.com"},"responseElements":null,"additionalEventData":{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredOut":<n>},"requestID":"<hex><hex>","eventID":"<hex>-<hex>","readOnly":true,"resources":[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::example/data/<n>"}],"eventType":"AwsApiCall","managementEvent":false,"recipientAccountId":"111122223333","eventCategory":"Data","tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"example.s3.us-east-1.amazonaws.com"}}"#;

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> Result {
    let mut arguments = std::env::args().skip(1);
    let binary = PathBuf::from(arguments.next().ok_or("name the binary: `cold_start BINARY [RUNS]`")?);
    let binary = fs::canonicalize(binary)?;
    let runs = arguments.next().map_or(Ok(RUNS), |runs| runs.parse())?;
    let folder = tempfile::tempdir()?;
    let bench = Bench { binary, folder: folder.path().to_owned() };
    bench.write_pond()?;
    let small = bench.write_log("small", |records, _| records < SMALL_RECORDS)?;
    let large = bench.write_log("large", |_, bytes| bytes < LARGE_BYTES)?;
    println!("| what | value |\n|---|---|");
    bench.tell_sizes()?;
    bench.tell_cold_start(&small, runs)?;
    for memory_mb in LANES_MB {
        let told = bench.lane(&large, memory_mb).unwrap_or_else(|error| format!("not measured: {error}"));
        println!("| {} at {memory_mb} MB | {told} |", large.title);
    }
    Ok(())
}

/// A log file and what is in it.
struct Log {
    path: PathBuf,
    records: u64,
    title: String,
}

struct Bench {
    binary: PathBuf,
    folder: PathBuf,
}

impl Bench {
    /// The shipped pack for CloudTrail, as a pond.
    fn write_pond(&self) -> Result {
        let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sources/aws-cloudtrail");
        let source = self.folder.join("pond/sources/aws-cloudtrail");
        fs::create_dir_all(source.join("signals"))?;
        fs::write(self.folder.join("pond/millpond.toml"), "name = \"bench\"\n")?;
        for file in ["source.toml", "transform.sql"] {
            fs::copy(pack.join(file), source.join(file))?;
        }
        for signal in fs::read_dir(pack.join("signals"))? {
            let signal = signal?;
            fs::copy(signal.path(), source.join("signals").join(signal.file_name()))?;
        }
        Ok(())
    }

    /// One document with as many records as are wanted, compressed.
    fn write_log(&self, name: &str, wants_more: impl Fn(u64, usize) -> bool) -> Result<Log> {
        let path = self.folder.join(format!("cloudtrail/{name}.json.gz"));
        fs::create_dir_all(path.parent().ok_or("no folder")?)?;
        let mut out = flate2::write::GzEncoder::new(fs::File::create(&path)?, flate2::Compression::default());
        let (mut records, mut bytes) = (0, 0);
        let mut random = Random(7);
        while wants_more(records, bytes) {
            let record = random.record(records);
            out.write_all(if records == 0 { b"{\"Records\":[" } else { b"," })?;
            out.write_all(record.as_bytes())?;
            records += 1;
            bytes += record.len() + 1;
        }
        out.write_all(b"]}")?;
        out.finish()?;
        let stored = fs::metadata(&path)?.len();
        let title = format!("{} records, {} gzip, {} raw", records, size(stored), size(bytes as u64));
        Ok(Log { path, records, title })
    }

    fn tell_sizes(&self) -> Result {
        let bytes = fs::read(&self.binary)?;
        let mut deflated = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        deflated.write_all(&bytes)?;
        let zip = deflated.finish()?.len() as u64;
        println!("| binary; deflated, as in a zip | {}; {} |", size(bytes.len() as u64), size(zip));
        Ok(())
    }

    /// Process start to the first answer, each time with an empty lake.
    fn tell_cold_start(&self, log: &Log, runs: usize) -> Result {
        let (mut cold, mut warm, mut peak) = (Vec::new(), Vec::new(), 0);
        for run in 0..runs {
            let started = Instant::now();
            let mut function =
                Function::start_command(self.command(Command::new(&self.binary), &format!("lake-{run}")), COLD_MB);
            check(&function.invoke(notice(log), PATIENCE), log)?;
            cold.push(started.elapsed());
            let started = Instant::now();
            check(&function.invoke(notice(log), PATIENCE), log)?;
            warm.push(started.elapsed());
            peak = peak.max(resident_peak_kib(function.process_id())?);
        }
        for (what, times) in [("cold: process start to answer", &mut cold), ("warm: the same again", &mut warm)] {
            times.sort();
            let [low, middle, high] = [0, times.len() / 2, times.len() - 1].map(|at| times[at].as_secs_f64() * 1e3);
            println!(
                "| {what}; {}; median of {runs} (least, most) | {middle:.1} ms ({low:.1}, {high:.1}) |",
                log.title
            );
        }
        println!("| resident peak of these | {} |", size(peak << 10));
        Ok(())
    }

    /// The large document where memory and processor are those of a function of this size.
    fn lane(&self, log: &Log, memory_mb: u64) -> Result<String> {
        let group = Group::new(memory_mb)?;
        let mut command = Command::new("sh");
        let enter =
            group.files.iter().map(|file| format!("echo $$ > '{}/tasks'; ", file.display())).collect::<String>();
        command.args(["-c", &format!("{enter}exec '{}'", self.binary.display())]);
        let started = Instant::now();
        let mut function = Function::start_command(
            self.command(command, &format!("lake-large-{memory_mb}")),
            u32::try_from(memory_mb)?,
        );
        let answer = function.invoke(notice(log), PATIENCE);
        let seconds = started.elapsed().as_secs_f64();
        let peak = size(group.peak_bytes()?);
        Ok(match check(&answer, log) {
            Ok(()) => {
                let resident = size(resident_peak_kib(function.process_id())? << 10);
                format!("{seconds:.1} s; peak of the group {peak} (with page cache), resident {resident}")
            }
            Err(error) => format!("{error} after {seconds:.1} s; peak of the group {peak}"),
        })
    }

    fn command(&self, mut command: Command, lake: &str) -> Command {
        let lake = self.folder.join(lake);
        command.env("MILLPOND_POND", self.folder.join("pond")).env("MILLPOND_LAKE", lake).env("MILLPOND_LOG", "error");
        command
    }
}

/// The event that announces a log, straight from its sender.
fn notice(log: &Log) -> Value {
    json!({"uri": format!("file://{}", log.path.display())})
}

fn check(answer: &Answer, log: &Log) -> Result {
    match answer {
        Answer::Response(counts) if counts["rows"] == log.records => Ok(()),
        Answer::Exit(None) => Err("killed".into()),
        other => Err(format!("{other:?} instead of {} rows", log.records).into()),
    }
}

fn resident_peak_kib(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.split_whitespace().next().ok_or("no number")?.parse()?)
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.0} KB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

/// Control groups with the memory and the processor of a function; removed with this value.
struct Group {
    files: Vec<PathBuf>,
}

impl Group {
    fn new(memory_mb: u64) -> Result<Self> {
        let name = format!("millpond-{}-{memory_mb}", std::process::id());
        let files: Vec<PathBuf> =
            ["memory", "cpu"].iter().map(|kind| Path::new("/sys/fs/cgroup").join(kind).join(&name)).collect();
        let group = Self { files };
        for folder in &group.files {
            fs::create_dir(folder).map_err(|error| format!("no control group of version 1: {error}"))?;
        }
        let set = |kind: usize, file: &str, value: u64| fs::write(group.files[kind].join(file), value.to_string());
        set(0, "memory.limit_in_bytes", memory_mb << 20)?;
        // Where swap is counted it has to be limited, too.
        let _ = set(0, "memory.memsw.limit_in_bytes", memory_mb << 20);
        set(1, "cpu.cfs_period_us", 100_000)?;
        set(1, "cpu.cfs_quota_us", memory_mb * 100_000 / MB_PER_PROCESSOR)?;
        Ok(group)
    }

    fn peak_bytes(&self) -> Result<u64> {
        Ok(fs::read_to_string(self.files[0].join("memory.max_usage_in_bytes"))?.trim().parse()?)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The function was killed before; the kernel takes a moment to see that the group is empty.
        for folder in &self.files {
            let start = Instant::now();
            while fs::remove_dir(folder).is_err() && start.elapsed() < Duration::from_secs(5) {
                std::thread::park_timeout(Duration::from_millis(20));
            }
        }
    }
}

/// Numbers that look random and are the same each time (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A record whose ids no other has.
    fn record(&mut self, index: u64) -> String {
        let mut out = String::with_capacity(RECORD.len() + 100);
        let mut rest = RECORD;
        while let Some((before, after)) = rest.split_once('<') {
            let (name, after) = after.split_once('>').unwrap_or((after, ""));
            out.push_str(before);
            let second = index / 20 % 86_400;
            // Writing to a string cannot fail.
            let _ = match name {
                "hex" => write!(out, "{:016x}", self.next()),
                "byte" => write!(out, "{}", self.next() % 250),
                "time" => write!(out, "{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60),
                _ => write!(out, "{}", self.next() % 10_000),
            };
            rest = after;
        }
        out.push_str(rest);
        out
    }
}
