//! Traces: what each step of each job took, as OpenTelemetry spans that go to a collector by OTLP over HTTP.
//!
//! Every job is a trace of its own, and the trace's id is the job's: whoever has a receipt has the trace, and a committer
//! in another process adds its span without being told of anything. Spans are made once a step is over, of the times
//! that the receipt has; so a job costs the same with and without them until its end, and without an endpoint in the
//! environment nothing is started.

mod exporter;
mod settings;
mod span;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use millpond_core::receipt::{Receipt, Status};
use millpond_core::{Error, Result};

use exporter::Exporter;
use settings::{Sampler, Settings};
use span::{Span, Value};

static ACTIVE: OnceLock<Traces> = OnceLock::new();

/// The traces of this process.
pub(crate) struct Traces {
    exporter: Exporter,
    sampler: Sampler,
}

/// Which job a span belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    job: String,
    attempt: u32,
}

/// When the steps that a receipt does not tell of were taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before {
    /// When the notice was received.
    pub(crate) received: Instant,
    /// When routing began, and when it ended.
    pub(crate) routed: (Instant, Instant),
    /// When the job began, and how long it was planned before that.
    pub(crate) started: (Instant, Duration),
}

/// Begins to send traces if the environment names a collector (`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or
/// `OTEL_EXPORTER_OTLP_ENDPOINT`), from this runtime; `tell` hears of what cannot be sent, once for each outage.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when one of the variables is wrong: nothing is sent.
pub fn start(tell: impl Fn(&Error) + Send + 'static) -> Result<()> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(settings) = Settings::read(&variable)? {
        let sampler = settings.sampler;
        let exporter = Exporter::start(settings, Box::new(tell))?;
        // Whoever started first goes on.
        let _ = ACTIVE.set(Traces { exporter, sampler });
    }
    Ok(())
}

/// Sends what waits, within `limit`.
pub async fn flush(limit: Duration) {
    if let Some(traces) = active() {
        traces.exporter.flush(limit).await;
    }
}

/// Notes that the notices of jobs were acknowledged between `started` and now.
pub fn acknowledged(jobs: impl IntoIterator<Item = Traced>, started: Instant) {
    let Some(traces) = active() else { return };
    for job in jobs {
        traces.send(vec![job.step("ack", time_us(started), now_us())]);
    }
}

/// The traces of this process, if there are any.
pub(crate) fn active() -> Option<&'static Traces> {
    ACTIVE.get()
}

/// Notes that jobs were committed between `started` and now.
pub(crate) fn committed(receipts: &[Receipt], started: Instant) {
    let Some(traces) = active() else { return };
    let (started_us, ended_us) = (time_us(started), now_us());
    for receipt in receipts {
        let span = Traced::of(receipt).step("commit", started_us, ended_us);
        traces.send(vec![span.with("millpond.outcome", Value::text(receipt.status.name()))]);
    }
}

impl Traces {
    /// Notes that a job came to its end now: its own span, and those of the steps so far.
    pub(crate) fn job(&self, receipt: &Receipt, before: &Before) {
        let traced = Traced::of(receipt);
        let mut spans = vec![traced.job_span(receipt, time_us(before.received), now_us())];
        spans.extend(before.spans(&traced));
        if matches!(receipt.status, Status::Done | Status::Duplicate) {
            spans.extend(traced.timed_spans(receipt, time_us(before.started.0)));
        }
        self.send(spans);
    }

    fn send(&self, spans: Vec<Span>) {
        if spans.first().is_some_and(|span| self.sampler.takes(&span.trace)) {
            self.exporter.send(spans);
        }
    }
}

impl Before {
    fn spans(&self, traced: &Traced) -> [Span; 3] {
        let (begun, routed) = (time_us(self.routed.0), time_us(self.routed.1));
        let (started, planned) = (time_us(self.started.0), self.started.1.as_micros() as i64);
        [
            traced.step("receive", time_us(self.received), begun),
            traced.step("route", begun, routed),
            traced.step("plan", started - planned, started),
        ]
    }
}

impl Traced {
    /// The job of a receipt.
    pub fn of(receipt: &Receipt) -> Self {
        Self { job: receipt.job_id.clone(), attempt: receipt.attempt }
    }

    /// The id of one of the job's spans: it follows from the job, so that every process knows the parent's.
    fn span_id(&self, name: &str) -> String {
        let hash = blake3::hash(format!("{}\n{}\n{name}", self.job, self.attempt).as_bytes());
        hash.to_hex()[..16].to_owned()
    }

    fn step(&self, name: &'static str, start_us: i64, end_us: i64) -> Span {
        Span { parent: Some(self.span_id("job")), ..self.span(name, start_us, end_us) }
    }

    fn span(&self, name: &'static str, start_us: i64, end_us: i64) -> Span {
        Span {
            trace: self.job.clone(),
            id: self.span_id(name),
            parent: None,
            name,
            start_us,
            end_us: end_us.max(start_us),
            attributes: Vec::new(),
            error: None,
        }
    }

    fn job_span(&self, receipt: &Receipt, start_us: i64, end_us: i64) -> Span {
        let mut span = self.span("job", start_us, end_us);
        span.attributes = vec![
            ("millpond.source", Value::text(&receipt.source)),
            ("millpond.object", Value::text(&receipt.object)),
            ("millpond.job_id", Value::text(&receipt.job_id)),
            ("millpond.attempt", Value::number(receipt.attempt.into())),
            ("millpond.size_bytes", Value::number(receipt.bytes_in)),
            ("millpond.outcome", Value::text(receipt.status.name())),
        ];
        span.attributes.extend(receipt.error_kind.as_ref().map(|kind| ("error.type", Value::text(kind))));
        span.error = receipt.error.clone();
        span
    }

    /// Fetch, decode, transform and write take turns all the while; each span is as long as the receipt says, and they
    /// stand one behind the other.
    fn timed_spans(&self, receipt: &Receipt, start_us: i64) -> Vec<Span> {
        let times = &receipt.timings;
        let mut at_us = start_us;
        let mut next = |name, us: u64, attribute, count| {
            let span = self.step(name, at_us, at_us + us as i64).with(attribute, Value::number(count));
            at_us += us as i64;
            span
        };
        vec![
            next("fetch", times.fetch_us, "millpond.bytes", receipt.bytes_in),
            next("decode", times.decode_us, "millpond.rows", receipt.balance.rows_in),
            next("transform", times.transform_us, "millpond.rows", receipt.balance.rows_out),
            next("write", times.write_us, "millpond.bytes", receipt.bytes_out),
        ]
    }
}

/// Microseconds since 1970 in UTC.
fn now_us() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

/// When `instant` was, in microseconds since 1970 in UTC.
fn time_us(instant: Instant) -> i64 {
    now_us() - instant.elapsed().as_micros() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_process_knows_the_span_of_a_job() {
        let traced = |attempt| Traced { job: "00112233445566778899aabbccddeeff".into(), attempt };
        let commit = traced(1).step("commit", 5, 7);
        assert_eq!(commit.trace, "00112233445566778899aabbccddeeff");
        assert_eq!(commit.parent, Some(traced(1).span("job", 0, 9).id));
        // Another try is another span of the same trace.
        assert_ne!(commit.parent, Some(traced(2).span("job", 0, 9).id));
    }
}
