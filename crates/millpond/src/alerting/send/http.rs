//! Requests to receivers: one client, short waits, no redirects.

use std::time::Duration;

use millpond_core::{Error, Result};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, redirect};

use super::{Failure, Sent};

/// Wait for a connection, and for a whole answer: two of them take less than a try may.
const CONNECT_MAX: Duration = Duration::from_secs(5);
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// Characters of an answer that are kept.
const ANSWER_CHARS_MAX: usize = 300;

/// The client for all receivers.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when the machine's certificates cannot be read.
pub(in crate::alerting) fn client() -> Result<Client> {
    let builder = Client::builder()
        .user_agent(concat!("millpond/", env!("CARGO_PKG_VERSION")))
        // What is sent may be secret, and goes to the address that was configured and to no other.
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_MAX)
        .timeout(ANSWER_MAX);
    builder.build().map_err(|error| Error::bad_config("failed to prepare for HTTP requests").because(error))
}

/// Posts JSON; the headers may say what kind of it.
pub(super) async fn post(client: &Client, url: &str, headers: &[(&str, String)], body: String) -> Sent {
    let mut request = client.post(url);
    if !headers.iter().any(|(name, _)| *name == CONTENT_TYPE.as_str()) {
        request = request.header(CONTENT_TYPE, "application/json; charset=utf-8");
    }
    request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
    let answer = ask(request.body(body)).await?;
    Ok(shortened(&answer))
}

/// Sends a request; the body of an answer that says yes.
pub(super) async fn ask(request: RequestBuilder) -> Sent {
    // The address may be the secret: no error tells it.
    let failed = |error: reqwest::Error| Error::transient("the receiver did not answer").because(error.without_url());
    let answer = request.send().await.map_err(failed)?;
    let status = answer.status();
    let asked_s = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let text = answer.text().await.map_err(failed)?;
    if status.is_success() {
        return Ok(if text.trim().is_empty() { status.as_u16().to_string() } else { text });
    }
    let error = Error::transient(format!("the receiver answered {}: {}", status.as_u16(), shortened(&text)));
    Err(Failure { error, asked_s })
}

/// An answer on one line.
pub(super) fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(ANSWER_CHARS_MAX).collect()
}
