//! Planning a transform in an engine: over a table with the columns of `input` and no rows.

use std::collections::BTreeSet;
use std::sync::Arc;

use adbc_core::error::Error as AdbcError;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::execution::session_state::SessionState;
use millpond_core::predict::Work;
use millpond_core::source::Sql;
use millpond_core::{Error, Result};

use super::dialect::{Dialect, Meaning, failed, first_lines};
use super::ingest::table_schema;
use super::job::AdbcJob;
use super::session::{Session, quoted};
use super::shape::{self, Shape};
use super::types::shared_schema;
use super::{Adbc, planning_limits};
use crate::engine::{JobSession, Planner, Refusal, Running, Transform};
use crate::prepare::INPUT;
use crate::sql;
use crate::tables::{Table, Tables};

/// A database in which one source's transform is planned.
pub(super) struct AdbcPlanner<'a> {
    engine: &'a Adbc,
    tables: &'a Tables,
    session: Session,
    aggregates: BTreeSet<String>,
    /// The pond's tables that are there, without rows.
    created: Vec<String>,
}

impl<'a> AdbcPlanner<'a> {
    pub(super) fn open(engine: &'a Adbc, tables: &'a Tables) -> Result<Self> {
        let mut session = engine.dialect.open(&engine.library, &planning_limits())?;
        let aggregates = session.texts(engine.dialect.aggregates())?;
        let aggregates = aggregates.iter().map(|name| name.to_lowercase()).collect();
        Ok(Self { engine, tables, session, aggregates, created: Vec::new() })
    }

    fn dialect(&self) -> &'static dyn Dialect {
        self.engine.dialect
    }

    /// Plans `query` over `input` and learns which of its columns it reads.
    fn plan_over(&mut self, query: &str, input: &SchemaRef) -> Result<Planned, PlanError> {
        let named: Vec<String> = self.tables.names().filter(|name| query.contains(*name)).map(str::to_owned).collect();
        self.create_tables(&named)?;
        self.create_input(input)?;
        let mut known = named.clone();
        known.push(INPUT.to_owned());
        self.dialect().check(&mut self.session, query, &known)?;
        let (shaped, schema) = self.shaped(query)?;
        let reads = self.columns_read(query, input, &schema)?;
        let shape = Shape::of(self.dialect(), query, &self.aggregates);
        let engine = self.engine.clone();
        Ok(Planned {
            engine,
            shaped,
            schema,
            input: Arc::clone(input),
            reads,
            tables: self.tables.named(&named),
            shape,
        })
    }

    fn create_tables(&mut self, named: &[String]) -> Result<()> {
        for table in self.tables.named(named) {
            if !self.created.contains(&table.name) {
                let schema = table.schema();
                let schema = table_schema(&schema, schema.fields().iter().map(|field| field.name().as_str()));
                let create = self.dialect().create_table(&table.name, &schema)?;
                self.session.set_up(&create)?;
                self.created.push(table.name);
            }
        }
        Ok(())
    }

    fn create_input(&mut self, schema: &SchemaRef) -> Result<()> {
        let columns = schema.fields().iter().map(|field| field.name().as_str());
        let create = self.dialect().create_table(INPUT, &table_schema(schema, columns))?;
        self.session.set_up(&format!("drop table if exists {}", quoted(INPUT)))?;
        self.session.set_up(&create)
    }

    /// The query as it runs, and the columns that it gives.
    fn shaped(&mut self, query: &str) -> Result<(String, SchemaRef), AdbcError> {
        let shaped = self.dialect().shaped(&mut self.session, query)?;
        let schema = self.session.schema(&shaped)?;
        Ok((shaped, shared_schema(&schema)))
    }

    /// The columns without which the query would not be the same. Those whose names are nowhere in it are tried to do
    /// without: `*` and its like then give other columns, or none.
    fn columns_read(&mut self, query: &str, input: &SchemaRef, schema: &SchemaRef) -> Result<Vec<String>> {
        let all = || input.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
        let ignores_case = !self.dialect().support().exact_names;
        let text = if ignores_case { query.to_lowercase() } else { query.to_owned() };
        let is_named = |name: &String| text.contains(&if ignores_case { name.to_lowercase() } else { name.clone() });
        let named: Vec<String> = all().into_iter().filter(is_named).collect();
        let fields = named.iter().filter_map(|name| input.field_with_name(name).ok().cloned());
        self.create_input(&Arc::new(Schema::new(fields.collect::<Vec<_>>())))?;
        match self.shaped(query) {
            Ok((_, same)) if same == *schema => Ok(named),
            _ => Ok(all()),
        }
    }

    /// A mistake in the SQL, with the column of `input` that it misses.
    fn refusal(&self, query: &Sql, aliases: &BTreeSet<String>, error: PlanError) -> Box<Refusal> {
        let error = match error {
            PlanError::Ours(error) => {
                let line = sql::line_in_message(&query.text, &error.to_string());
                return Box::new(Refusal { missing: None, line, error });
            }
            PlanError::Engine(error) => error,
        };
        let dialect = self.dialect();
        let missing = dialect.missing(&error.message, &query.text, aliases);
        // The first line is ours: the query is run as part of another.
        let line = dialect.line(&error.message).map(|line| line.saturating_sub(1).max(1));
        let line = line.unwrap_or_else(|| sql::line_in_message(&query.text, &error.message));
        let told = match (&missing, dialect.meaning(&error)) {
            (Some(name), _) => Error::bad_config(format!("no column `{name}`")).because(first_lines(&error.message)),
            (None, Meaning::Wrong) => Error::bad_config(first_lines(&error.message)).hint(format!(
                "`{0}` reads SQL in its own dialect: `transform.{0}.sql` is for it alone",
                dialect.kind().name()
            )),
            (None, _) => failed(dialect, &format!("failed to plan `{}`", query.file), &error),
        };
        Box::new(Refusal { missing, line, error: told })
    }
}

/// The query without its semicolon and what comments follow it, so that it can be part of another.
fn without_end(text: &str) -> &str {
    match text.rsplit_once(';') {
        Some((query, rest))
            if rest.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with("--")) =>
        {
            query
        }
        _ => text,
    }
}

enum PlanError {
    Ours(Error),
    Engine(AdbcError),
}

impl From<Error> for PlanError {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl From<AdbcError> for PlanError {
    fn from(error: AdbcError) -> Self {
        Self::Engine(error)
    }
}

#[async_trait]
impl Planner for AdbcPlanner<'_> {
    async fn plan(
        &mut self,
        query: &Sql,
        input: &SchemaRef,
        hidden: &[String],
    ) -> Result<Arc<dyn Transform>, Box<Refusal>> {
        let text = without_end(&query.text);
        let mut statement = shape::parse(self.dialect(), text);
        let aliases = match &statement {
            Some(statement) => sql::aliases_of(statement),
            None => BTreeSet::from([INPUT.to_owned()]),
        };
        let narrowed = statement.as_mut().and_then(|it| sql::narrow_stars(it, hidden, self.dialect().excludes()));
        let text = narrowed.as_deref().unwrap_or(text);
        match self.plan_over(text, input) {
            Ok(planned) => Ok(Arc::new(planned)),
            Err(error) => Err(self.refusal(query, &aliases, error)),
        }
    }
}

/// A transform that an engine planned.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) engine: Adbc,
    /// What is run.
    pub(super) shaped: String,
    /// The columns that it gives, in types of the lake.
    pub(super) schema: SchemaRef,
    /// All columns of `input`.
    input: SchemaRef,
    pub(super) reads: Vec<String>,
    /// The pond's tables that it may join.
    pub(super) tables: Vec<Table>,
    pub(super) shape: Shape,
}

impl Planned {
    /// The table `input` of a job: the columns that are read.
    pub(super) fn input_schema(&self) -> SchemaRef {
        table_schema(&self.input, self.reads.iter().map(String::as_str))
    }
}

#[async_trait]
impl Transform for Planned {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn columns_read(&self) -> Result<BTreeSet<String>> {
        Ok(self.reads.iter().cloned().collect())
    }

    async fn work(&self, _: &SessionState) -> Result<Work> {
        Ok(Work::Outside)
    }

    async fn explain(&self, _: &SessionState) -> Result<String> {
        let mut session = self.engine.dialect.open(&self.engine.library, &planning_limits())?;
        for table in &self.tables {
            let schema = table.schema();
            let schema = table_schema(&schema, schema.fields().iter().map(|field| field.name().as_str()));
            session.set_up(&self.engine.dialect.create_table(&table.name, &schema)?)?;
        }
        session.set_up(&self.engine.dialect.create_table(INPUT, &self.input_schema())?)?;
        let dialect = self.engine.dialect;
        let rows = session.rows(&format!("explain {}", self.shaped));
        let rows = rows.map_err(|error| failed(dialect, "failed to explain the transform", &error))?;
        let told = rows.iter().filter_map(|batch| {
            use arrow::array::AsArray;
            let column = batch.columns().last()?.as_string_opt::<i32>()?;
            Some(column.iter().flatten().collect::<Vec<_>>().join("\n"))
        });
        Ok(format!("{}\n\n{}", self.shaped, told.collect::<Vec<_>>().join("\n")))
    }

    async fn start(&self, job: &JobSession<'_>) -> Result<Box<dyn Running>> {
        Ok(Box::new(AdbcJob::open(self, job)?))
    }
}
