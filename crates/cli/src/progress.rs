//! Progress of a run: a bar on a terminal, lines in a log, JSON lines for programs.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use millpond::committer::Committed;
use millpond::worker::{Progress, Summary};
use millpond_core::Error;
use millpond_core::balance::Balance;
use millpond_core::event::Event;
use millpond_core::receipt::{Receipt, Status};
use millpond_core::units::{format_bytes, format_count, format_us};
use serde_json::json;

/// Time between two lines in a log.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// The progress that suits where stderr goes; with `json`, one line on stdout for each job instead.
pub(crate) fn choose(json: bool) -> std::sync::Arc<dyn Progress> {
    if json {
        return std::sync::Arc::new(JsonLines);
    }
    match std::io::stderr().is_terminal() {
        true => std::sync::Arc::new(Bar::new()),
        false => std::sync::Arc::new(Lines { state: Mutex::new((Counts::default(), Instant::now())) }),
    }
}

#[derive(Default, Clone, Copy)]
struct Counts {
    found: u64,
    ended: u64,
    rows: u64,
    bytes: u64,
    signals: u64,
    quarantined: u64,
}

impl Counts {
    fn add(&mut self, receipt: &Receipt) {
        self.ended += 1;
        self.rows += receipt.balance.rows_out;
        self.bytes += receipt.bytes_in;
        self.signals += receipt.signals;
        self.quarantined += receipt.balance.quarantined + u64::from(receipt.status == Status::Quarantined);
    }

    fn line(&self) -> String {
        format!(
            "{} of {} files, {} rows, {}, {} signals, {} quarantined",
            format_count(self.ended),
            format_count(self.found),
            format_count(self.rows),
            format_bytes(self.bytes),
            format_count(self.signals),
            format_count(self.quarantined)
        )
    }
}

/// What a person should know of a job that did not end well.
fn trouble(receipt: &Receipt) -> Option<String> {
    let error = receipt.error.as_deref().unwrap_or("no reason given");
    match receipt.status {
        Status::Quarantined => Some(format!("quarantined `{}`: {error}", receipt.object)),
        Status::Failed => Some(format!("failed (try {}) `{}`: {error}", receipt.attempt, receipt.object)),
        Status::Done | Status::Duplicate | Status::Unrouted | Status::Gone => None,
    }
}

/// A bar that is redrawn.
struct Bar {
    bar: ProgressBar,
    counts: Mutex<Counts>,
}

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{spinner} [{elapsed}] {bar:20} {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, counts: Mutex::default() }
    }

    fn update(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut counts);
        self.bar.set_length(counts.found);
        self.bar.set_position(counts.ended);
        self.bar.set_message(counts.line());
    }
}

impl Progress for Bar {
    fn found(&self, _: &Event) {
        self.update(|counts| counts.found += 1);
    }

    fn already_done(&self, _: &Event) {
        self.update(|counts| counts.ended += 1);
    }

    fn ended(&self, receipt: &Receipt) {
        self.update(|counts| counts.add(receipt));
        if let Some(text) = trouble(receipt) {
            self.bar.println(text);
        }
    }

    fn postponed(&self, event: &Event, error: &Error) {
        self.bar.println(format!("comes back later: `{}`: {}", event.uri, error.chain()));
    }

    fn committed(&self, _: &Committed) {}

    fn note(&self, text: &str) {
        self.bar.println(text);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A line now and then.
struct Lines {
    state: Mutex<(Counts, Instant)>,
}

impl Lines {
    fn update(&self, change: impl FnOnce(&mut Counts)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state.0);
        if state.1.elapsed() >= LINE_INTERVAL {
            state.1 = Instant::now();
            log(&state.0.line());
        }
    }
}

fn log(text: &str) {
    eprintln!("{} {text}", chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ"));
}

impl Progress for Lines {
    fn found(&self, _: &Event) {
        self.update(|counts| counts.found += 1);
    }

    fn already_done(&self, _: &Event) {
        self.update(|counts| counts.ended += 1);
    }

    fn ended(&self, receipt: &Receipt) {
        self.update(|counts| counts.add(receipt));
        if let Some(text) = trouble(receipt) {
            log(&text);
        }
    }

    fn postponed(&self, event: &Event, error: &Error) {
        log(&format!("comes back later: `{}`: {}", event.uri, error.chain()));
    }

    fn committed(&self, committed: &Committed) {
        log(&format!("committed {} jobs", committed.receipts.len()));
    }

    fn note(&self, text: &str) {
        log(text);
    }
}

/// One JSON object a line on stdout.
struct JsonLines;

impl JsonLines {
    fn print(value: &serde_json::Value) {
        // A reader that went away does not stop the work.
        use std::io::Write;
        writeln!(std::io::stdout(), "{value}").unwrap_or_default();
    }
}

impl Progress for JsonLines {
    fn found(&self, _: &Event) {}

    fn already_done(&self, event: &Event) {
        Self::print(&json!({"event": "already_done", "object": event.uri}));
    }

    fn ended(&self, _: &Receipt) {}

    fn postponed(&self, event: &Event, error: &Error) {
        Self::print(
            &json!({"event": "postponed", "object": event.uri, "kind": error.kind().name(), "error": error.chain()}),
        );
    }

    fn committed(&self, committed: &Committed) {
        for receipt in &committed.receipts {
            Self::print(&json!({"event": "job", "balances": receipt.balance.holds(), "receipt": receipt}));
        }
        Self::print(&json!({"event": "committed", "jobs": committed.receipts.len(), "dropped": committed.dropped}));
    }

    fn note(&self, text: &str) {
        Self::print(&json!({"event": "note", "text": text}));
    }
}

/// The summary as JSON.
pub(crate) fn summary_json(summary: &Summary, elapsed: Duration) -> serde_json::Value {
    json!({
        "event": "summary",
        "files": {
            "found": summary.found,
            "already_done": summary.already_done,
            "done": summary.done,
            "duplicate": summary.duplicates,
            "quarantined": summary.quarantined_files,
            "unrouted": summary.unrouted,
            "gone": summary.gone,
            "failed": summary.failed,
            "postponed": summary.postponed,
            "promoted": summary.promoted,
        },
        "rows": summary.balance,
        "unbalanced_files": summary.unbalanced,
        "signals": summary.signals,
        "bytes_in": summary.bytes_in,
        "bytes_decoded": summary.bytes_decoded,
        "bytes_out": summary.bytes_out,
        "is_interrupted": summary.is_interrupted,
        "elapsed_us": elapsed.as_micros() as u64,
    })
}

/// The summary as a person reads it.
pub(crate) fn summary_text(summary: &Summary, elapsed: Duration) -> String {
    let balance = &summary.balance;
    let mut files = vec![format!("{} done", format_count(summary.done))];
    for (count, what) in [
        (summary.duplicates, "duplicate"),
        (summary.quarantined_files, "quarantined"),
        (summary.unrouted, "that no source wants"),
        (summary.gone, "gone before they were read"),
        (summary.failed, "failed, to be tried again"),
        (summary.postponed, "postponed"),
        (summary.already_done, "done before"),
    ] {
        if count > 0 {
            files.push(format!("{} {what}", format_count(count)));
        }
    }
    let rows = match summary.unbalanced {
        0 => rows_text(balance),
        _ => format!("{} (NOT every row is accounted for)", rows_by_fate(balance)),
    };
    format!(
        "files    {}: {}\nrows     {}\nsignals  {}\nbytes    {} read, {} decoded, {} written in {}\n",
        format_count(summary.found),
        files.join(", "),
        rows,
        format_count(summary.signals),
        format_bytes(summary.bytes_in),
        format_bytes(summary.bytes_decoded),
        format_bytes(summary.bytes_out),
        format_us(elapsed.as_micros() as u64),
    )
}

/// Rows by fate, where all are accounted for.
pub(crate) fn rows_text(balance: &Balance) -> String {
    format!("{} (every row is accounted for)", rows_by_fate(balance))
}

fn rows_by_fate(balance: &Balance) -> String {
    let mut rows =
        vec![format!("{} in", format_count(balance.rows_in)), format!("{} out", format_count(balance.rows_out))];
    for (count, what) in [
        (balance.filtered, "filtered"),
        (balance.deduplicated, "deduplicated"),
        (balance.aggregated, "aggregated"),
        (balance.quarantined, "quarantined"),
        (balance.exploded, "exploded"),
    ] {
        if count > 0 {
            rows.push(format!("{} {what}", format_count(count)));
        }
    }
    rows.join(", ")
}

/// A bar for a known number of files; nothing where stderr is no terminal.
pub(crate) fn files(count: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} files {elapsed}");
    let bar = ProgressBar::new(count as u64);
    style.map_or(bar.clone(), |style| bar.with_style(style))
}
