//! A transform whose rows are OCSF events: what follows from what the SQL gives is filled in after it, on every engine alike.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::common::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use futures::StreamExt;
use millpond_core::Result;
use millpond_core::balance::Balance;
use millpond_core::predict::Work;
use millpond_core::source::Ocsf;
use millpond_ocsf::{Completer, Problem};

use crate::engine::{Input, JobSession, Rows, Running, Seen, Transform};

/// A transform and what completes its rows.
#[derive(Debug)]
pub(crate) struct Completed {
    transform: Arc<dyn Transform>,
    completer: Arc<Completer>,
}

impl Completed {
    /// Holds the transform's columns against the classes.
    pub(crate) fn new(ocsf: &Ocsf, transform: Arc<dyn Transform>) -> Result<Self, Vec<Problem>> {
        let completer = Arc::new(Completer::new(ocsf, &transform.schema())?);
        Ok(Self { transform, completer })
    }
}

#[async_trait]
impl Transform for Completed {
    fn schema(&self) -> SchemaRef {
        self.completer.schema()
    }

    async fn columns_read(&self) -> Result<BTreeSet<String>> {
        self.transform.columns_read().await
    }

    fn logical_plan(&self) -> Option<&LogicalPlan> {
        self.transform.logical_plan()
    }

    async fn work(&self, session: &SessionState) -> Result<Work> {
        self.transform.work(session).await
    }

    async fn obstacle(&self, session: &SessionState) -> Result<Option<String>> {
        self.transform.obstacle(session).await
    }

    async fn explain(&self, session: &SessionState) -> Result<String> {
        self.transform.explain(session).await
    }

    async fn start(&self, job: &JobSession<'_>) -> Result<Box<dyn Running>> {
        let running = self.transform.start(job).await?;
        Ok(Box::new(Completing { running, completer: Arc::clone(&self.completer), modified_us: job.modified_us }))
    }
}

/// Such a transform in a job. Rows stay as many as they are, so the balance is the transform's own.
struct Completing {
    running: Box<dyn Running>,
    completer: Arc<Completer>,
    modified_us: i64,
}

impl Running for Completing {
    fn input_readers(&self) -> usize {
        self.running.input_readers()
    }

    fn rows(&mut self, input: &Input) -> Result<Rows> {
        let (completer, modified_us) = (Arc::clone(&self.completer), self.modified_us);
        let rows = self.running.rows(input)?;
        let completed = move |batch| completer.complete(&batch?, modified_us).map_err(DataFusionError::from);
        Ok(rows.map(completed).boxed())
    }

    fn spilled_bytes(&self) -> u64 {
        self.running.spilled_bytes()
    }

    fn balance(&self, seen: &Seen) -> Result<Balance> {
        self.running.balance(seen)
    }
}
