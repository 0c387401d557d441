//! What a watching worker offers over HTTP: its health, its metrics, and a door for notices.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use millpond::metrics::Metrics;
use millpond::queue::{Body, MemoryQueue};
use millpond_core::notice;
use millpond_core::{Error, Result};
use serde_json::json;

/// Names the token that `POST /events` asks for.
const TOKEN: &str = "MILLPOND_EVENTS_TOKEN";
/// Bytes of one request; S3's own notices have at most 64 KB
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>), and a batch has many.
const BODY_BYTES_MAX: usize = 8 << 20;
/// How long a notice is worked on before it is taken up again.
const HOLD: Duration = Duration::from_secs(600);

struct Served {
    metrics: Arc<Metrics>,
    queue: Arc<MemoryQueue>,
    token: Option<String>,
}

/// Serves `/health`, `/metrics` and `POST /events`; gives the queue that the notices are put into.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when the address cannot be listened on.
pub(crate) async fn serve(address: SocketAddr, metrics: Arc<Metrics>) -> Result<Arc<MemoryQueue>> {
    let token = std::env::var(TOKEN).ok().filter(|token| !token.is_empty());
    if !address.ip().is_loopback() && token.is_none() {
        return Err(Error::bad_config(format!("`{address}` can be reached by others, and anyone could send notices"))
            .hint(format!("set `{TOKEN}` to what senders put behind `Authorization: Bearer`")));
    }
    let failed = |error| Error::bad_config(format!("failed to listen on `{address}`")).because(error);
    let listener = tokio::net::TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    eprintln!("listening on http://{address}: /health, /metrics, POST /events");
    let queue = Arc::new(MemoryQueue::new(format!("http://{address}/events"), HOLD));
    let served = Arc::new(Served { metrics, queue: Arc::clone(&queue), token });
    let router = Router::new()
        .route("/health", get(|| async { "ok\n" }))
        .route("/metrics", get(told_metrics))
        .route("/events", post(take))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(served);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(queue)
}

async fn told_metrics(State(served): State<Arc<Served>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], served.metrics.text()).into_response()
}

/// Takes notices. They are held in memory until they are worked on: an input that lists the same place finds what a
/// crash loses.
async fn take(State(served): State<Arc<Served>>, headers: HeaderMap, body: Bytes) -> Response {
    if !is_allowed(served.token.as_deref(), &headers) {
        return (StatusCode::UNAUTHORIZED, "the token is missing or wrong\n").into_response();
    }
    let Ok(text) = String::from_utf8(body.to_vec()) else {
        return (StatusCode::BAD_REQUEST, "a notice is text in UTF-8\n").into_response();
    };
    let notice = notice::parse(text.as_bytes());
    // Azure Event Grid asks for this once, to see that the endpoint is ours.
    if let Some(code) = notice.validation_code {
        return axum::Json(json!({"validationResponse": code})).into_response();
    }
    let told = json!({"objects": notice.appeared.len(), "ignored": notice.ignored, "problems": notice.problems.len()});
    served.queue.send(Body::Text(text));
    (StatusCode::ACCEPTED, axum::Json(told)).into_response()
}

fn is_allowed(token: Option<&str>, headers: &HeaderMap) -> bool {
    let Some(token) = token else { return true };
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    // Compared by their hashes, so that the time taken says nothing of how much of the token was right.
    given
        .and_then(|given| given.strip_prefix("Bearer "))
        .is_some_and(|given| blake3::hash(given.as_bytes()) == blake3::hash(token.as_bytes()))
}
