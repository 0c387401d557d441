//! What a child process costs.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::Bench;
use crate::error::{Error, Result};
use crate::process;

/// What one run cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// User and system time.
    pub(super) cpu_seconds: f64,
    /// From start to exit.
    pub(super) wall_seconds: f64,
    /// The most memory that was resident at a time.
    pub(super) rss_bytes: f64,
}

impl Cost {
    /// The median of each cost; `None` of none.
    pub(super) fn median(costs: impl Iterator<Item = Self>) -> Option<Self> {
        let costs: Vec<Self> = costs.collect();
        let median = |cost: fn(&Self) -> f64| {
            let mut values: Vec<f64> = costs.iter().map(cost).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied()
        };
        Some(Self {
            cpu_seconds: median(|cost| cost.cpu_seconds)?,
            wall_seconds: median(|cost| cost.wall_seconds)?,
            rss_bytes: median(|cost| cost.rss_bytes)?,
        })
    }
}

/// Runs a command to its end under `measure.py`.
///
/// # Errors
/// When it fails; the end of what it said is in the message.
pub(super) fn measure<'a>(bench: &Bench, command: impl IntoIterator<Item = &'a OsStr>) -> Result<Cost> {
    let log = bench.scratch.join("log.txt");
    let mut python = Command::new(&bench.python);
    python.arg(script("measure.py")).arg(&log).args(command);
    let json = process::output(&mut python)?;
    let number = |key| number(&json, key);
    let cost = Cost {
        cpu_seconds: number("cpu_seconds")?,
        wall_seconds: number("wall_seconds")?,
        rss_bytes: number("rss_bytes")?,
    };
    match number("exit")? {
        0.0 => Ok(cost),
        code => Err(Error::new(format!("exit code {code}: {}", tail(&log)))),
    }
}

/// What was written: rows, and values in them that are not NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) rows: u64,
    pub(super) values: u64,
}

/// What a table or a folder of Parquet files holds, according to another reader.
///
/// # Errors
/// When they cannot be read.
pub(super) fn written(bench: &Bench, folder: &Path) -> Result<Written> {
    let text = process::output(Command::new(&bench.python).arg(script("rows.py")).arg(folder))?;
    let numbers: Vec<u64> = text.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let [rows, values] = numbers[..] else {
        return Err(Error::new(format!("cannot count the rows of `{}`: {text}", folder.display())));
    };
    Ok(Written { rows, values })
}

fn script(name: &str) -> std::path::PathBuf {
    process::root().join("xtask").join("bench").join(name)
}

/// The number under `key` of a flat JSON object.
fn number(json: &str, key: &str) -> Result<f64> {
    let value = json.split_once(&format!("\"{key}\": ")).map(|(_, rest)| rest.split([',', '}']).next().unwrap_or(rest));
    value
        .and_then(|value| value.parse().ok())
        .ok_or_else(|| Error::new(format!("`measure.py` printed no `{key}`: {json}")))
}

fn tail(log: &Path) -> String {
    let text = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}
