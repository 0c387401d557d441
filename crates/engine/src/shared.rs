//! One stream of batches read by several queries at once: `input` by the transform and the signals, `output` by the
//! writer and the signals.
//!
//! The file is decoded once. Every query has a cursor; a batch is kept until all cursors have passed it. A query that
//! runs ahead yields to the others, so what is kept stays at a batch or two unless a query must read everything before
//! it answers; then the job's memory limit decides.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use arrow::array::RecordBatch;
use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result as DataFusionResult, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
};
use futures::stream::{BoxStream, Stream};
use futures::{StreamExt, ready};
use millpond_core::Error;

/// How far a cursor may run ahead of the slowest before it yields.
const AHEAD_BATCHES_MAX: u64 = 2;

/// One stream with several readers.
pub(crate) struct SharedStream {
    state: Mutex<State>,
}

struct State {
    source: BoxStream<'static, DataFusionResult<RecordBatch>>,
    /// Batches that some cursor has yet to read; the first has the ordinal `first`.
    kept: VecDeque<RecordBatch>,
    kept_bytes: usize,
    first: u64,
    /// The next ordinal of each cursor; `None` once it is dropped.
    cursors: Vec<Option<u64>>,
    /// Cursors still to come: nothing is let go before they are there.
    expected: usize,
    ended: Option<Result<(), Arc<DataFusionError>>>,
    waiting: Vec<Waker>,
    reservation: MemoryReservation,
}

impl SharedStream {
    /// A stream that `readers` cursors will read. `name` stands in messages about memory.
    pub(crate) fn new(
        name: &str,
        source: BoxStream<'static, DataFusionResult<RecordBatch>>,
        readers: usize,
        pool: &Arc<dyn MemoryPool>,
    ) -> Arc<Self> {
        let state = State {
            source,
            kept: VecDeque::new(),
            kept_bytes: 0,
            first: 0,
            cursors: Vec::with_capacity(readers),
            expected: readers,
            ended: None,
            waiting: Vec::new(),
            reservation: MemoryConsumer::new(format!("rows of `{name}` kept for other queries")).register(pool),
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// A new cursor at the start.
    pub(crate) fn reader(self: &Arc<Self>) -> DataFusionResult<Cursor> {
        let mut state = self.lock();
        if state.expected == 0 {
            return internal_err!("a shared stream was read more often than planned");
        }
        state.expected -= 1;
        state.cursors.push(Some(0));
        Ok(Cursor { stream: Arc::clone(self), index: state.cursors.len() - 1, has_yielded: false, is_over: false })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock is held ends the job, so its state is not used again.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn slowest(&self) -> u64 {
        let behind = if self.expected > 0 { Some(0) } else { None };
        self.cursors.iter().flatten().copied().chain(behind).min().unwrap_or(u64::MAX)
    }

    fn release(&mut self) {
        let slowest = self.slowest();
        while self.first < slowest
            && let Some(batch) = self.kept.pop_front()
        {
            self.kept_bytes -= batch.get_array_memory_size();
            self.first += 1;
        }
        if self.kept.is_empty() {
            self.reservation.free();
        }
    }

    fn keep(&mut self, batch: &RecordBatch) -> DataFusionResult<()> {
        self.kept_bytes += batch.get_array_memory_size();
        self.kept.push_back(batch.clone());
        self.reservation.try_resize(self.kept_bytes)
    }

    fn end(&mut self, result: Result<(), Arc<DataFusionError>>) {
        self.ended = Some(result);
        self.wake();
    }

    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }

    fn poll_at(&mut self, index: usize, context: &mut Context<'_>) -> Poll<Option<DataFusionResult<RecordBatch>>> {
        let position = self.cursors[index].unwrap_or(self.first);
        if let Some(batch) = self.kept.get((position - self.first) as usize) {
            let batch = batch.clone();
            self.cursors[index] = Some(position + 1);
            self.release();
            return Poll::Ready(Some(Ok(batch)));
        }
        match &self.ended {
            Some(Ok(())) => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(DataFusionError::Shared(Arc::clone(error))))),
            None => {}
        }
        let Poll::Ready(next) = self.source.poll_next_unpin(context) else {
            self.waiting.push(context.waker().clone());
            return Poll::Pending;
        };
        let kept = match next {
            None => {
                self.end(Ok(()));
                return Poll::Ready(None);
            }
            Some(Ok(batch)) => {
                self.cursors[index] = Some(position + 1);
                let is_alone = self.expected == 0 && self.cursors.iter().flatten().count() == 1;
                if is_alone {
                    self.first = position + 1;
                    return Poll::Ready(Some(Ok(batch)));
                }
                self.wake();
                self.keep(&batch).map(|()| batch)
            }
            Some(Err(error)) => Err(error),
        };
        Poll::Ready(Some(kept.map_err(|error| {
            let error = Arc::new(error);
            self.end(Err(Arc::clone(&error)));
            DataFusionError::Shared(error)
        })))
    }
}

/// One reader's place in a shared stream.
pub(crate) struct Cursor {
    stream: Arc<SharedStream>,
    index: usize,
    has_yielded: bool,
    is_over: bool,
}

impl Stream for Cursor {
    type Item = DataFusionResult<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let stream = Arc::clone(&self.stream);
        let mut state = stream.lock();
        let position = state.cursors[self.index].unwrap_or(0);
        let is_ahead = position >= state.slowest().saturating_add(AHEAD_BATCHES_MAX);
        // One yield a batch: enough for queries that stream, and no deadlock for one that waits for this cursor.
        if is_ahead && state.ended.is_none() && !self.has_yielded {
            self.has_yielded = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = ready!(state.poll_at(self.index, context));
        self.has_yielded = false;
        // An error is told once to each reader, and is the last that it hears.
        self.is_over = !matches!(next, Some(Ok(_)));
        Poll::Ready(next)
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        let mut state = self.stream.lock();
        state.cursors[self.index] = None;
        state.release();
        state.wake();
    }
}

/// A table whose rows come from the running job's shared stream of that name.
#[derive(Debug)]
pub(crate) struct SharedTable {
    name: &'static str,
    schema: SchemaRef,
}

impl SharedTable {
    pub(crate) fn new(name: &'static str, schema: SchemaRef) -> Self {
        Self { name, schema }
    }
}

#[async_trait]
impl TableProvider for SharedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(projection) => Arc::new(self.schema.project(projection)?),
            None => Arc::clone(&self.schema),
        };
        Ok(Arc::new(SharedScan::new(self.name, schema)))
    }
}

/// The shared streams of a running job, found by the scans through the task's configuration.
pub(crate) struct JobStreams {
    pub(crate) by_name: Vec<(&'static str, SchemaRef, Arc<SharedStream>)>,
}

/// A scan of one shared stream: the columns it needs, by name.
#[derive(Debug)]
pub(crate) struct SharedScan {
    pub(crate) table: &'static str,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// Ascending as SQL has it where nothing else is said.
const ASCENDING: SortOptions = SortOptions { descending: false, nulls_first: false };

impl SharedScan {
    fn new(table: &'static str, schema: SchemaRef) -> Self {
        let equivalences = EquivalenceProperties::new(Arc::clone(&schema));
        Self::with_properties(table, schema, equivalences)
    }

    /// The same scan, which promises the planner that its rows ascend by `column`; `None` if it does not read it.
    pub(crate) fn ordered_by(&self, column: &str) -> Option<Self> {
        let order = PhysicalSortExpr::new(col(column, &self.schema).ok()?, ASCENDING);
        let equivalences = EquivalenceProperties::new_with_orderings(Arc::clone(&self.schema), [[order]]);
        Some(Self::with_properties(self.table, Arc::clone(&self.schema), equivalences))
    }

    fn with_properties(table: &'static str, schema: SchemaRef, equivalences: EquivalenceProperties) -> Self {
        let properties = PlanProperties::new(
            equivalences,
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { table, schema, properties: Arc::new(properties), metrics: ExecutionPlanMetricsSet::new() }
    }
}

impl DisplayAs for SharedScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, "SharedScan: {}, columns=[{}]", self.table, names.join(", "))
    }
}

impl ExecutionPlan for SharedScan {
    fn name(&self) -> &str {
        "SharedScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        let streams = context.session_config().get_extension::<JobStreams>();
        let found = streams.as_ref().and_then(|s| s.by_name.iter().find(|(name, ..)| *name == self.table));
        let Some((_, from, stream)) = found else {
            let error = Error::bug(format!("`{}` was read outside a job", self.table));
            return Err(DataFusionError::External(Box::new(error)));
        };
        let indices: Vec<usize> =
            self.schema.fields().iter().map(|field| from.index_of(field.name())).collect::<Result<_, _>>()?;
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let rows = stream.reader()?.map(move |batch| {
            let batch = batch?.project(&indices)?;
            metrics.record_output(batch.num_rows());
            Ok(batch)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array};
    use datafusion::execution::memory_pool::GreedyMemoryPool;
    use futures::executor::block_on;
    use futures::future::join_all;

    fn batch(value: i64) -> RecordBatch {
        RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![value])) as ArrayRef)]).expect("batch")
    }

    fn stream(batches: i64, readers: usize, memory_bytes: usize) -> Arc<SharedStream> {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(memory_bytes));
        let source = futures::stream::iter((0..batches).map(|value| Ok(batch(value)))).boxed();
        SharedStream::new("input", source, readers, &pool)
    }

    #[test]
    fn readers_that_stream_keep_little() {
        let shared = stream(1_000, 3, 4_096);
        let readers: Vec<Cursor> = (0..3).map(|_| shared.reader().expect("reader")).collect();
        let counts = block_on(join_all(readers.into_iter().map(StreamExt::collect::<Vec<_>>)));
        for batches in counts {
            assert_eq!(batches.len(), 1_000);
            assert!(batches.iter().all(Result::is_ok));
        }
    }

    #[test]
    fn a_reader_that_waits_for_another_meets_the_limit() {
        let shared = stream(1_000, 2, 4_096);
        let (mut first, second) = (shared.reader().expect("reader"), shared.reader().expect("reader"));
        let error = block_on(async {
            while let Some(Ok(_)) = first.next().await {}
            second.collect::<Vec<_>>().await
        });
        assert!(error.last().expect("last").is_err());
    }

    #[test]
    fn a_dropped_reader_holds_nothing_back() {
        let shared = stream(1_000, 2, 4_096);
        let (first, second) = (shared.reader().expect("reader"), shared.reader().expect("reader"));
        drop(first);
        assert_eq!(block_on(second.filter(|batch| futures::future::ready(batch.is_ok())).count()), 1_000);
    }
}
