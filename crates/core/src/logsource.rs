//! Log sources, by which Sigma rules say what events they are for.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A log source: a kind of event, by up to three names of Sigma's taxonomy
/// (<https://sigmahq.io/docs/basics/log-sources.html>).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct LogSource {
    /// What the event is about, whatever wrote it: `process_creation`, `webserver`.
    pub category: Option<String>,
    /// What wrote it: `windows`, `aws`.
    pub product: Option<String>,
    /// The log of that product: `security`, `cloudtrail`.
    pub service: Option<String>,
}

impl LogSource {
    /// Whether a rule for this log source is for events of the log source `event`: what the rule does not name may be
    /// anything.
    pub fn takes(&self, event: &Self) -> bool {
        let fits = |asked: &Option<String>, given: &Option<String>| asked.is_none() || asked == given;
        fits(&self.category, &event.category)
            && fits(&self.product, &event.product)
            && fits(&self.service, &event.service)
    }
}

/// What the events of a source are, for rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventSource {
    /// The log source that all of them belong to. Windows events without a category and a service find their own, by
    /// channel and event id.
    pub logsource: LogSource,
    /// Names of fields in the events, by their names in rules, where they differ.
    pub fields: BTreeMap<String, String>,
    /// The fields, best first, that say who or what a match is about.
    pub entity: Vec<String>,
}

impl EventSource {
    /// Whether each event finds its log sources by channel and event id.
    pub fn is_windows(&self) -> bool {
        let LogSource { category, product, service } = &self.logsource;
        product.as_deref() == Some("windows") && category.is_none() && service.is_none()
    }

    /// Whether a rule with a log source may be for such events: for Windows, every rule that is not of another product.
    pub fn may_fit(&self, rule: &LogSource) -> bool {
        match self.is_windows() {
            true => rule.product.as_deref().is_none_or(|product| product == "windows"),
            false => rule.takes(&self.logsource),
        }
    }
}

impl fmt::Display for LogSource {
    /// As rules are listed: `windows/process_creation`, `aws/*/cloudtrail`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |name: &Option<String>| name.clone().unwrap_or_else(|| "*".to_owned());
        write!(f, "{}/{}", part(&self.product), part(&self.category))?;
        self.service.iter().try_for_each(|service| write!(f, "/{service}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(category: &str, product: &str, service: &str) -> LogSource {
        let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        LogSource { category: named(category), product: named(product), service: named(service) }
    }

    #[test]
    fn what_a_rule_does_not_name_may_be_anything() {
        let event = source("process_creation", "windows", "sysmon");
        for rule in [source("", "", ""), source("", "windows", ""), source("process_creation", "", "")] {
            assert!(rule.takes(&event), "{rule}");
        }
        for rule in [source("file_event", "windows", ""), source("", "linux", ""), source("", "windows", "security")] {
            assert!(!rule.takes(&event), "{rule}");
        }
    }

    #[test]
    fn an_event_that_lacks_a_part_is_not_what_a_rule_asks_for() {
        assert!(!source("process_creation", "windows", "").takes(&source("", "windows", "sysmon")));
    }
}
