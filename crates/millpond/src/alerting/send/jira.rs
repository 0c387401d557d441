//! Jira: one issue for each alert, found again by its label, because Jira has no idempotency key.

use millpond_core::alert::{Message, Template, body};
use millpond_core::{Error, Result};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

use super::{Failure, Sent, http, text_at};

/// A site and how to log in.
pub(super) struct Site<'a> {
    http: &'a Client,
    url: String,
    user: Option<String>,
    token: String,
}

impl<'a> Site<'a> {
    pub(super) fn new(http: &'a Client, url: String, user: Option<String>, token: String) -> Self {
        Self { http, url: url.trim_end_matches('/').to_owned(), user, token }
    }

    /// Makes the alert's issue, or adds to the one that is there what is new; gives its key.
    pub(super) async fn send(&self, message: &Message, template: &Template, project: &str, kind: &str) -> Sent {
        match self.find(&body::label(message)).await? {
            // The first message came a second time.
            Some(key) if message.alert.revision == 1 => Ok(key),
            Some(key) => {
                let path = format!("/rest/api/2/issue/{key}/comment");
                self.post(&path, &body::comment(message, template)).await?;
                Ok(key)
            }
            None => {
                let answer = self.post("/rest/api/2/issue", &body::issue(message, template, project, kind)).await?;
                let key = text_at(&answer, "/key").map(str::to_owned);
                key.ok_or_else(|| Error::transient("Jira did not name the issue that it made").into())
            }
        }
    }

    async fn find(&self, label: &str) -> Result<Option<String>, Failure> {
        // The cloud has a search of its own: https://developer.atlassian.com/changelog/#CHANGE-2046
        let path = if self.user.is_some() { "/rest/api/2/search/jql" } else { "/rest/api/2/search" };
        let query =
            [("jql", format!("labels = \"{label}\"")), ("fields", "summary".into()), ("maxResults", "1".into())];
        let address = url::Url::parse_with_params(&format!("{}{path}", self.url), query)
            .map_err(|error| Error::bad_config("the `url` of Jira is none").because(error))?;
        let answer = parsed(&http::ask(self.authorized(self.http.get(address.as_str()))).await?)?;
        Ok(text_at(&answer, "/issues/0/key").map(str::to_owned))
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let request = self.http.post(format!("{}{path}", self.url));
        let request = request.header("content-type", "application/json").body(body.to_string());
        Ok(parsed(&http::ask(self.authorized(request)).await?)?)
    }

    /// A cloud's token goes with its account's address, a data center's alone.
    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.user {
            Some(user) => request.basic_auth(user, Some(&self.token)),
            None => request.bearer_auth(&self.token),
        }
    }
}

fn parsed(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| Error::transient("Jira's answer is no JSON").because(error))
}
