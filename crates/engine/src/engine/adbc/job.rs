//! A transform in one job: the file's records go into a table of the job's own database, and the rows come out of it.

use adbc_core::{Connection as _, Statement as _};
use adbc_driver_manager::ManagedStatement;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use futures::{StreamExt, TryStreamExt};
use millpond_core::balance::Balance;
use millpond_core::{Error, Result};

use super::ingest::{Failure, Ingest, table_schema};
use super::nulls;
use super::plan::Planned;
use super::session::{Reader, Session, of_arrow};
use super::shape::Shape;
use super::types::shared_schema;
use crate::encode::to_lake;
use crate::engine::{Input, JobSession, Rows, Running, Seen};
use crate::limits::{Limits, Stop, Watch};
use crate::prepare::INPUT;

/// A job that is ready, and then runs.
pub(super) struct AdbcJob {
    /// Taken when it starts.
    ready: Option<Ready>,
    shape: Shape,
}

/// What a job starts with.
struct Ready {
    session: Session,
    input: Ingest,
    sql: String,
    schema: SchemaRef,
    file: String,
    stop: Stop,
    has_null_lists: bool,
}

impl AdbcJob {
    pub(super) fn open(planned: &Planned, job: &JobSession<'_>) -> Result<Self> {
        let (dialect, limits) = (planned.engine.dialect, job.limits);
        let mut session = dialect.open(&planned.engine.library, limits)?;
        let mut bytes_max = dialect.table_bytes_max(limits);
        for table in &planned.tables {
            let schema = table.schema();
            let schema = table_schema(&schema, schema.fields().iter().map(|field| field.name().as_str()));
            session.set_up(&dialect.create_table(&table.name, &schema)?)?;
            let mut rows = Ingest::new(&table.name, schema, bytes_max);
            let filled = table.batches.iter().try_for_each(|batch| rows.push(&mut session, batch));
            filled
                .and_then(|()| rows.flush(&mut session))
                .map_err(|failure| explain(&session, limits, &table.name, failure))?;
            bytes_max = bytes_max.map(|max| max.saturating_sub(rows.bytes()));
        }
        let schema = planned.input_schema();
        session.set_up(&dialect.create_table(INPUT, &schema)?)?;
        let ready = Ready {
            session,
            input: Ingest::new(INPUT, schema, bytes_max),
            sql: planned.shaped.clone(),
            schema: planned.schema.clone(),
            file: job.file.to_owned(),
            stop: limits.stop.clone(),
            has_null_lists: dialect.support().null_lists,
        };
        Ok(Self { ready: Some(ready), shape: planned.shape })
    }
}

fn explain(session: &Session, limits: &Limits, table: &str, failure: Failure) -> Error {
    match failure {
        Failure::Ours(error) => error,
        Failure::Engine(error) => session.failure(&limits.stop, &format!("failed to fill table `{table}`"), &error),
    }
}

impl Running for AdbcJob {
    fn input_readers(&self) -> usize {
        1
    }

    fn rows(&mut self, input: &Input) -> Result<Rows> {
        let ready = self.ready.take().ok_or_else(|| Error::bug("a transform was started twice"))?;
        let records = input.rows().map_err(|error| Error::bug("a transform has no input").because(error))?;
        Ok(futures::stream::once(ready.run(records)).try_flatten().boxed())
    }

    fn balance(&self, seen: &Seen) -> Result<Balance> {
        Ok(self.shape.balance(seen))
    }
}

impl Ready {
    /// Hands over all records, then runs the query.
    async fn run(mut self, mut records: Rows) -> Result<Rows, DataFusionError> {
        while let Some(batch) = records.next().await {
            let pushed = self.input.push(&mut self.session, &batch?);
            pushed.map_err(|failure| self.explained("failed to hand over the records of the file", failure))?;
        }
        let flushed = self.input.flush(&mut self.session);
        flushed.map_err(|failure| self.explained("failed to hand over the records of the file", failure))?;
        self.check_count().map_err(external)?;
        let rows = self.execute().map_err(external)?;
        Ok(futures::stream::iter(rows).boxed())
    }

    /// The engine's own count of its rows: one that got lost on the way in would be accounted for as filtered.
    fn check_count(&mut self) -> Result<()> {
        let (given, held) = (self.input.rows, self.session.count(INPUT)?);
        if given == held {
            return Ok(());
        }
        let name = self.session.dialect.kind().name();
        Err(Error::bug(format!("`{name}` was given {given} rows and holds {held}")))
    }

    fn execute(mut self) -> Result<Output> {
        self.stop.check()?;
        let dialect = self.session.dialect;
        dialect.lock(&mut self.session)?;
        let what = format!("failed to run `{}`", self.file);
        let cancel = self.session.connection.get_cancel_handle();
        let watch = self.stop.watch(move || {
            // One that came too early or too late does nothing, and is tried again.
            let _ = cancel.try_cancel();
        })?;
        let failed = |session: &Session, error| session.failure(&self.stop, &what, &error);
        let mut statement = self.session.statement(&self.sql).map_err(|error| failed(&self.session, error))?;
        let cancel = statement.get_cancel_handle();
        let inner = self.stop.watch(move || {
            let _ = cancel.try_cancel();
        })?;
        let reader = statement.execute().map_err(|error| failed(&self.session, error))?;
        let given = shared_schema(&reader.schema());
        if given != self.schema {
            let names = |schema: &SchemaRef| {
                schema
                    .fields()
                    .iter()
                    .map(|field| format!("{} {}", field.name(), field.data_type()))
                    .collect::<Vec<_>>()
            };
            return Err(Error::bug(format!(
                "`{}` planned {} and gave {}",
                dialect.kind().name(),
                names(&self.schema).join(", "),
                names(&given).join(", ")
            )));
        }
        Ok(Output {
            reader: Some(reader),
            _watches: [watch, inner],
            _statement: statement,
            session: self.session,
            schema: self.schema,
            what,
            stop: self.stop,
            has_null_lists: self.has_null_lists,
        })
    }

    fn explained(&self, what: &str, failure: Failure) -> DataFusionError {
        external(match failure {
            Failure::Ours(error) => error,
            Failure::Engine(error) => self.session.failure(&self.stop, what, &error),
        })
    }
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The rows of a query that runs. Fields are dropped in their order: what reads before what it reads from.
struct Output {
    reader: Option<Reader>,
    _watches: [Watch; 2],
    _statement: ManagedStatement,
    session: Session,
    schema: SchemaRef,
    what: String,
    stop: Stop,
    has_null_lists: bool,
}

impl Iterator for Output {
    type Item = Result<RecordBatch, DataFusionError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let batch = match self.reader.as_mut()?.next() {
                Some(Ok(batch)) if batch.num_rows() == 0 => continue,
                Some(Ok(batch)) => self.shared(&batch),
                Some(Err(error)) => Err(self.session.failure(&self.stop, &self.what, &of_arrow(error))),
                None => {
                    self.reader = None;
                    return None;
                }
            };
            if batch.is_err() {
                self.reader = None;
            }
            return Some(batch.map_err(external));
        }
    }
}

impl Output {
    /// The rows as every engine gives them.
    fn shared(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = to_lake(batch, &self.schema)?;
        if self.has_null_lists { Ok(rows) } else { nulls::restore(&rows) }
    }
}
