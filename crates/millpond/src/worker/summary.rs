//! What a run did, summed up.

use millpond_core::balance::Balance;
use millpond_core::receipt::{Receipt, Status};

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Objects found.
    pub found: u64,
    /// Objects that had been dealt with before.
    pub already_done: u64,
    /// Jobs by end.
    pub done: u64,
    /// Files whose bytes were seen before under another name.
    pub duplicates: u64,
    /// Files in quarantine as a whole.
    pub quarantined_files: u64,
    /// Objects that no source wants.
    pub unrouted: u64,
    /// Objects that were gone before they were read.
    pub gone: u64,
    /// Jobs that stopped and will be tried again.
    pub failed: u64,
    /// Objects that could not be read or stored this time.
    pub postponed: u64,
    /// Jobs that were too large for their lane and went on to a larger one.
    pub promoted: u64,
    /// Rows by fate over all jobs.
    pub balance: Balance,
    /// Files whose rows are not all accounted for; always 0 in a lake that was committed.
    pub unbalanced: u64,
    /// Rows harvested by signals.
    pub signals: u64,
    /// Stored bytes read.
    pub bytes_in: u64,
    /// Bytes after decompression.
    pub bytes_decoded: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Whether the run was asked to stop.
    pub is_interrupted: bool,
}

impl Summary {
    pub(super) fn add(&mut self, receipt: &Receipt) {
        match receipt.status {
            Status::Done => self.done += 1,
            Status::Duplicate => self.duplicates += 1,
            Status::Quarantined => self.quarantined_files += 1,
            Status::Unrouted => self.unrouted += 1,
            Status::Gone => self.gone += 1,
            Status::Failed => self.failed += 1,
        }
        self.balance.add(&receipt.balance);
        self.unbalanced += u64::from(!receipt.balance.holds());
        self.signals += receipt.signals;
        self.bytes_in += receipt.bytes_in;
        self.bytes_decoded += receipt.bytes_decoded;
        self.bytes_out += receipt.bytes_out;
    }
}
