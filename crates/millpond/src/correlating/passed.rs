//! What a pass did, for people and for metrics.

use std::collections::BTreeMap;

use millpond_sigma::LeftOut;

/// What a pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passed {
    /// By the correlation's title.
    pub correlations: BTreeMap<String, OfCorrelation>,
    /// Matches without a time, which no correlation can use.
    pub untimed: u64,
    /// What a person should know: signals that could not be read.
    pub notes: Vec<String>,
}

/// What a pass did for one correlation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OfCorrelation {
    /// Episodes that began.
    pub found: u64,
    /// Episodes that doubled.
    pub grew: u64,
    /// Matches that it could not use.
    pub left_out: LeftOut,
}

impl OfCorrelation {
    /// What was left out, by reason: a word of our metrics, a phrase for people, and how often.
    pub fn left_out(&self) -> [(&'static str, &'static str, u64); 4] {
        let LeftOut { late, lacking, crowded, groups } = self.left_out;
        [
            ("late", "matches came too late", late),
            ("lacking", "matches lack a field", lacking),
            ("crowded", "matches were forgotten early, as their groups had too many", crowded),
            ("groups", "groups were forgotten early, as there were too many", groups),
        ]
    }

    fn add(&mut self, other: &Self) {
        self.found += other.found;
        self.grew += other.grew;
        self.left_out.late += other.left_out.late;
        self.left_out.lacking += other.left_out.lacking;
        self.left_out.crowded += other.left_out.crowded;
        self.left_out.groups += other.left_out.groups;
    }
}

impl Passed {
    /// Rows that came into `signals`.
    pub fn rows(&self) -> u64 {
        self.correlations.values().map(|one| one.found + one.grew).sum()
    }

    /// What it did, for people: a line for each correlation that found or left out something, then the notes.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (title, one) in &self.correlations {
            let found = [(one.found, "found"), (one.grew, "grew")].map(|(count, what)| (what, count));
            let left_out = one.left_out().map(|(_, phrase, count)| (phrase, count));
            let parts = found.into_iter().chain(left_out).filter(|(_, count)| *count > 0);
            let parts: Vec<String> = parts.map(|(what, count)| format!("{count} {what}")).collect();
            if !parts.is_empty() {
                lines.push(format!("correlation `{title}`: {}", parts.join(", ")));
            }
        }
        if self.untimed > 0 {
            lines.push(format!("correlations left out {} matches without a time", self.untimed));
        }
        lines.extend(self.notes.iter().cloned());
        lines
    }

    pub(super) fn of(&mut self, title: &str) -> &mut OfCorrelation {
        self.correlations.entry(title.to_owned()).or_default()
    }

    pub(super) fn add(&mut self, other: Self) {
        other.correlations.iter().for_each(|(title, one)| self.of(title).add(one));
        self.untimed += other.untimed;
        self.notes.extend(other.notes);
    }
}
