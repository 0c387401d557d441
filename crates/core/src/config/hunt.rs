//! `[[hunt]]`: lists of indicators that are looked for again when they change.

use super::section::{Problems, Section};
use crate::error::Error;

/// How often a list is looked at whose hunt does not say.
const EVERY_MS: u64 = 3_600_000;
/// A list that is asked for more often is asked in vain nearly always.
const EVERY_MS_MIN: u64 = 10_000;
/// How far back a hunt looks that does not say.
const SINCE_MS: u64 = 90 * 86_400_000;

/// A list of indicators, and where and how far back they are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HuntConfig {
    /// What it is called.
    pub name: String,
    /// The list: a path relative to the pond, or a URL.
    pub iocs: String,
    /// How often the list is looked at, in milliseconds.
    pub every_ms: u64,
    /// How far back events may lie, in milliseconds.
    pub since_ms: u64,
    /// The tables; none: all but those that millpond itself keeps.
    pub tables: Vec<String>,
}

impl HuntConfig {
    /// Reads every `[[hunt]]`; `file` is its file's name in messages.
    pub(super) fn parse_all(file: &str, top: &mut Section<'_>, problems: &mut Problems) -> Vec<Self> {
        let mut hunts: Vec<Self> = Vec::new();
        for section in top.sections(problems, "hunt") {
            let line = section.line_of_key("name");
            let Some(hunt) = parse(section, problems) else { continue };
            if hunts.iter().any(|other| other.name == hunt.name) {
                let error = Error::bad_config(format!("two hunts are called `{}`", hunt.name));
                problems.add(file, line, &error.hint("what was hunted for is kept under the name"));
            }
            hunts.push(hunt);
        }
        hunts
    }
}

fn parse(mut section: Section<'_>, problems: &mut Problems) -> Option<HuntConfig> {
    let name = section.text(problems, "name");
    let iocs = section.text(problems, "iocs");
    let every_ms = section.ms(problems, "every").unwrap_or(EVERY_MS);
    let since_ms = section.ms(problems, "since").unwrap_or(SINCE_MS);
    let tables = section.texts(problems, "tables").unwrap_or_default();
    if every_ms < EVERY_MS_MIN {
        let error = Error::bad_config("`every` is less than ten seconds");
        section.refuse(problems, "every", &error.hint("an hour is often enough: `1h`"));
    }
    if name.is_none() {
        section.missing(problems, "name", "give it a name, such as `name = \"feed\"`");
    }
    let is_plain = |name: &String| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_".contains(c));
    if let Some(name) = name.as_ref().filter(|name| !is_plain(name)) {
        let error = Error::bad_config(format!("`{name}` is no name of a hunt"));
        section.refuse(problems, "name", &error.hint("use letters, digits, `-` and `_`"));
    }
    if iocs.is_none() {
        section.missing(problems, "iocs", "name a list of indicators, such as `iocs = \"enrich/iocs.csv\"`, or a URL");
    }
    section.finish(problems);
    Some(HuntConfig { name: name?, iocs: iocs?, every_ms, since_ms, tables })
}

#[cfg(test)]
mod tests {
    use crate::config::{PondConfig, Problems};

    fn parse(text: &str) -> (Option<PondConfig>, Vec<String>) {
        let mut problems = Problems::default();
        let config = PondConfig::parse("millpond.toml", text, 1 << 30, &mut problems);
        (config, problems.found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_hunt_says_what_and_where() {
        let (config, problems) =
            parse("[[hunt]]\nname = 'feed'\niocs = 'iocs.csv'\nevery = '15m'\nsince = '30d'\ntables = ['net']\n");
        assert!(problems.is_empty(), "{problems:?}");
        let hunts = config.expect("config").hunts;
        assert_eq!((hunts[0].every_ms, hunts[0].since_ms, hunts[0].tables.len()), (900_000, 2_592_000_000, 1));
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let (_, problems) = parse(
            "[[hunt]]\nname = 'a'\niocs = 'x'\n[[hunt]]\nname = 'a'\niocs = 'x'\nevery = '1s'\n[[hunt]]\nname = '../a'\niocs = 'x'\n[[hunt]]\nnme = 'b'\n",
        );
        let starts = [
            "millpond.toml:7: `every` is less than ten seconds",
            "millpond.toml:5: two hunts are called `a`",
            "millpond.toml:9: `../a` is no name of a hunt",
            "millpond.toml:11: `name` is missing in `[hunt]`",
            "millpond.toml:11: `iocs` is missing in `[hunt]`",
            "millpond.toml:12: unknown key `nme` in `[hunt]`",
        ];
        assert_eq!(problems.len(), starts.len(), "{problems:#?}");
        problems.iter().zip(starts).for_each(|(problem, start)| assert!(problem.starts_with(start), "{problem}"));
    }
}
