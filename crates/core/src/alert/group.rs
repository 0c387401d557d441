//! What is remembered between two decisions: the groups of signals that further ones may join.

use serde::{Deserialize, Serialize};

use super::{Alert, Change, NAMED_MAX, Policy, Sample, SignalRow, hash};
use crate::source::Severity;

/// Signals whose place an alert keeps: enough to begin with.
const SAMPLE_MAX: usize = 5;

/// All groups that may still grow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// In the order in which they began.
    pub groups: Vec<Group>,
}

/// Signals of one policy with the same key, none further than a window from the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The alert as it stands; revision 0: it has not opened.
    pub alert: Alert,
    /// When the last signal came in, microseconds since 1970 in UTC. Quiet is counted from here and not from the signal's
    /// own time: files come late, and in any order.
    pub seen_us: i64,
    /// Until it opens: the newest signals by time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Mark>,
}

/// A signal of a group that has not opened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark {
    /// Microseconds since 1970 in UTC.
    pub time_us: i64,
    /// [`SignalRow::identity`].
    pub signal: String,
}

impl Group {
    /// A group that begins with a signal, which is still to be taken in.
    pub(super) fn begin(policy: &Policy, key: Vec<(String, String)>, signal: &SignalRow, time_us: i64) -> Self {
        let alert = Alert {
            id: String::new(),
            revision: 0,
            change: Change::Opened,
            alert: policy.name.clone(),
            key,
            severity: Severity::Informational,
            title: String::new(),
            rule: String::new(),
            source: signal.source.clone(),
            technique: None,
            entity: None,
            message: None,
            runbook: None,
            references: None,
            rules: Vec::new(),
            entities: Vec::new(),
            count: 0,
            first_us: time_us,
            last_us: time_us,
            decided_us: 0,
            sample: Vec::new(),
        };
        Self { alert, seen_us: 0, marks: Vec::new() }
    }

    /// Whether the alert was opened.
    pub fn is_open(&self) -> bool {
        self.alert.revision > 0
    }

    /// Whether a signal at a time belongs to it.
    pub(super) fn reaches(&self, time_us: i64, window_us: i64) -> bool {
        let (first, last) = (self.alert.first_us, self.alert.last_us);
        first.saturating_sub(window_us) <= time_us && time_us <= last.saturating_add(window_us)
    }

    /// Takes a signal in.
    pub(super) fn take(&mut self, signal: &SignalRow, time_us: i64, now_us: i64, threshold: usize) {
        let is_open = self.is_open();
        let alert = &mut self.alert;
        if alert.count == 0 || signal.severity > alert.severity {
            lead(alert, signal);
        }
        alert.count += 1;
        alert.first_us = alert.first_us.min(time_us);
        alert.last_us = alert.last_us.max(time_us);
        name(&mut alert.rules, &signal.rule);
        signal.entity.iter().for_each(|entity| name(&mut alert.entities, entity));
        if alert.sample.len() < SAMPLE_MAX {
            alert.sample.push(sample(signal, time_us));
        }
        self.seen_us = now_us;
        if !is_open {
            self.mark(Mark { time_us, signal: signal.identity() }, threshold);
        }
    }

    fn mark(&mut self, mark: Mark, threshold: usize) {
        let place = self.marks.partition_point(|known| *known <= mark);
        self.marks.insert(place, mark);
        // As many again as could open it, for signals that come late.
        let excess = self.marks.len().saturating_sub(2 * threshold);
        self.marks.drain(..excess);
    }

    /// Opens the alert where enough signals lie within a window; its id is that of the first of them.
    pub(super) fn open(&mut self, threshold: usize, window_us: i64) {
        let threshold = threshold.max(1);
        let is_dense = |marks: &&[Mark]| marks[threshold - 1].time_us.saturating_sub(marks[0].time_us) <= window_us;
        let Some(first) = self.marks.windows(threshold).find(is_dense).map(|marks| marks[0].clone()) else { return };
        let alert = &mut self.alert;
        let key = alert.key.iter().flat_map(|(column, value)| [column.as_str(), value.as_str()]);
        alert.id = hash([alert.alert.as_str()].into_iter().chain(key).chain([first.signal.as_str()]));
        alert.revision = 1;
        // What trickled in before is no part of it.
        alert.first_us = first.time_us;
        alert.count = self.marks.iter().filter(|mark| mark.time_us >= first.time_us).count() as u64;
        alert.sample.retain(|sample| sample.time_us >= first.time_us);
        self.marks.clear();
    }
}

/// What people read first of an alert is of its worst signal.
fn lead(alert: &mut Alert, signal: &SignalRow) {
    alert.severity = signal.severity;
    alert.title.clone_from(&signal.title);
    alert.rule.clone_from(&signal.rule);
    alert.source.clone_from(&signal.source);
    alert.technique.clone_from(&signal.technique);
    alert.entity.clone_from(&signal.entity);
    alert.message.clone_from(&signal.message);
    alert.runbook.clone_from(&signal.runbook);
    alert.references.clone_from(&signal.references);
}

fn name(names: &mut Vec<String>, name: &str) {
    if names.len() < NAMED_MAX && !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}

fn sample(signal: &SignalRow, time_us: i64) -> Sample {
    Sample {
        rule: signal.rule.clone(),
        time_us,
        file: signal.file.clone(),
        row: signal.row,
        message: signal.message.clone(),
    }
}
