//! DataFusion, compiled in: transforms stream in the job's own session, and each operator counts its rows.

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, SchemaError};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::{ExecutionPlan, displayable, execute_stream};
use datafusion::prelude::SessionConfig;
use futures::StreamExt;
use millpond_core::balance::Balance;
use millpond_core::columns::SystemColumn;
use millpond_core::plan::Engine as Kind;
use millpond_core::predict::Work;
use millpond_core::source::Sql;
use millpond_core::units::nearest;
use millpond_core::{Error, Result};

use super::{Engine, Input, JobSession, Planner, Refusal, Rows, Running, Seen, Support, Transform};
use crate::prepare::INPUT;
use crate::row_number::StreamingRowNumber;
use crate::session::engine_error;
use crate::shared::{JobStreams, SharedScan, SharedTable};
use crate::tables::{Tables, register};
use crate::{account, parts, sql, work};

/// The engine that is compiled in.
#[derive(Debug, Clone, Copy, Default)]
pub struct DataFusion;

impl Engine for DataFusion {
    fn kind(&self) -> Kind {
        Kind::DataFusion
    }

    fn support(&self) -> Support {
        Support {
            streams: true,
            counts_operators: true,
            exact_names: true,
            null_lists: true,
            keeps_order: true,
            spills: true,
            own_memory: false,
        }
    }

    fn planner<'a>(&'a self, session: &'a SessionState, _: &'a Tables) -> Result<Box<dyn Planner + 'a>> {
        Ok(Box::new(Compiled { session }))
    }
}

/// Plans SQL in a session: transforms, and signals, which are always its own.
pub(crate) struct Compiled<'a> {
    pub(crate) session: &'a SessionState,
}

impl Compiled<'_> {
    /// Plans one query over `input` as it is known to the session by then.
    pub(crate) async fn logical(
        &self,
        query: &Sql,
        input: &SchemaRef,
        hidden: &[String],
    ) -> Result<LogicalPlan, Box<Refusal>> {
        let wrong = |line, error| Box::new(Refusal { missing: None, line, error });
        let table = Arc::new(SharedTable::new(INPUT, Arc::clone(input)));
        register(self.session, INPUT, table).map_err(|error| wrong(1, error))?;
        let mut statement = sql::parse_query(self.session, &query.text)
            .map_err(|error| wrong(sql::line_in_message(&query.text, &error.to_string()), error))?;
        let aliases = sql::input_aliases(&statement);
        sql::rewrite(&mut statement, hidden);
        self.session.statement_to_plan(statement).await.map_err(|error| {
            let missing = missing_field(&error, &aliases);
            let explained = explained(&error, input, hidden);
            Box::new(Refusal { missing, line: sql::line_of(query, &error), error: explained })
        })
    }
}

#[async_trait]
impl Planner for Compiled<'_> {
    async fn plan(
        &mut self,
        query: &Sql,
        input: &SchemaRef,
        hidden: &[String],
    ) -> Result<Arc<dyn Transform>, Box<Refusal>> {
        let logical = self.logical(query, input, hidden).await?;
        Ok(Arc::new(Planned { session: self.session.clone(), file: query.file.clone(), query: JobQuery::new(logical) }))
    }
}

/// The field of `input` that the planner did not find.
fn missing_field(error: &DataFusionError, aliases: &BTreeSet<String>) -> Option<String> {
    let DataFusionError::SchemaError(schema_error, _) = error.find_root() else { return None };
    let SchemaError::FieldNotFound { field, .. } = schema_error.as_ref() else { return None };
    let is_of_input = field.relation.as_ref().is_none_or(|relation| aliases.contains(relation.table()));
    is_of_input.then(|| field.name.clone())
}

/// The planner's error with what helps here.
fn explained(error: &DataFusionError, input: &SchemaRef, hidden: &[String]) -> Error {
    let explained = Error::bad_config(sql::root_message(error));
    let DataFusionError::SchemaError(schema_error, _) = error.find_root() else { return explained };
    let SchemaError::FieldNotFound { field, .. } = schema_error.as_ref() else { return explained };
    let names = input.fields().iter().map(|field| field.name().as_str());
    let known = names.filter(|name| !hidden.iter().any(|hidden| hidden == name));
    match (nearest(&field.name, known), &field.relation) {
        (Some(near), _) => {
            Error::bad_config(format!("no column `{}`", field.flat_name())).hint(format!("did you mean `{near}`?"))
        }
        (None, Some(relation)) => Error::bad_config(format!("no column `{}`", field.flat_name())).hint(format!(
            "to read a field of an object declare it: `{relation} = {{ {} = \"text\" }}` under `[columns]`",
            field.name
        )),
        (None, None) => Error::bad_config(format!("no column `{}`", field.name)),
    }
}

/// A transform that DataFusion planned.
#[derive(Debug)]
struct Planned {
    session: SessionState,
    file: String,
    query: JobQuery,
}

#[async_trait]
impl Transform for Planned {
    fn schema(&self) -> SchemaRef {
        Arc::new(self.query.logical.schema().as_arrow().clone())
    }

    async fn columns_read(&self) -> Result<BTreeSet<String>> {
        columns_read(&self.session, &self.query.logical).await
    }

    fn logical_plan(&self) -> Option<&LogicalPlan> {
        Some(&self.query.logical)
    }

    async fn work(&self, session: &SessionState) -> Result<Work> {
        Ok(work::of_plans(&[self.query.physical(session, &self.file).await?]))
    }

    async fn obstacle(&self, session: &SessionState) -> Result<Option<String>> {
        Ok(parts::obstacle(&[self.query.physical(session, &self.file).await?]))
    }

    async fn explain(&self, session: &SessionState) -> Result<String> {
        let plan = self.query.physical(session, &self.file).await?;
        Ok(displayable(plan.as_ref()).indent(false).to_string())
    }

    async fn start(&self, job: &JobSession<'_>) -> Result<Box<dyn Running>> {
        let plan = self.query.physical(job.session, job.file).await?;
        Ok(Box::new(Job { plan, session: job.session.clone() }))
    }
}

/// A running transform.
struct Job {
    plan: Arc<dyn ExecutionPlan>,
    session: SessionState,
}

impl Running for Job {
    fn input_readers(&self) -> usize {
        scans(&self.plan, INPUT)
    }

    fn rows(&mut self, input: &Input) -> Result<Rows> {
        let streams = JobStreams { by_name: vec![(INPUT, Arc::clone(&input.schema), Arc::clone(&input.stream))] };
        self.session.config_mut().set_extension(Arc::new(streams));
        let rows = execute_stream(Arc::clone(&self.plan), self.session.task_ctx())
            .map_err(|error| engine_error("failed to start the transform", error))?;
        Ok(rows.boxed())
    }

    fn spilled_bytes(&self) -> u64 {
        spilled_bytes(&self.plan)
    }

    fn balance(&self, seen: &Seen) -> Result<Balance> {
        Ok(account::balance(&self.plan, seen))
    }
}

/// A session as jobs plan in it. `has_ordinal`: `input` has the column `_row`, by which its rows ascend.
pub(crate) fn planning_state(prepared: &SessionState, config: SessionConfig, has_ordinal: bool) -> SessionStateBuilder {
    // The catalog is the prepared one: a new default catalog would take its place and hide `input`.
    let config = config.with_create_default_catalog_and_schema(false);
    SessionStateBuilder::new_from_existing(prepared.clone())
        .with_config(config)
        .with_physical_optimizer_rules(rules(has_ordinal))
}

/// DataFusion's rules for physical plans, and ours before them.
fn rules(has_ordinal: bool) -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let ours = StreamingRowNumber { input_order: has_ordinal.then(|| SystemColumn::Row.name()) };
    let mut rules = PhysicalOptimizer::new().rules;
    rules.insert(0, Arc::new(ours));
    rules
}

/// A query that jobs run. It is optimised once for all of them, which takes longer than a small file, unless it asks for
/// the time: that is put into the plan.
#[derive(Debug, Clone)]
pub(crate) struct JobQuery {
    pub(crate) logical: LogicalPlan,
    optimised: Arc<OnceLock<LogicalPlan>>,
    asks_the_time: bool,
}

impl JobQuery {
    pub(crate) fn new(logical: LogicalPlan) -> Self {
        let asks_the_time = asks_the_time(&logical);
        Self { logical, optimised: Arc::default(), asks_the_time }
    }

    /// The plan that a job runs; `file` is where the SQL stands.
    pub(crate) async fn physical(&self, state: &SessionState, file: &str) -> Result<Arc<dyn ExecutionPlan>> {
        let failed = |error| engine_error(&format!("failed to plan `{file}`"), error);
        if self.asks_the_time {
            return state.create_physical_plan(&self.logical).await.map_err(failed);
        }
        let optimised = match self.optimised.get() {
            Some(optimised) => optimised,
            None => {
                let optimised = state.optimize(&self.logical).map_err(failed)?;
                self.optimised.get_or_init(|| optimised)
            }
        };
        state.query_planner().create_physical_plan(optimised, state).await.map_err(failed)
    }
}

/// Whether some function gives the same within a query and not beyond it, as `now()` does.
fn asks_the_time(plan: &LogicalPlan) -> bool {
    let is_stable = |expr: &Expr| {
        let Expr::ScalarFunction(function) = expr else { return Ok(false) };
        Ok(function.func.signature().volatility == Volatility::Stable)
    };
    let mut found = false;
    let looked = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            found |= expr.exists(is_stable)?;
            Ok(TreeNodeRecursion::Continue)
        })
    });
    looked.is_err() || found
}

/// What a plan's operators wrote to the temporary folder.
pub(crate) fn spilled_bytes(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let own = plan.metrics().and_then(|metrics| metrics.spilled_bytes()).unwrap_or(0) as u64;
    own + plan.children().into_iter().map(spilled_bytes).sum::<u64>()
}

/// How often a plan scans a shared table.
pub(crate) fn scans(plan: &Arc<dyn ExecutionPlan>, table: &str) -> usize {
    let own = (plan.as_ref() as &dyn Any).downcast_ref::<SharedScan>().is_some_and(|scan| scan.table == table);
    usize::from(own) + plan.children().into_iter().map(|child| scans(child, table)).sum::<usize>()
}

/// The columns of `input` that a query reads once it is optimised.
pub(crate) async fn columns_read(state: &SessionState, plan: &LogicalPlan) -> Result<BTreeSet<String>> {
    let planned = state.create_physical_plan(plan).await;
    let physical = planned.map_err(|error| Error::bad_config(sql::root_message(&error)))?;
    let (mut used, mut open) = (BTreeSet::new(), vec![&physical]);
    while let Some(node) = open.pop() {
        if let Some(scan) = (node.as_ref() as &dyn Any).downcast_ref::<SharedScan>()
            && scan.table == INPUT
        {
            used.extend(scan.schema().fields().iter().map(|field| field.name().clone()));
        }
        open.extend(node.children());
    }
    Ok(used)
}
