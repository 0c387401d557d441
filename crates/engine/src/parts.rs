//! A file in parts: for SQL that looks at each row by itself, what it holds can be let go of in between.
//!
//! A part is a run of the decoder's batches. The decoder is opened once and reads on; the SQL ends with a part and starts
//! anew with the next one. So rows keep their places in the file, every format and archive can be split, and nothing is
//! read twice. What the decoder itself holds, or one batch, cannot be split.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::common::JoinType;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::scalar_subquery::ScalarSubqueryExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};

use crate::row_number::RowNumberExec;
use crate::shared::SharedScan;

/// How much of a file its SQL gets before it ends and starts anew, and how far it came.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Batches of a part; `None`: the whole file.
    batches_max: Option<u64>,
    /// Batches that the part before the end got.
    reached: Arc<AtomicU64>,
}

impl Parts {
    /// One part: the whole file.
    pub fn whole() -> Self {
        Self { batches_max: None, reached: Arc::default() }
    }

    /// Parts of so many batches.
    pub fn of(batches: u64) -> Self {
        Self { batches_max: Some(batches), reached: Arc::default() }
    }

    /// Parts half as large as what was too much when these were run; `None` where that was a single batch, or nothing
    /// was read yet.
    pub fn halved(&self) -> Option<Self> {
        let half = self.reached() / 2;
        (half > 0).then(|| Self::of(half))
    }

    /// Batches that the last part got.
    pub fn reached(&self) -> u64 {
        self.reached.load(Ordering::Relaxed)
    }

    pub(crate) fn begin(&self) {
        self.reached.store(0, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) {
        self.reached.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.batches_max.is_some_and(|max| self.reached() >= max)
    }
}

/// What of some SQL needs the rows of the whole file at once, in words; `None` where parts give the same rows.
pub(crate) fn obstacle(plans: &[Arc<dyn ExecutionPlan>]) -> Option<String> {
    plans.iter().find_map(|plan| match walk(plan.as_ref()) {
        Ok(true) => None,
        Ok(false) => Some("a query that does not read the file".to_owned()),
        Err(what) => Some(what),
    })
}

/// Whether rows of the file pass through a node; an error names the operator that needs all of them.
fn walk(node: &dyn ExecutionPlan) -> Result<bool, String> {
    if (node as &dyn Any).is::<SharedScan>() {
        return Ok(true);
    }
    let below = node.children().into_iter().map(|child| walk(child.as_ref())).collect::<Result<Vec<_>, _>>()?;
    // A table that is joined is the same in every part.
    match below.contains(&true) {
        false => Ok(false),
        true if is_row_by_row(node, &below) => Ok(true),
        true => Err(in_words(node)),
    }
}

/// Whether an operator gives the same rows when its input comes in parts. `below`: which of its children have rows of the
/// file. An operator that is not known here may need all of them.
fn is_row_by_row(node: &dyn ExecutionPlan, below: &[bool]) -> bool {
    let any = node as &dyn Any;
    if node.fetch().is_some() {
        return false;
    }
    if let Some(join) = any.downcast_ref::<HashJoinExec>() {
        return gives_rows_of(below, join.join_type());
    }
    if let Some(join) = any.downcast_ref::<NestedLoopJoinExec>() {
        return gives_rows_of(below, join.join_type());
    }
    if any.is::<CrossJoinExec>() {
        return gives_rows_of(below, &JoinType::Inner);
    }
    if any.is::<UnionExec>() {
        // Rows of a table would come once for each part.
        return below.iter().all(|has_rows| *has_rows);
    }
    if any.is::<ScalarSubqueryExec>() {
        return below.iter().filter(|has_rows| **has_rows).count() == 1 && below.first() == Some(&true);
    }
    any.is::<FilterExec>()
        || any.is::<ProjectionExec>()
        || any.is::<UnnestExec>()
        || any.is::<CooperativeExec>()
        || any.is::<CoalescePartitionsExec>()
        // The lake promises no order of rows.
        || any.is::<SortExec>()
        || any.is::<SortPreservingMergeExec>()
}

/// Whether a join gives for each row of the file what follows from that row and a table, whichever of the two it holds.
/// The other kinds tell of the table's rows which were met, and know that only at the end of the file.
fn gives_rows_of(below: &[bool], kind: &JoinType) -> bool {
    use JoinType::{Inner, Left, LeftAnti, LeftMark, LeftSemi, Right, RightAnti, RightMark, RightSemi};
    match below {
        [true, false] => matches!(kind, Inner | Left | LeftSemi | LeftAnti | LeftMark),
        [false, true] => matches!(kind, Inner | Right | RightSemi | RightAnti | RightMark),
        _ => false,
    }
}

/// What people call an operator.
fn in_words(node: &dyn ExecutionPlan) -> String {
    let any = node as &dyn Any;
    let name = if any.is::<GlobalLimitExec>() || any.is::<LocalLimitExec>() || node.fetch().is_some() {
        "a `limit`"
    } else if any.is::<AggregateExec>() {
        "an aggregate, `group by` or `distinct`"
    } else if any.is::<RowNumberExec>() || any.is::<WindowAggExec>() || any.is::<BoundedWindowAggExec>() {
        "a window function or `qualify`"
    } else if any.is::<HashJoinExec>() || any.is::<NestedLoopJoinExec>() || any.is::<CrossJoinExec>() {
        "a join of the file with itself, or one that gives rows of a table,"
    } else if any.is::<UnionExec>() {
        "a `union` with a table"
    } else {
        return format!("the operator `{}`", node.name());
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_halved_down_to_one_batch() {
        let mut parts = Parts::whole();
        (0..11).for_each(|_| parts.count());
        let mut sizes = Vec::new();
        while let Some(half) = parts.halved() {
            while !half.is_full() {
                half.count();
            }
            sizes.push(half.reached());
            parts = half;
        }
        assert_eq!(sizes, [5, 2, 1]);
        assert!(Parts::whole().halved().is_none(), "nothing was read");
    }

    #[test]
    fn a_part_that_failed_early_is_halved_from_where_it_came_to() {
        let parts = Parts::of(100);
        (0..100).for_each(|_| parts.count());
        parts.begin();
        (0..6).for_each(|_| parts.count());
        assert!(!parts.is_full());
        assert_eq!(parts.halved().and_then(|half| half.batches_max), Some(3));
    }
}
