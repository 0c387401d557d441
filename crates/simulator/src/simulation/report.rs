//! What a run did.

use std::collections::BTreeMap;
use std::fmt;

/// What a run did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) files: u64,
    pub(crate) rows: u64,
    pub(crate) deliveries: u64,
    pub(crate) groups: u64,
    pub(crate) commits: u64,
    pub(crate) receipts: u64,
    pub(crate) dropped: u64,
    pub(crate) failed_commits: u64,
    pub(crate) crashes: u64,
    pub(crate) snapshots: u64,
    /// Files that compactions replaced.
    pub(crate) compacted: u64,
    /// Jobs that replays did again.
    pub(crate) replayed: u64,
    pub(crate) faults: BTreeMap<&'static str, u64>,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) seconds: f64,
    pub(crate) trace_hash: String,
    pub(crate) failures: Vec<String>,
    pub(crate) trace: Vec<String>,
}

impl Report {
    /// Adds another run's counts.
    pub(crate) fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.rows += other.rows;
        self.deliveries += other.deliveries;
        self.groups += other.groups;
        self.commits += other.commits;
        self.receipts += other.receipts;
        self.dropped += other.dropped;
        self.failed_commits += other.failed_commits;
        self.crashes += other.crashes;
        self.snapshots += other.snapshots;
        self.compacted += other.compacted;
        self.replayed += other.replayed;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.seconds += other.seconds;
        other.faults.iter().for_each(|(kind, count)| *self.faults.entry(kind).or_default() += count);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.trace_hash.is_empty() {
            write!(f, "seed {} trace {}: ", self.seed, self.trace_hash)?;
        }
        write!(
            f,
            "{} puts, {} rows, {} deliveries, {} groups, {} commits ({} failed), {} receipts, {} dropped, \
             {} crashes, {} snapshots, {} compacted, {} replayed, {} lost, {} doubled, {:.1} s; faults:",
            self.files,
            self.rows,
            self.deliveries,
            self.groups,
            self.commits,
            self.failed_commits,
            self.receipts,
            self.dropped,
            self.crashes,
            self.snapshots,
            self.compacted,
            self.replayed,
            self.lost,
            self.doubled,
            self.seconds
        )?;
        self.faults.iter().try_for_each(|(kind, count)| write!(f, " {count} {kind},"))
    }
}
