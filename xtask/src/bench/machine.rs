//! The machine that numbers come from.

use std::fs;
use std::thread;

/// One line: cores, model, how often each case ran.
pub(super) fn describe(runs: usize) -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let model = cpu_model().unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let median = if runs > 1 { format!("median of {runs} runs") } else { "one run".to_owned() };
    format!("machine: {cores} cores, {model}; {median}")
}

fn cpu_model() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
