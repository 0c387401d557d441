//! `row_number()` without a sort: rows are numbered as they come.
//!
//! DataFusion computes `row_number() over (partition by K order by O)` by sorting all rows by K and O. Where the rows come
//! in the order O already (there is none, or it is `_row`), it is enough to count how often each K was seen: rows stream,
//! and only the keys are kept. This is what makes `qualify row_number() over (partition by id order by _row) = 1` cheap.
//!
//! [`StreamingRowNumber`] finds such windows in a job's plan, [`RowNumberExec`] takes their place, [`keys`] counts.

mod keys;

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use arrow::datatypes::SchemaRef;
use datafusion::common::Result as DataFusionResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::window::{StandardWindowExpr, WindowExpr};
use datafusion::physical_expr::{Distribution, LexRequirement, OrderingRequirements, PhysicalSortExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowUDFExpr};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, InputDistributionRequirements, PhysicalExpr,
    PlanProperties,
};
use futures::StreamExt;

use crate::prepare::INPUT;
use crate::shared::SharedScan;
use keys::KeyCounts;

/// Puts [`RowNumberExec`] in the place of windows whose rows come in the window's order.
///
/// It must run before the rules that add sorts: the operator states the order that it needs, and those rules see to it.
#[derive(Debug)]
pub(crate) struct StreamingRowNumber {
    /// The column of `input` by which its rows ascend, if the job reads it.
    pub(crate) input_order: Option<&'static str>,
}

impl PhysicalOptimizerRule for StreamingRowNumber {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let replaced = match self.ordered_scan(&node) {
                Some(scan) => Some(scan),
                None => streaming(&node)?,
            };
            Ok(replaced.map_or_else(|| Transformed::no(node), Transformed::yes))
        })
        .data()
    }

    fn name(&self) -> &str {
        "StreamingRowNumber"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

impl StreamingRowNumber {
    /// The same scan with its order told.
    fn ordered_scan(&self, node: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn ExecutionPlan>> {
        let scan = node.downcast_ref::<SharedScan>().filter(|scan| scan.table == INPUT)?;
        Some(Arc::new(scan.ordered_by(self.input_order?)?))
    }
}

/// What takes the place of `node` if it is a window of which every function is a `row_number()` over rows that come in
/// its order.
fn streaming(node: &Arc<dyn ExecutionPlan>) -> DataFusionResult<Option<Arc<dyn ExecutionPlan>>> {
    let Some(window) = node.downcast_ref::<BoundedWindowAggExec>() else { return Ok(None) };
    let [function] = window.window_expr() else { return Ok(None) };
    let (input, keys, order) = (window.input(), function.partition_by(), function.order_by());
    let is_streaming = is_row_number(function)
        && KeyCounts::can_count(keys, &input.schema())?
        && input.equivalence_properties().ordering_satisfy(order.iter().cloned())?;
    if !is_streaming {
        return Ok(None);
    }
    let exec = RowNumberExec::new(Arc::clone(input), window.schema(), keys.to_vec(), order.to_vec())?;
    Ok(Some(Arc::new(exec)))
}

fn is_row_number(function: &Arc<dyn WindowExpr>) -> bool {
    let standard = function.as_any().downcast_ref::<StandardWindowExpr>();
    let named = standard.and_then(|f| f.get_standard_func_expr().as_any().downcast_ref::<WindowUDFExpr>());
    named.is_some_and(|function| function.fun().name() == "row_number")
}

/// Adds a column to its input: how many rows with the same keys have come, this one included.
///
/// It keeps every distinct key within the job's memory, and no row.
#[derive(Debug)]
pub(crate) struct RowNumberExec {
    input: Arc<dyn ExecutionPlan>,
    /// The input's columns and the number.
    schema: SchemaRef,
    keys: Vec<Arc<dyn PhysicalExpr>>,
    /// The order that the rows must come in.
    order: Vec<PhysicalSortExpr>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl RowNumberExec {
    fn new(
        input: Arc<dyn ExecutionPlan>,
        schema: SchemaRef,
        keys: Vec<Arc<dyn PhysicalExpr>>,
        order: Vec<PhysicalSortExpr>,
    ) -> DataFusionResult<Self> {
        let equivalences = datafusion::physical_expr::EquivalenceProperties::new(Arc::clone(&schema))
            .extend(input.equivalence_properties().clone())?;
        let properties = PlanProperties::new(
            equivalences,
            input.output_partitioning().clone(),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        let (properties, metrics) = (Arc::new(properties), ExecutionPlanMetricsSet::new());
        Ok(Self { input, schema, keys, order, properties, metrics })
    }
}

impl DisplayAs for RowNumberExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<String> = self.keys.iter().map(ToString::to_string).collect();
        write!(f, "RowNumberExec: keys=[{}]", keys.join(", "))
    }
}

impl ExecutionPlan for RowNumberExec {
    fn name(&self) -> &str {
        "RowNumberExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition])
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        let order = LexRequirement::new(self.order.iter().cloned().map(Into::into));
        vec![order.map(OrderingRequirements::new)]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        let mut recursion = TreeNodeRecursion::Continue;
        for expr in self.keys.iter().chain(self.order.iter().map(|sort| &sort.expr)) {
            recursion = recursion.visit_sibling(|| visit(expr))?;
        }
        Ok(recursion)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let input = children.swap_remove(0);
        Ok(Arc::new(Self::new(input, Arc::clone(&self.schema), self.keys.clone(), self.order.clone())?))
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let input = children.swap_remove(0);
        Ok(Arc::new(Self::new(input, Arc::clone(&self.schema), self.keys.clone(), self.order.clone())?))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let mut numbering = Numbering {
            schema: Arc::clone(&self.schema),
            keys: self.keys.clone(),
            counts: KeyCounts::new(&self.keys, &self.input.schema())?,
            reservation: MemoryConsumer::new("keys of `row_number`").register(context.memory_pool()),
        };
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let rows = input.map(move |batch| {
            let batch = numbering.append(&batch?)?;
            metrics.record_output(batch.num_rows());
            Ok(batch)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// What a running [`RowNumberExec`] knows.
struct Numbering {
    schema: SchemaRef,
    keys: Vec<Arc<dyn PhysicalExpr>>,
    counts: KeyCounts,
    reservation: MemoryReservation,
}

impl Numbering {
    /// The batch and its numbers.
    fn append(&mut self, batch: &RecordBatch) -> DataFusionResult<RecordBatch> {
        let rows = batch.num_rows();
        let keys = self.keys.iter().map(|key| key.evaluate(batch)?.into_array(rows));
        let numbers = self.counts.count(&keys.collect::<DataFusionResult<Vec<ArrayRef>>>()?, rows)?;
        self.reservation.try_resize(self.counts.memory_bytes())?;
        let numbers = Arc::new(UInt64Array::from(numbers)) as ArrayRef;
        let columns = batch.columns().iter().cloned().chain([numbers]).collect();
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}
