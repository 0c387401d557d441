//! The balance of a job: every row that came in has exactly one fate.

use serde::{Deserialize, Serialize};

/// Rows by fate. `rows_in + exploded = rows_out + filtered + deduplicated + aggregated + quarantined`.
///
/// Each count comes from an operator that saw the rows, never from a subtraction over the whole job, so a lost row
/// shows as a difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Records found in the file, broken ones included.
    pub rows_in: u64,
    /// Rows written to the source's table.
    pub rows_out: u64,
    /// Rows that a condition, an inner join or a limit removed.
    pub filtered: u64,
    /// Rows that a `distinct` or a `qualify` removed, or all rows of a file whose content was seen before.
    pub deduplicated: u64,
    /// Rows that a `group by` folded into others.
    pub aggregated: u64,
    /// Records that could not be read and are in quarantine.
    pub quarantined: u64,
    /// Rows that `unnest`, a join or a `union` added.
    pub exploded: u64,
}

impl Balance {
    /// Rows in and added, less rows out and removed: zero when every row is accounted for.
    pub fn difference(&self) -> i64 {
        let left = self.rows_in + self.exploded;
        let right = self.rows_out + self.filtered + self.deduplicated + self.aggregated + self.quarantined;
        left as i64 - right as i64
    }

    /// Whether every row is accounted for.
    pub fn holds(&self) -> bool {
        self.difference() == 0
    }

    /// Adds another job's rows.
    pub fn add(&mut self, other: &Self) {
        self.rows_in += other.rows_in;
        self.rows_out += other.rows_out;
        self.filtered += other.filtered;
        self.deduplicated += other.deduplicated;
        self.aggregated += other.aggregated;
        self.quarantined += other.quarantined;
        self.exploded += other.exploded;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_row_shows() {
        let mut balance =
            Balance { rows_in: 10, rows_out: 5, filtered: 2, deduplicated: 2, quarantined: 1, ..Balance::default() };
        assert!(balance.holds());
        balance.rows_out -= 1;
        assert_eq!(balance.difference(), 1);
    }

    #[test]
    fn exploded_rows_balance() {
        assert!(Balance { rows_in: 2, exploded: 3, rows_out: 5, ..Balance::default() }.holds());
    }
}
