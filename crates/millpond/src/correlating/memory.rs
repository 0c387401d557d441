//! What is remembered between passes: matches that may still be part of an episode, episodes that were told, and the
//! files that matches stand in.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millpond_core::alert::SignalRow;
use millpond_sigma::{Found, Match, Report, State, Withdrawn};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::horizon::Horizon;
use super::passed::Passed;
use super::{Correlations, rows};

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Memory {
    #[serde(serialize_with = "write_state", deserialize_with = "read_state")]
    state: State,
    horizon: Horizon,
    /// The time up to which the state has expired.
    expired_us: Option<i64>,
    /// Episodes that were told and may change, by their ids.
    told: BTreeMap<String, Told>,
    /// The files of matches, by the upper half of their references.
    files: BTreeMap<String, File>,
}

/// An episode as its last row tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Told {
    /// The id under which it was told first.
    key: String,
    first_us: i64,
    last_us: i64,
    count: u64,
    value: f64,
}

/// A file with matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct File {
    path: String,
    /// The time of its newest match.
    newest_us: i64,
}

/// What is to be told.
#[derive(Debug, Default)]
pub(super) struct Telling {
    pub(super) rows: Vec<Value>,
    pub(super) passed: Passed,
}

/// Where a match stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// A record of a file.
    Record {
        /// The object.
        file: &'a str,
        /// The record.
        row: i64,
    },
    /// Something else that has a name: an episode of another correlation.
    Named(u128),
}

impl Memory {
    /// Whether time alone changes anything.
    pub(super) fn is_due(&self, correlations: &Correlations, now_us: i64) -> bool {
        let mut horizon = self.horizon.clone();
        horizon.take(std::iter::empty(), now_us, correlations.late_us);
        horizon != self.horizon || horizon.reached(now_us, correlations.late_us) > self.expired_us
    }

    /// Takes matches in at a time of the clock, and says what is to be told.
    pub(super) fn absorb(&mut self, correlations: &Correlations, signals: &[SignalRow], now_us: i64) -> Telling {
        let correlator = &correlations.correlator;
        let mut telling = Telling::default();
        let matches: Vec<Match> = signals.iter().filter_map(|signal| self.match_of(signal)).collect();
        telling.passed.untimed = (signals.len() - matches.len()) as u64;
        self.horizon.take(matches.iter().map(|found| found.time_us), now_us, correlations.late_us);
        let report = self.state.absorb(correlator, matches);
        self.tell(correlations, report, &mut telling);
        let reached_us = self.horizon.reached(now_us, correlations.late_us);
        if let Some(before_us) = reached_us.filter(|_| reached_us > self.expired_us) {
            let report = self.state.expire(correlator, before_us);
            self.tell(correlations, report, &mut telling);
            self.expired_us = reached_us;
            self.forget(before_us.saturating_sub(correlator.reach_us()));
        }
        telling
    }

    /// A signal as a match; `None`: it has no time.
    fn match_of(&mut self, signal: &SignalRow) -> Option<Match> {
        let time_us = signal.time_us?;
        let file = half(signal.file.as_bytes());
        let entry = self.files.entry(format!("{file:016x}"));
        let seen = entry.or_insert_with(|| File { path: signal.file.clone(), newest_us: time_us });
        seen.newest_us = seen.newest_us.max(time_us);
        // Without a place in the file, what the signal says stands for it.
        let record = signal.row.map_or_else(|| half(signal.identity().as_bytes()) | 1 << 63, |row| row as u64);
        let reference = (u128::from(file) << 64) | u128::from(record);
        Some(Match { rule: signal.rule.clone(), time_us, fields: fields(signal), reference })
    }

    fn tell(&mut self, correlations: &Correlations, report: Report, telling: &mut Telling) {
        let title = |correlation: usize| correlations.about[correlation].title.as_str();
        for (correlation, left_out) in &report.left_out {
            telling.passed.of(title(*correlation)).left_out = *left_out;
        }
        self.hand_down(&report.withdrawn);
        for found in &report.found {
            let id = format!("{:032x}", found.id);
            let before = self.told.get(&id).cloned();
            let now = Told::of(&id, found, before.as_ref());
            let is_told = match &before {
                Some(before) => has_doubled(before, found),
                None => true,
            };
            if is_told {
                let of = telling.passed.of(title(found.correlation));
                *(if before.is_some() { &mut of.grew } else { &mut of.found }) += 1;
                let places = found.matches.iter().map(|reference| self.place(*reference));
                telling.rows.push(rows::row(&correlations.about[found.correlation], &now.key, found, places));
            }
            let kept =
                before.filter(|_| !is_told).map_or(now.clone(), |before| Told { last_us: now.last_us, ..before });
            self.told.insert(id, kept);
        }
    }

    /// Gives what an episode was told as to the one that takes its place; of several to the first.
    fn hand_down(&mut self, withdrawn: &[Withdrawn]) {
        let mut gone: Vec<(Told, Option<u128>)> = Vec::new();
        for one in withdrawn {
            gone.extend(self.told.remove(&format!("{:032x}", one.id)).map(|told| (told, one.replaced_by)));
        }
        gone.sort_by(|(one, _), (other, _)| (one.first_us, &one.key).cmp(&(other.first_us, &other.key)));
        for (told, heir) in gone {
            if let Some(heir) = heir {
                self.told.entry(format!("{heir:032x}")).or_insert(told);
            }
        }
    }

    fn place(&self, reference: u128) -> Place<'_> {
        let file = self.files.get(&format!("{:016x}", reference >> 64));
        let row = i64::try_from(reference as u64).ok();
        match (file, row) {
            (Some(file), Some(row)) => Place::Record { file: &file.path, row },
            _ => Place::Named(reference),
        }
    }

    /// Forgets episodes that nothing can change any more, and files that none is in.
    fn forget(&mut self, before_us: i64) {
        self.told.retain(|_, told| told.last_us >= before_us);
        let first_us = self.told.values().map(|told| told.first_us).fold(before_us, i64::min);
        self.files.retain(|_, file| file.newest_us >= first_us);
    }
}

impl Told {
    fn of(id: &str, found: &Found, before: Option<&Self>) -> Self {
        let key = before.map_or_else(|| id.to_owned(), |before| before.key.clone());
        Self { key, first_us: found.first_us, last_us: found.last_us, count: found.count, value: found.value }
    }
}

/// Whether an episode has twice what its last row says.
fn has_doubled(before: &Told, found: &Found) -> bool {
    found.count >= before.count.saturating_mul(2) || (before.value > 0.0 && found.value >= 2.0 * before.value)
}

/// What a signal's `fields` holds, as text; null is left out.
fn fields(signal: &SignalRow) -> BTreeMap<String, String> {
    let fields: Option<serde_json::Map<String, Value>> =
        signal.fields.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let text = |(name, value): (String, Value)| match value {
        Value::Null => None,
        Value::String(text) => Some((name, text)),
        other => Some((name, other.to_string())),
    };
    fields.unwrap_or_default().into_iter().filter_map(text).collect()
}

/// Half a reference: the first 8 bytes of BLAKE3.
fn half(bytes: &[u8]) -> u64 {
    let mut half = [0; 8];
    half.copy_from_slice(&blake3::hash(bytes).as_bytes()[..8]);
    u64::from_be_bytes(half)
}

fn write_state<S: Serializer>(state: &State, serializer: S) -> Result<S::Ok, S::Error> {
    let bytes = state.to_bytes().map_err(serde::ser::Error::custom)?;
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn read_state<'de, D: Deserializer<'de>>(deserializer: D) -> Result<State, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = STANDARD.decode(text).map_err(serde::de::Error::custom)?;
    State::from_bytes(&bytes).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use millpond_core::config::{PondConfig, Problems};
    use millpond_sigma::{Collection, RuleFile};

    use super::*;

    /// Two matches of a user within ten seconds.
    fn correlations() -> Correlations {
        let text = "title: a\nname: a\nlogsource: {product: x}\ndetection: {s: {k: v}, condition: s}\n---\n\
                    title: pair\ncorrelation:\n  type: event_count\n  rules: [a]\n  group-by: [user]\n  timespan: 10s\n  \
                    condition: {gte: 2}\n";
        let rules = Collection::read([RuleFile { name: "a.yml".into(), text: text.into() }]);
        assert!(rules.rejections.is_empty(), "{:?}", rules.rejections);
        let config = PondConfig::parse("millpond.toml", "[correlations]\nlate = '1m'\n", 1, &mut Problems::default());
        Correlations::new(&rules.into(), &config.expect("config")).expect("correlations")
    }

    fn at(seconds: i64) -> SignalRow {
        let fields = Some(r#"{"user":"ann"}"#.to_owned());
        let (rule, file) = ("a".to_owned(), format!("file-{seconds}"));
        SignalRow { rule, file, row: Some(seconds), time_us: Some(seconds * 1_000_000), fields, ..SignalRow::default() }
    }

    fn keys(telling: &Telling) -> Vec<&str> {
        telling.rows.iter().map(|row| row["key"].as_str().unwrap_or_default()).collect()
    }

    #[test]
    fn episodes_that_are_joined_go_on_as_the_first() {
        let (correlations, mut memory, now_us) = (correlations(), Memory::default(), 1_000_000_000);
        let begun = memory.absorb(&correlations, &[at(100), at(105), at(120), at(125)], now_us);
        let first = keys(&begun)[0].to_owned();
        assert_eq!(begun.rows.len(), 2);
        let joined = memory.absorb(&correlations, &[at(99), at(112)], now_us);
        assert_eq!(keys(&joined), [&first], "six matches are more than twice two");
        assert_eq!((joined.rows[0]["window_start"].as_i64(), memory.told.len()), (Some(99_000_000), 1));
        assert_eq!(joined.passed.correlations["pair"].grew, 1);
        let more = memory.absorb(&correlations, &[at(126)], now_us);
        assert!(more.rows.is_empty(), "seven are not twice six");
    }

    #[test]
    fn what_is_too_old_is_forgotten() {
        let (correlations, mut memory) = (correlations(), Memory::default());
        memory.absorb(&correlations, &[at(100), at(105)], 1_000_000_000);
        memory.absorb(&correlations, &[at(500)], 1_100_000_000);
        assert!(!memory.is_due(&correlations, 1_150_000_000) && memory.is_due(&correlations, 1_160_000_000));
        memory.absorb(&correlations, &[], 1_160_000_000);
        assert_eq!((memory.told.len(), memory.files.len(), memory.state.matches()), (0, 1, 1));
        let late = memory.absorb(&correlations, &[at(104)], 1_160_000_000);
        assert_eq!(late.passed.correlations["pair"].left_out.late, 1);
    }

    #[test]
    fn it_is_the_same_after_it_was_written() {
        let (correlations, mut memory) = (correlations(), Memory::default());
        memory.absorb(&correlations, &[at(100), at(105)], 1_000_000_000);
        let text = serde_json::to_string(&memory).expect("JSON");
        assert_eq!(serde_json::from_str::<Memory>(&text).expect("memory"), memory);
    }
}
