//! Sends spans in the background, some hundred together, and drops them rather than let a job wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use millpond_core::{Error, Result};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::sync::{mpsc, oneshot};

use super::settings::Settings;
use super::span::{Span, document};

/// Spans of one request: as OpenTelemetry's own libraries have it.
const REQUEST_SPANS: usize = 512;
/// Ends of jobs that wait to be sent; what comes when there are as many is dropped.
const WAITING_MAX: usize = 4_096;
/// Time after which fewer are sent.
const INTERVAL: Duration = Duration::from_secs(5);
/// Tries of a request that the collector was too busy for, and the wait before the second, doubled with each further one.
const TRIES: u32 = 3;
const RETRY: Duration = Duration::from_secs(1);

/// Sends spans.
pub(super) struct Exporter {
    sender: mpsc::Sender<Message>,
    /// Spans that there was no room for since that was last told.
    dropped: Arc<AtomicU64>,
}

enum Message {
    Spans(Vec<Span>),
    /// Send what waits, then answer.
    Flush(oneshot::Sender<()>),
}

/// Hears of spans that could not be sent.
pub(super) type Tell = Box<dyn Fn(&Error) + Send>;

impl Exporter {
    /// Starts the task that sends, on the runtime of the caller.
    pub(super) fn start(settings: Settings, tell: Tell) -> Result<Self> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let client = Client { http: http_client(&settings)?, settings };
        let dropped = Arc::default();
        let sending = Sending { client, tell, waiting: Vec::new(), is_failing: false, dropped: Arc::clone(&dropped) };
        tokio::spawn(sending.run(receiver));
        Ok(Self { sender, dropped })
    }

    /// Takes spans, unless too many wait.
    pub(super) fn send(&self, spans: Vec<Span>) {
        let count = spans.len() as u64;
        // A collector that is too slow costs spans, not time.
        if self.sender.try_send(Message::Spans(spans)).is_err() {
            self.dropped.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Waits until everything so far is sent or given up, within `limit`.
    pub(super) async fn flush(&self, limit: Duration) {
        let (done, flushed) = oneshot::channel();
        let flush = async {
            if self.sender.send(Message::Flush(done)).await.is_ok() {
                // The task ends only with the runtime.
                let _ = flushed.await;
            }
        };
        let _ = tokio::time::timeout(limit, flush).await;
    }
}

/// The task that sends.
struct Sending {
    client: Client,
    tell: Tell,
    waiting: Vec<Span>,
    /// Whether the last request failed: an outage is told once.
    is_failing: bool,
    dropped: Arc<AtomicU64>,
}

impl Sending {
    async fn run(mut self, mut receiver: mpsc::Receiver<Message>) {
        let mut tick = tokio::time::interval(INTERVAL);
        loop {
            tokio::select! {
                message = receiver.recv() => match message {
                    Some(Message::Spans(spans)) => {
                        self.waiting.extend(spans);
                        if self.waiting.len() >= REQUEST_SPANS {
                            self.send_waiting().await;
                        }
                    }
                    Some(Message::Flush(done)) => {
                        self.send_waiting().await;
                        // Whoever asked may have stopped to wait.
                        let _ = done.send(());
                    }
                    None => return,
                },
                _ = tick.tick() => self.send_waiting().await,
            }
        }
    }

    async fn send_waiting(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        for spans in waiting.chunks(REQUEST_SPANS) {
            match self.client.post(spans).await {
                Ok(()) => self.is_failing = false,
                Err(error) if !std::mem::replace(&mut self.is_failing, true) => (self.tell)(&error),
                Err(_) => {}
            }
        }
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let error = Error::transient(format!("{dropped} spans were dropped: the collector takes too few"));
            (self.tell)(&error.hint("send a part of all traces: `OTEL_TRACES_SAMPLER=traceidratio`"));
        }
    }
}

/// A collector.
struct Client {
    http: reqwest::Client,
    settings: Settings,
}

fn http_client(settings: &Settings) -> Result<reqwest::Client> {
    let refused = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::bad_config("traces cannot be sent with these variables").because(error)
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in &settings.headers {
        let name = HeaderName::try_from(name).map_err(|error| refused(Box::new(error)))?;
        headers.insert(name, HeaderValue::try_from(value).map_err(|error| refused(Box::new(error)))?);
    }
    let client = reqwest::Client::builder().default_headers(headers).timeout(settings.timeout).build();
    client.map_err(|error| refused(Box::new(error)))
}

impl Client {
    /// Sends spans; a collector that is busy is asked again.
    async fn post(&self, spans: &[Span]) -> Result<()> {
        let url = &self.settings.url;
        let body = document(&self.settings.resource, spans).to_string();
        let failed = || Error::transient(format!("{} spans could not be sent to `{url}`", spans.len()));
        let mut error = failed();
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(RETRY * (1 << (attempt - 1))).await;
            }
            error = match self.http.post(url).body(body.clone()).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) if !is_busy(answer.status()) => return Err(refused(failed(), answer.status())),
                Ok(answer) => refused(failed(), answer.status()),
                Err(cause) => failed().because(cause),
            };
        }
        Err(error)
    }
}

fn refused(error: Error, status: StatusCode) -> Error {
    error.hint(format!("the collector answers {status}"))
}

/// What the specification has a sender try again.
fn is_busy(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}
