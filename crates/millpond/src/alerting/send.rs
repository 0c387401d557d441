//! Sending one message to one destination.

mod aws;
mod http;
mod jira;

use std::io::Write;
use std::path::Path;

use millpond_core::alert::{Destination, Message, Secret, Setting, Target, body, signature};
use millpond_core::{Error, Result};
use serde_json::Value;

pub(super) use self::http::client;
use self::http::post;
use super::Surroundings;

/// Why a message was not taken.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    /// Seconds that the receiver asks to be left alone.
    pub(super) asked_s: Option<u64>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, asked_s: None }
    }
}

/// What the receiver said.
type Sent = Result<String, Failure>;

/// What sending needs besides the message.
pub(super) struct Sender<'a> {
    pub(super) http: &'a reqwest::Client,
    pub(super) surroundings: &'a Surroundings,
    /// The pond's folder.
    pub(super) folder: &'a Path,
    /// The pond's name.
    pub(super) pond: &'a str,
}

impl Sender<'_> {
    /// Sends a message; gives what the receiver answered.
    pub(super) async fn send(&self, destination: &Destination, message: &Message) -> Sent {
        let template = &destination.template;
        let event = || body::cloud_event(message, template, self.pond).to_string();
        match &destination.target {
            Target::Webhook { url, secret } => self.webhook(url, secret.as_ref(), message, event()).await,
            Target::Slack { url } => {
                let url = self.secret(url)?;
                post(self.http, &url, &[], body::slack(message, template).to_string()).await
            }
            Target::PagerDuty { url, routing_key } => {
                let (url, key) = (self.setting(url)?, self.secret(routing_key)?);
                post(self.http, &url, &[], body::pagerduty(message, template, &key, self.pond).to_string()).await
            }
            Target::Jira { url, user, token, project, issue_type } => {
                let user = user.as_ref().map(|user| self.setting(user)).transpose()?;
                let site = jira::Site::new(self.http, self.setting(url)?, user, self.secret(token)?);
                site.send(message, template, project, issue_type).await
            }
            Target::Sns { topic } => aws::publish(topic, message, event()).await,
            Target::Sqs { queue } => aws::enqueue(queue, message, &event()).await,
            Target::EventBridge { bus } => aws::put_event(bus, message, &body::detail(message, template)).await,
            Target::File { path } => Ok(append(&self.folder.join(path), &event())?),
            Target::Stdout => {
                (self.surroundings.print)(&event())?;
                Ok("printed".to_owned())
            }
        }
    }

    /// The headers of Standard Webhooks: the same id with each try, the time and the signature of this one.
    async fn webhook(&self, url: &Setting, secret: Option<&Secret>, message: &Message, event: String) -> Sent {
        let (url, id) = (self.setting(url)?, message.id());
        let timestamp_s = self.surroundings.clock.now_us().div_euclid(1_000_000);
        let mut headers = vec![
            ("content-type", "application/cloudevents+json; charset=utf-8".to_owned()),
            ("webhook-id", id.clone()),
            ("webhook-timestamp", timestamp_s.to_string()),
        ];
        if let Some(secret) = secret {
            let signature = signature::sign(&self.secret(secret)?, &id, timestamp_s, &event)?;
            headers.push(("webhook-signature", signature));
        }
        post(self.http, &url, &headers, event).await
    }

    fn setting(&self, setting: &Setting) -> Result<String> {
        match setting {
            Setting::Plain(text) => Ok(text.clone()),
            Setting::Env(secret) => self.secret(secret),
        }
    }

    fn secret(&self, Secret(name): &Secret) -> Result<String> {
        let found = (self.surroundings.variable)(name).filter(|value| !value.trim().is_empty());
        found.map(|value| value.trim().to_owned()).ok_or_else(|| {
            Error::bad_config(format!("the environment variable `{name}` is not set"))
                .hint("`millpond.toml` names it as `env:…`: set it where millpond runs")
        })
    }
}

/// Adds a line to a file, and waits until it is on the disk.
fn append(path: &Path, line: &str) -> Result<String> {
    let failed = |error| Error::transient(format!("failed to add to `{}`", path.display())).because(error);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
    // One call, so that lines of several processes do not mix.
    file.write_all(format!("{line}\n").as_bytes()).and_then(|()| file.sync_data()).map_err(failed)?;
    Ok(format!("added to `{}`", path.display()))
}

/// A member of a JSON object as text.
fn text_at<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}
