//! Accounting: what became of the rows, read from the operators that saw them.

use std::any::Any;
use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use millpond_core::balance::Balance;

use crate::engine::Seen;
use crate::row_number::RowNumberExec;
use crate::shared::SharedScan;

/// The balance of a finished transform.
///
/// What was `seen` was counted at both ends of `plan`. Every other count is the difference between what went into an
/// operator and what came out, as the operators themselves counted.
pub(crate) fn balance(plan: &Arc<dyn ExecutionPlan>, seen: &Seen) -> Balance {
    let Seen { records, rejected, delivered, rows_out } = *seen;
    let mut balance = Balance { rows_in: records, quarantined: rejected, rows_out, ..Balance::default() };
    let mut scans = 0;
    walk(plan.as_ref(), delivered, &mut scans, &mut balance);
    match scans {
        // A transform that does not read its input leaves it all out.
        0 => {
            balance.filtered += delivered;
            balance.exploded += rows_out;
        }
        // The rows of every scan after the first are copies.
        more => balance.exploded += (more - 1) * delivered,
    }
    balance
}

/// Rows that come out of `node` and stem from the input; `None` when none of them does.
fn walk(node: &dyn ExecutionPlan, delivered: u64, scans: &mut u64, balance: &mut Balance) -> Option<u64> {
    let any = node as &dyn Any;
    if any.is::<SharedScan>() {
        *scans += 1;
        let read = rows_of(node).unwrap_or(0);
        // A limit above stopped reading: the rows it never saw are left out by it.
        balance.filtered += delivered.saturating_sub(read);
        return Some(read);
    }
    let mut rows_in = None;
    for child in node.children() {
        if let Some(rows) = walk(child.as_ref(), delivered, scans, balance) {
            rows_in = Some(rows_in.unwrap_or(0) + rows);
        }
    }
    let rows_in = rows_in?;
    let rows_out = rows_of(node).unwrap_or(rows_in);
    let removed = rows_in.saturating_sub(rows_out);
    balance.exploded += rows_out.saturating_sub(rows_in);
    *match fate(node) {
        Fate::Aggregated => &mut balance.aggregated,
        Fate::Deduplicated => &mut balance.deduplicated,
        Fate::Filtered => &mut balance.filtered,
    } += removed;
    Some(rows_out)
}

fn rows_of(node: &dyn ExecutionPlan) -> Option<u64> {
    node.metrics().and_then(|metrics| metrics.output_rows()).map(|rows| rows as u64)
}

enum Fate {
    Filtered,
    Deduplicated,
    Aggregated,
}

/// What happens to rows that go into an operator and do not come out.
fn fate(node: &dyn ExecutionPlan) -> Fate {
    let any = node as &dyn Any;
    if let Some(aggregate) = any.downcast_ref::<AggregateExec>() {
        // `distinct` is an aggregate without functions.
        return if aggregate.aggr_expr().is_empty() { Fate::Deduplicated } else { Fate::Aggregated };
    }
    if any.is::<FilterExec>() && is_above_window(node) {
        return Fate::Deduplicated;
    }
    Fate::Filtered
}

/// Whether a filter judges what a window function computed, as `qualify` does.
fn is_above_window(node: &dyn ExecutionPlan) -> bool {
    let mut below = node.children();
    while let [child] = below.as_slice() {
        let any = child.as_ref() as &dyn Any;
        if any.is::<BoundedWindowAggExec>() || any.is::<WindowAggExec>() || any.is::<RowNumberExec>() {
            return true;
        }
        if any.is::<FilterExec>()
            || any.is::<GlobalLimitExec>()
            || any.is::<LocalLimitExec>()
            || any.is::<AggregateExec>()
        {
            return false;
        }
        below = child.children();
    }
    false
}
