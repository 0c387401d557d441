//! Where people, and programs, are told (`[destination.NAME]`).

use super::Template;
use super::policy::word;
use crate::config::{Problems, Section};
use crate::error::{Error, Result};

/// Where PagerDuty takes events (<https://developer.pagerduty.com/docs/send-alert-event>).
const PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";

/// One place that alerts are sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// What policies call it.
    pub name: String,
    /// What it is.
    pub target: Target,
    /// The one line that people read.
    pub template: Template,
}

/// What a destination is, and what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// CloudEvents by `POST`, signed where there is a secret.
    Webhook {
        /// Where to.
        url: Setting,
        /// What to sign with.
        secret: Option<Secret>,
    },
    /// An incoming webhook of Slack.
    Slack {
        /// Whoever knows it can write to the channel.
        url: Secret,
    },
    /// Events API v2 of PagerDuty.
    PagerDuty {
        /// Where to.
        url: Setting,
        /// The integration's key.
        routing_key: Secret,
    },
    /// Issues of Jira.
    Jira {
        /// The site, such as `https://example.atlassian.net`.
        url: Setting,
        /// The account's e-mail address; `None`: the token is a personal access token of a data center.
        user: Option<Setting>,
        /// The account's API token.
        token: Secret,
        /// The key of the project.
        project: String,
        /// The name of the type of issue.
        issue_type: String,
    },
    /// A topic of SNS.
    Sns {
        /// Its ARN.
        topic: String,
    },
    /// A queue of SQS.
    Sqs {
        /// Its URL, or `sqs://NAME`.
        queue: String,
    },
    /// A bus of EventBridge.
    EventBridge {
        /// Its name or ARN.
        bus: String,
    },
    /// A file to which lines of JSON are added.
    File {
        /// A path relative to the pond.
        path: String,
    },
    /// The program's output, as lines of JSON.
    Stdout,
}

/// A text of the configuration, or where in the environment it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// As it is written.
    Plain(String),
    /// In a variable.
    Env(Secret),
}

/// The name of an environment variable that holds what must not stand in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl Secret {
    fn parse(text: &str) -> Result<Self> {
        let is_fine = |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        match text.strip_prefix("env:").filter(is_fine) {
            Some(name) => Ok(Self(name.to_owned())),
            // What was written is not told: it may be the secret.
            None => Err(Error::bad_config("a secret must not stand in a file")
                .hint("put it into an environment variable, and write `env:NAME`")),
        }
    }
}

impl Setting {
    fn parse_url(text: &str) -> Result<Self> {
        if text.starts_with("env:") {
            return Secret::parse(text).map(Self::Env);
        }
        match text.starts_with("https://") || text.starts_with("http://") {
            true => Ok(Self::Plain(text.to_owned())),
            false => Err(Error::bad_config(format!("`{text}` is no URL that can be posted to"))
                .hint("write `https://…`, or `env:NAME` where it is secret")),
        }
    }

    fn parse_text(text: &str) -> Result<Self> {
        match text.starts_with("env:") {
            true => Secret::parse(text).map(Self::Env),
            false => Ok(Self::Plain(text.to_owned())),
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Webhook,
    Slack,
    PagerDuty,
    Jira,
    Sns,
    Sqs,
    EventBridge,
    File,
    Stdout,
}

const KINDS: [(&str, Kind); 9] = [
    ("webhook", Kind::Webhook),
    ("slack", Kind::Slack),
    ("pagerduty", Kind::PagerDuty),
    ("jira", Kind::Jira),
    ("sns", Kind::Sns),
    ("sqs", Kind::Sqs),
    ("eventbridge", Kind::EventBridge),
    ("file", Kind::File),
    ("stdout", Kind::Stdout),
];

impl Target {
    /// The `type` that it is written as.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Slack { .. } => "slack",
            Self::PagerDuty { .. } => "pagerduty",
            Self::Jira { .. } => "jira",
            Self::Sns { .. } => "sns",
            Self::Sqs { .. } => "sqs",
            Self::EventBridge { .. } => "eventbridge",
            Self::File { .. } => "file",
            Self::Stdout => "stdout",
        }
    }
}

impl Destination {
    /// Reads one `[destination.NAME]`.
    pub(super) fn parse(name: String, mut section: Section<'_>, problems: &mut Problems) -> Option<Self> {
        if let Err(error) = word(&name) {
            section.refuse(problems, "type", &error);
        }
        let kind = section.choice(problems, "type", &KINDS);
        if section.is_absent("type") {
            let names = KINDS.map(|(name, _)| format!("`{name}`")).join(", ");
            section.missing(problems, "type", &format!("it can be {names}"));
        }
        let template = section.parsed(problems, "template", Template::parse).unwrap_or_default();
        let target = parse_target(kind?, &mut section, problems);
        section.finish(problems);
        Some(Self { name, target: target?, template })
    }
}

fn parse_target(kind: Kind, section: &mut Section<'_>, problems: &mut Problems) -> Option<Target> {
    let mut needed = Needed { section, problems };
    Some(match kind {
        Kind::Webhook => {
            let secret = needed.section.parsed(needed.problems, "secret", Secret::parse);
            Target::Webhook { url: needed.url("https://soar.example.com/hooks/millpond")?, secret }
        }
        Kind::Slack => Target::Slack { url: needed.secret("url")? },
        Kind::PagerDuty => {
            let url = needed.section.parsed(needed.problems, "url", Setting::parse_url);
            let url = url.unwrap_or_else(|| Setting::Plain(PAGERDUTY_URL.to_owned()));
            Target::PagerDuty { url, routing_key: needed.secret("routing_key")? }
        }
        Kind::Jira => needed.jira()?,
        Kind::Sns => Target::Sns { topic: needed.text("topic", "its ARN, `arn:aws:sns:REGION:ACCOUNT:NAME`")? },
        Kind::Sqs => Target::Sqs { queue: needed.text("queue", "its URL, or `sqs://NAME`")? },
        Kind::EventBridge => {
            let bus = needed.section.text(needed.problems, "bus");
            Target::EventBridge { bus: bus.unwrap_or_else(|| "default".to_owned()) }
        }
        Kind::File => {
            Target::File { path: needed.text("path", "a path relative to the pond, such as `alerts.ndjson`")? }
        }
        Kind::Stdout => Target::Stdout,
    })
}

/// Keys without which a destination is none.
struct Needed<'s, 'a, 'p> {
    section: &'s mut Section<'a>,
    problems: &'p mut Problems,
}

impl Needed<'_, '_, '_> {
    fn text(&mut self, key: &'static str, hint: &str) -> Option<String> {
        self.told(key, hint);
        self.section.text(self.problems, key)
    }

    fn url(&mut self, example: &str) -> Option<Setting> {
        self.told("url", &format!("such as `{example}`, or `env:NAME`"));
        self.section.parsed(self.problems, "url", Setting::parse_url)
    }

    fn secret(&mut self, key: &'static str) -> Option<Secret> {
        self.told(key, "the environment variable that holds it: `env:NAME`");
        self.section.parsed(self.problems, key, Secret::parse)
    }

    fn jira(&mut self) -> Option<Target> {
        let url = self.url("https://example.atlassian.net");
        let user = self.section.parsed(self.problems, "user", Setting::parse_text);
        let token = self.secret("token");
        let project = self.text("project", "the key of the project, such as `SEC`");
        let issue_type = self.section.text(self.problems, "issue_type").unwrap_or_else(|| "Task".to_owned());
        Some(Target::Jira { url: url?, user, token: token?, project: project?, issue_type })
    }

    fn told(&mut self, key: &str, hint: &str) {
        if self.section.is_absent(key) {
            self.section.missing(self.problems, key, hint);
        }
    }
}
