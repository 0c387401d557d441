//! The comments on top of a signal's file: `-- key: value` lines.

use super::{Schedule, Severity, Signal};
use crate::config::Problems;
use crate::error::{Error, Result};
use crate::source::Sql;
use crate::units::{nearest, parse_ms};

/// Every key.
const KEYS: [&str; 13] = [
    "title",
    "severity",
    "technique",
    "description",
    "author",
    "entity",
    "key",
    "references",
    "runbook",
    "false_positives",
    "every",
    "lookback",
    "late",
];
/// Keys whose lines add up.
const LISTS: [&str; 4] = ["technique", "key", "references", "false_positives"];

/// One `-- key: value` line.
struct Entry<'a> {
    /// From 1.
    line: usize,
    key: &'a str,
    value: &'a str,
}

impl Signal {
    /// Reads the comments on top of a file, and keeps the whole of it as the query.
    pub(super) fn parse(sql: &Sql, problems: &mut Problems) -> Option<Self> {
        let before = problems.found.len();
        let mut signal = Self::new(sql.clone());
        let mut times = Times::default();
        let mut seen: Vec<&str> = Vec::new();
        for Entry { line, key, value } in entries(&sql.text) {
            if let Err(error) = check_key(key, value, &seen).and_then(|()| signal.set(key, value, &mut times)) {
                problems.add(&sql.file, line, &error);
            }
            seen.push(key);
        }
        match times.schedule() {
            Ok(schedule) => signal.schedule = schedule,
            Err((key, error)) => problems.add(&sql.file, line_of(&sql.text, key), &error),
        }
        (problems.found.len() == before).then_some(signal)
    }

    fn set(&mut self, key: &str, value: &str, times: &mut Times) -> Result<()> {
        let text = || Some(value.to_owned());
        match key {
            "title" => value.clone_into(&mut self.title),
            "severity" => self.severity = choose_severity(value)?,
            "technique" => self.techniques.extend(names(value)),
            "description" => self.description = text(),
            "author" => self.author = text(),
            "entity" => self.entity = text(),
            "key" => self.key.extend(names(value)),
            "references" => self.references.push(value.to_owned()),
            "runbook" => self.runbook = text(),
            "false_positives" => self.false_positives.push(value.to_owned()),
            "every" => times.every_us = Some(duration(key, value)?),
            "lookback" => times.lookback_us = Some(duration(key, value)?),
            "late" => times.late_us = Some(duration(key, value)?),
            _ => return Err(Error::bug(format!("nobody reads `{key}`"))),
        }
        Ok(())
    }
}

/// The entries of a file: its first lines that are comments, as far as they have a key.
fn entries(text: &str) -> impl Iterator<Item = Entry<'_>> {
    let comments = text.lines().map_while(|line| line.trim().strip_prefix("--")).enumerate();
    comments.filter_map(|(index, comment)| {
        let (key, value) = comment.split_once(':')?;
        let (key, value) = (key.trim(), value.trim());
        // A sentence with a colon is a comment.
        let is_key = key.chars().all(|character| character.is_ascii_lowercase() || character == '_');
        is_key.then_some(Entry { line: index + 1, key, value })
    })
}

/// The line on which a key stands, from 1; the first where it does not.
pub(super) fn line_of(text: &str, key: &str) -> usize {
    entries(text).find(|entry| entry.key == key).map_or(1, |entry| entry.line)
}

fn check_key(key: &str, value: &str, seen: &[&str]) -> Result<()> {
    if !KEYS.contains(&key) {
        let error = Error::bad_config(format!("unknown key `{key}` above the signal"));
        let known = || KEYS.map(|key| format!("`{key}`")).join(", ");
        return Err(match nearest(key, KEYS) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("known keys are {}", known())),
        });
    }
    if value.is_empty() {
        return Err(Error::bad_config(format!("`{key}` has no value")).hint("write it after the colon, on one line"));
    }
    if seen.contains(&key) && !LISTS.contains(&key) {
        return Err(Error::bad_config(format!("`{key}` stands here twice")));
    }
    Ok(())
}

/// Names with commas between them.
fn names(value: &str) -> impl Iterator<Item = String> {
    value.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned)
}

fn choose_severity(text: &str) -> Result<Severity> {
    let found = Severity::NAMES.iter().find(|(name, _)| *name == text).map(|(_, severity)| *severity);
    found.ok_or_else(|| {
        Error::bad_config(format!("`severity` cannot be `{text}`"))
            .hint("it can be `informational`, `low`, `medium`, `high` or `critical`")
    })
}

/// Microseconds of a duration; quotes around it, as in TOML, are passed over.
fn duration(key: &str, value: &str) -> Result<i64> {
    let ms = parse_ms(value.trim_matches('"'))?;
    let us = i64::try_from(ms).ok().and_then(|ms| ms.checked_mul(1_000)).filter(|us| *us <= TIME_US_MAX);
    us.ok_or_else(|| Error::bad_config(format!("`{key}` cannot be `{value}`")).hint("a time has at most 3660 days"))
}

/// Ten years: times are added to each other and to dates, and the sum must be one, too.
const TIME_US_MAX: i64 = 3_660 * 86_400_000_000;
/// The shortest window: a run opens every table of the lake.
const EVERY_US_MIN: i64 = 1_000_000;

/// The keys of a schedule, as far as they were given.
#[derive(Debug, Default)]
struct Times {
    every_us: Option<i64>,
    lookback_us: Option<i64>,
    late_us: Option<i64>,
}

impl Times {
    /// The schedule, or the key that is wrong and why.
    fn schedule(&self) -> Result<Option<Schedule>, (&'static str, Error)> {
        let Some(every_us) = self.every_us else {
            let others = [("lookback", self.lookback_us), ("late", self.late_us)];
            return match others.into_iter().find(|(_, time)| time.is_some()) {
                Some((key, _)) => Err((key, Error::bad_config(format!("`{key}` needs `every`")))),
                None => Ok(None),
            };
        };
        if every_us < EVERY_US_MIN {
            let error = Error::bad_config("`every` is shorter than a second").hint("write it as `15m` or `1h`");
            return Err(("every", error));
        }
        let (lookback_us, late_us) = (self.lookback_us.unwrap_or(0), self.late_us.unwrap_or(0));
        Ok(Some(Schedule { every_us, lookback_us, late_us }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Option<Signal>, Vec<String>) {
        let mut problems = Problems::default();
        let sql = Sql { file: "signals/x.sql".into(), text: text.into() };
        let signal = Signal::parse(&sql, &mut problems);
        (signal, problems.found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_key_has_its_place() {
        let (signal, problems) = parse(
            "-- title: Many failures\n-- severity: high\n-- technique: T1110.003, T1078\n-- description: Guessing: slowly.\n\
             -- author: blue team\n-- entity: user_name\n-- key: user_name, source_ip\n-- references: https://a.example/x,y\n\
             -- references: Chapter 3\n-- runbook: https://b.example\n-- false_positives: A test of the login page\n\
             -- every: 15m\n-- lookback: \"24h\"\n-- A sentence: no key.\nselect 1 -- late: 3h\n",
        );
        assert_eq!(problems, Vec::<String>::new());
        let signal = signal.expect("signal");
        assert_eq!((signal.name.as_str(), signal.severity), ("x", Severity::High));
        assert_eq!(signal.technique().as_deref(), Some("T1110.003, T1078"));
        assert_eq!((signal.entity.as_deref(), signal.key.join("+")), (Some("user_name"), "user_name+source_ip".into()));
        assert_eq!(signal.references, ["https://a.example/x,y", "Chapter 3"]);
        let schedule = Schedule { every_us: 900_000_000, lookback_us: 86_400_000_000, late_us: 0 };
        assert_eq!(signal.schedule, Some(schedule));
        assert_eq!(signal.line_of("key"), 7);
    }

    #[test]
    fn mistakes_have_their_line() {
        let cases = [
            ("-- titl: X\n", "signals/x.sql:1: unknown key `titl` above the signal\n  hint: did you mean `title`?"),
            (
                "-- title: X\n-- false_positive: Y\n",
                "signals/x.sql:2: unknown key `false_positive` above the signal\n  hint: did you mean `false_positives`?",
            ),
            (
                "-- zzz: X\n",
                "signals/x.sql:1: unknown key `zzz` above the signal\n  hint: known keys are `title`, `severity`",
            ),
            ("-- title: X\n-- title: Y\n", "signals/x.sql:2: `title` stands here twice"),
            ("-- title:\n", "signals/x.sql:1: `title` has no value"),
            ("-- severity: bad\n", "signals/x.sql:1: `severity` cannot be `bad`"),
            ("-- title: X\n-- every: often\n", "signals/x.sql:2: `often` is not a duration"),
            ("-- title: X\n-- every: 5ms\n", "signals/x.sql:2: `every` is shorter than a second"),
            ("-- title: X\n-- late: 1h\n", "signals/x.sql:2: `late` needs `every`"),
        ];
        for (text, start) in cases {
            let (signal, problems) = parse(&format!("{text}select 1"));
            assert!(signal.is_none() && problems.len() == 1 && problems[0].starts_with(start), "{text}: {problems:?}");
        }
    }

    #[test]
    fn where_a_signal_lies_says_whether_it_is_periodic() {
        let told = |text: &str, parse: fn(&Sql, &mut Problems) -> Option<Signal>| {
            let mut problems = Problems::default();
            let sql = Sql { file: "x.sql".into(), text: text.into() };
            let is_some = parse(&sql, &mut problems).is_some();
            (is_some, problems.found.first().map(|problem| problem.line))
        };
        assert_eq!(told("-- title: X\n-- every: 1h\nselect 1", Signal::parse_harvested), (false, Some(2)));
        assert_eq!(told("-- every: 1h\nselect 1", Signal::parse_periodic), (true, None));
        assert_eq!(told("select 1", Signal::parse_periodic), (false, Some(1)));
    }
}
