//! What a worker did, as numbers that a monitoring system collects, in the OpenMetrics text format
//! (<https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md>).

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use millpond_core::Error;
use millpond_core::event::Event;
use millpond_core::receipt::Receipt;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::committer::Committed;
use crate::correlating::Passed;
use crate::worker::Progress;

/// Counts what a worker tells, and tells it on.
pub struct Metrics {
    inner: Arc<dyn Progress>,
    registry: Registry,
    events: Family<Outcome, Counter>,
    files: Family<File, Counter>,
    rows: Family<Rows, Counter>,
    bytes: Family<Stage, Counter>,
    signals: Family<OfSource, Counter>,
    episodes: Family<OfRule, Counter>,
    left_out: Family<LeftOut, Counter>,
    step_seconds: Family<Step, Counter<f64, AtomicU64>>,
    commits: Counter,
    dropped: Counter,
    unreadable: Counter,
    last_commit: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct File {
    source: String,
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Rows {
    source: String,
    fate: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Stage {
    source: String,
    stage: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfSource {
    source: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfRule {
    correlation: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LeftOut {
    correlation: String,
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Step {
    source: String,
    step: &'static str,
}

impl Metrics {
    /// Counts what is told, and tells `inner`.
    pub fn new(inner: Arc<dyn Progress>) -> Self {
        let mut registry = Registry::with_prefix("millpond");
        let metrics = Self {
            inner,
            events: Family::default(),
            files: Family::default(),
            rows: Family::default(),
            bytes: Family::default(),
            signals: Family::default(),
            episodes: Family::default(),
            left_out: Family::default(),
            step_seconds: Family::default(),
            commits: Counter::default(),
            dropped: Counter::default(),
            unreadable: Counter::default(),
            last_commit: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("events", "Objects told of, by what became of the notice", metrics.events.clone());
        registry.register("files", "Jobs that were committed, by source and end", metrics.files.clone());
        registry.register("rows", "Rows of committed jobs, by source and fate", metrics.rows.clone());
        registry.register_with_unit(
            "data",
            "Bytes of committed jobs: stored, decoded and written",
            Unit::Bytes,
            metrics.bytes.clone(),
        );
        registry.register("signals", "Rows harvested by signals", metrics.signals.clone());
        registry.register("correlation_episodes", "Episodes that correlations found", metrics.episodes.clone());
        registry.register(
            "correlation_left_out",
            "Matches or groups that correlations could not use, by reason",
            metrics.left_out.clone(),
        );
        registry.register_with_unit(
            "step",
            "Time of committed jobs, by source and step",
            Unit::Seconds,
            metrics.step_seconds.clone(),
        );
        registry.register("commits", "Calls of the committer that committed something", metrics.commits.clone());
        registry.register("dropped", "Jobs dropped because they were committed before", metrics.dropped.clone());
        registry.register(
            "unreadable",
            "Pending commits put aside because they cannot be read",
            metrics.unreadable.clone(),
        );
        registry.register_with_unit(
            "last_commit_timestamp",
            "When something was committed last, since 1970 in UTC",
            Unit::Seconds,
            metrics.last_commit.clone(),
        );
        Self { registry, ..metrics }
    }

    /// Everything counted so far, as OpenMetrics text.
    pub fn text(&self) -> String {
        let mut told = String::new();
        // Writing to a string does not fail.
        text::encode(&mut told, &self.registry).unwrap_or_default();
        told
    }

    fn count_event(&self, outcome: &'static str) {
        self.events.get_or_create(&Outcome { outcome }).inc();
    }

    fn count_job(&self, receipt: &Receipt) {
        let source = || receipt.source.clone();
        self.files.get_or_create(&File { source: source(), status: receipt.status.name() }).inc();
        let balance = &receipt.balance;
        for (fate, rows) in [
            ("in", balance.rows_in),
            ("out", balance.rows_out),
            ("filtered", balance.filtered),
            ("deduplicated", balance.deduplicated),
            ("aggregated", balance.aggregated),
            ("exploded", balance.exploded),
            ("quarantined", balance.quarantined),
        ] {
            self.rows.get_or_create(&Rows { source: source(), fate }).inc_by(rows);
        }
        for (stage, bytes) in
            [("stored", receipt.bytes_in), ("decoded", receipt.bytes_decoded), ("written", receipt.bytes_out)]
        {
            self.bytes.get_or_create(&Stage { source: source(), stage }).inc_by(bytes);
        }
        let times = &receipt.timings;
        for (step, us) in [
            ("fetch", times.fetch_us),
            ("decode", times.decode_us),
            ("transform", times.transform_us),
            ("write", times.write_us),
        ] {
            self.step_seconds.get_or_create(&Step { source: source(), step }).inc_by(us as f64 / 1e6);
        }
        self.signals.get_or_create(&OfSource { source: source() }).inc_by(receipt.signals);
    }
}

impl Progress for Metrics {
    fn found(&self, event: &Event) {
        self.count_event("found");
        self.inner.found(event);
    }

    fn already_done(&self, event: &Event) {
        self.count_event("already_done");
        self.inner.already_done(event);
    }

    fn ended(&self, receipt: &Receipt) {
        self.count_event("ended");
        self.inner.ended(receipt);
    }

    fn postponed(&self, event: &Event, error: &Error) {
        self.count_event("postponed");
        self.inner.postponed(event, error);
    }

    fn committed(&self, committed: &Committed) {
        committed.receipts.iter().for_each(|receipt| self.count_job(receipt));
        self.commits.inc();
        self.dropped.inc_by(committed.dropped as u64);
        self.unreadable.inc_by(committed.unreadable.len() as u64);
        self.last_commit.set(chrono::Utc::now().timestamp());
        self.inner.committed(committed);
    }

    fn correlated(&self, passed: &Passed) {
        for (correlation, one) in &passed.correlations {
            let correlation = || correlation.clone();
            self.episodes.get_or_create(&OfRule { correlation: correlation() }).inc_by(one.found);
            for (reason, _, count) in one.left_out() {
                self.left_out.get_or_create(&LeftOut { correlation: correlation(), reason }).inc_by(count);
            }
        }
        let untimed = LeftOut { correlation: String::new(), reason: "untimed" };
        self.left_out.get_or_create(&untimed).inc_by(passed.untimed);
        self.inner.correlated(passed);
    }

    fn note(&self, text: &str) {
        self.inner.note(text);
    }
}
