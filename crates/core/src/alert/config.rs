//! What a pond says of alerts: `[[alert]]`, `[[suppress]]` and `[destination.NAME]`.

use super::{Destination, Policy, Suppression};
use crate::config::{Problems, Section};
use crate::error::{Error, Result};
use crate::units::nearest;

/// What a pond says of alerts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AlertConfig {
    /// What becomes an alert.
    pub policies: Vec<Policy>,
    /// What does not for a while.
    pub suppressions: Vec<Suppression>,
    /// Where alerts are sent.
    pub destinations: Vec<Destination>,
}

impl AlertConfig {
    /// Reads the parts of `millpond.toml` that are about alerts; `file` is its name in messages.
    pub(crate) fn parse(file: &str, top: &mut Section<'_>, problems: &mut Problems) -> Self {
        let policies = top.sections(problems, "alert").into_iter();
        let policies = policies.filter_map(|section| Policy::parse(section, problems)).collect();
        let suppressions = top.sections(problems, "suppress").into_iter();
        let suppressions = suppressions.filter_map(|section| Suppression::parse(section, problems)).collect();
        let sections = top.named_sections(problems, "destination");
        // One that is wrong is still there: who names it makes no mistake.
        let names: Vec<String> = sections.iter().map(|(name, _)| name.clone()).collect();
        let destinations = sections.into_iter();
        let destinations =
            destinations.filter_map(|(name, section)| Destination::parse(name, section, problems)).collect();
        let config = Self { policies, suppressions, destinations };
        config.check_names(file, &names, problems);
        config
    }

    fn check_names(&self, file: &str, destinations: &[String], problems: &mut Problems) {
        for (index, policy) in self.policies.iter().enumerate() {
            if self.policies[..index].iter().any(|other| other.name == policy.name) {
                let error = Error::bad_config(format!("two alerts are called `{}`", policy.name));
                problems.add(file, policy.line, &error.hint("alerts are told apart by their names"));
            }
            for name in policy.to.iter().filter(|name| !destinations.contains(name)) {
                problems.add(file, policy.line, &unknown(name, destinations));
            }
        }
    }

    /// A destination by its name.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](crate::Kind::BadConfig) with the nearest name when there is none.
    pub fn destination(&self, name: &str) -> Result<&Destination> {
        self.destinations.iter().find(|known| known.name == name).ok_or_else(|| {
            let names: Vec<String> = self.destinations.iter().map(|known| known.name.clone()).collect();
            unknown(name, &names)
        })
    }
}

fn unknown(name: &str, known: &[String]) -> Error {
    let error = Error::bad_config(format!("the pond has no destination `{name}`"));
    match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None if known.is_empty() => error.hint(format!("write a section `[destination.{name}]`")),
        None => error.hint(format!("its destinations are {}", known.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{PondConfig, Problems};

    fn problems(text: &str) -> Vec<String> {
        let mut problems = Problems::default();
        PondConfig::parse("millpond.toml", text, 1 << 30, &mut problems);
        problems.found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_whole_configuration_is_read() {
        let text = "[[alert]]\nname = 'high'\nseverity_min = 'high'\nrules = ['root*']\nkey = ['rule', 'fields.ip']\n\
                    window = '1h'\nthreshold = 3\nto = ['soc', 'log']\n\
                    [[suppress]]\nrule = 'root*'\nuntil = 2026-12-31\nreason = 'migration'\n\
                    [[suppress]]\nentity = 'backup'\nuntil = '2026-12-31'\nreason = 'nightly'\n\
                    [destination.soc]\ntype = 'slack'\nurl = 'env:SLACK_URL'\ntemplate = '{title} {{x}}'\n\
                    [destination.log]\ntype = 'file'\npath = 'alerts.ndjson'\n";
        let mut found = Problems::default();
        let config = PondConfig::parse("millpond.toml", text, 1 << 30, &mut found).expect("config").alerting;
        assert!(found.found.is_empty(), "{:?}", found.found);
        assert_eq!(config.policies[0].window_us, 3_600_000_000);
        assert_eq!(config.suppressions.iter().map(|one| one.until()).collect::<Vec<_>>(), ["2026-12-31"; 2]);
        assert_eq!(config.destination("log").expect("log").target.kind_name(), "file");
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        for (text, expected) in [
            (
                "[[alert]]\nname = 'a'\nto = ['sok']\n[destination.soc]\ntype = 'stdout'\n",
                "millpond.toml:3: the pond has no destination `sok`\n  hint: did you mean `soc`?",
            ),
            (
                "[[alert]]\nname = 'a'\nkey = ['entiti']\n",
                "millpond.toml:3: signals have no column `entiti`\n  hint: did you mean `entity`?",
            ),
            (
                "[[alert]]\nname = 'a'\n[[alert]]\nname = 'a'\n",
                "millpond.toml:3: two alerts are called `a`\n  hint: alerts are told apart by their names",
            ),
            (
                "[[alert]]\nto = []\n",
                "millpond.toml:1: `name` is missing in `[alert]`\n  hint: give it a name, such as `name = \"high\"`",
            ),
            (
                "[[suppress]]\nrule = 'a'\nreason = 'b'\n",
                "millpond.toml:1: `until` is missing in `[suppress]`\n  hint: say on which day it is looked at again, such as `until = 2026-12-31`",
            ),
            (
                "[[suppress]]\nrule = 'a'\nuntil = 2026-12-31\n",
                "millpond.toml:1: `reason` is missing in `[suppress]`\n  hint: say why, for whoever reads it next",
            ),
            (
                "[[suppress]]\nuntil = 2026-12-31\nreason = 'all'\n",
                "millpond.toml:1: `rule` is missing in `[suppress]`\n  hint: name a `rule`, an `entity` or both: nothing suppresses everything",
            ),
            (
                "[[suppress]]\nrule = 'a'\nreason = 'b'\nuntil = 'soon'\n",
                "millpond.toml:4: `until` must be a day, not `\"soon\"`\n  hint: write it as `2026-12-31`",
            ),
            (
                "[destination.a]\ntype = 'slack'\nurl = 'https://hooks.slack.com/services/x'\n",
                "millpond.toml:3: a secret must not stand in a file\n  hint: put it into an environment variable, and write `env:NAME`",
            ),
            (
                "[destination.a]\ntype = 'webhook'\nurl = 'example.com'\n",
                "millpond.toml:3: `example.com` is no URL that can be posted to\n  hint: write `https://…`, or `env:NAME` where it is secret",
            ),
            (
                "[destination.a]\ntype = 'file'\npath = 'a'\ntemplate = '{titel}'\n",
                "millpond.toml:4: alerts have no `{titel}`\n  hint: did you mean `{title}`?",
            ),
            (
                "[destination.a]\ntype = 'sqs'\n",
                "millpond.toml:1: `queue` is missing in `[destination.a]`\n  hint: its URL, or `sqs://NAME`",
            ),
        ] {
            assert_eq!(problems(text), [expected], "{text}");
        }
    }
}
