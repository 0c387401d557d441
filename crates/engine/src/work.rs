//! How the memory of SQL grows with its file, read from the operators of its physical plan.

use std::any::Any;
use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::ExecutionPlanProperties;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::EmissionType;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::windows::WindowAggExec;
use millpond_core::predict::Work;

use crate::row_number::RowNumberExec;
use crate::shared::SharedScan;

/// The work of a transform and its signals, which run together.
pub(crate) fn of_plans(plans: &[Arc<dyn ExecutionPlan>]) -> Work {
    plans.iter().filter_map(|plan| walk(plan.as_ref())).max().unwrap_or(Work::Streaming)
}

/// The work of a plan; `None` where no row of the file passes: tables that it joins are there already.
fn walk(node: &dyn ExecutionPlan) -> Option<Work> {
    if (node as &dyn Any).is::<SharedScan>() {
        return Some(Work::Streaming);
    }
    let below: Vec<Option<Work>> = node.children().into_iter().map(|child| walk(child.as_ref())).collect();
    let most = below.iter().flatten().copied().max()?;
    let is_built_of_input = below.first().copied().flatten().is_some();
    Some(most.max(own(node, is_built_of_input)))
}

/// The work of an operator on rows of the file. `is_built_of_input`: its first input has such rows.
fn own(node: &dyn ExecutionPlan, is_built_of_input: bool) -> Work {
    let any = node as &dyn Any;
    if any.is::<RowNumberExec>() {
        return Work::Keys;
    }
    if let Some(aggregate) = any.downcast_ref::<AggregateExec>() {
        return if aggregate.group_expr().expr().is_empty() { Work::Streaming } else { Work::Keys };
    }
    if let Some(sort) = any.downcast_ref::<SortExec>() {
        // With a limit only so many rows are kept.
        return if sort.fetch().is_some() { Work::Streaming } else { Work::Spilling };
    }
    if any.is::<HashJoinExec>() || any.is::<CrossJoinExec>() || any.is::<NestedLoopJoinExec>() {
        return if is_built_of_input { Work::Holding } else { Work::Streaming };
    }
    if any.is::<WindowAggExec>() || waits_for_all(node) { Work::Holding } else { Work::Streaming }
}

/// Whether an operator gives its first row after its last one came in; those above it pass that on, and keep nothing.
fn waits_for_all(node: &dyn ExecutionPlan) -> bool {
    let is_final = |node: &dyn ExecutionPlan| node.pipeline_behavior() == EmissionType::Final;
    is_final(node) && !node.children().into_iter().any(|child| is_final(child.as_ref()))
}
