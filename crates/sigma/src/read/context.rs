//! What reading a document may use.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::fault::{Result, fault_with_hint};

/// What placeholders stand for: by name, the texts of which each is tried, as a rule would write them.
pub type Placeholders = BTreeMap<String, Vec<String>>;

/// How many tests and operators a document may come to once everything is worked out. The largest public rule comes
/// to 4,433.
const SIZE_MAX: usize = 200_000;

/// What reading one document may use.
pub(crate) struct Context<'p> {
    pub(crate) placeholders: &'p Placeholders,
    size_left: Cell<usize>,
}

impl<'p> Context<'p> {
    pub(crate) fn new(placeholders: &'p Placeholders) -> Self {
        Self { placeholders, size_left: Cell::new(SIZE_MAX) }
    }

    /// Refuses what becomes too large.
    pub(crate) fn spend(&self, size: usize, line: u32) -> Result<()> {
        match self.size_left.get().checked_sub(size) {
            Some(left) => {
                self.size_left.set(left);
                Ok(())
            }
            None => {
                let message = format!("the rule comes to more than {SIZE_MAX} tests once it is worked out");
                fault_with_hint(line, message, "split it")
            }
        }
    }
}
