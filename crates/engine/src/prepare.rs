//! Planning a source's SQL against its declared columns before any data comes.
//!
//! What a source declares is what its SQL sees in every file. A field that the SQL names and the source does not
//! declare is text; `_file`, `_row` and the other system columns exist when they are named. Both are found by planning:
//! a name that the planner misses is added to `input`, and planning starts again.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use millpond_core::columns::{Column, ColumnType, SystemColumn, TimeFormat};
use millpond_core::config::Problems;
use millpond_core::format::DecodeRequest;
use millpond_core::plan::Plan;
use millpond_core::signal::Signal;
use millpond_core::source::{RESERVED_COLUMNS, Source, Sql};
use millpond_core::units::nearest;
use millpond_core::{Error, Result};

use crate::encode::lake_schema;
use crate::engine::{Compiled, Engine, JobQuery, Planner, Refusal, Transform, columns_read};
use crate::leaves::{is_within, leaves};
use crate::ocsf::Completed;
use crate::rules::Rules;
use crate::shared::SharedTable;
use crate::tables::{Tables, register};
use crate::{session, sql};
use millpond_decode::arrow_schema;

/// The name under which SQL sees the records of the file.
pub(crate) const INPUT: &str = "input";
/// The name under which signals see the transform's rows.
pub(crate) const OUTPUT: &str = "output";
/// Names that one source's SQL may add to its input.
const UNDECLARED_MAX: usize = 1_000;

/// A source whose SQL was planned: what every one of its jobs starts from.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The source.
    pub source: Arc<Source>,
    /// Fields that the SQL names and the source does not declare; they are read as text.
    pub undeclared: Vec<String>,
    /// Data columns that some SQL of the source reads.
    pub columns_used: Vec<Column>,
    /// System columns that some SQL of the source reads.
    pub system_used: Vec<SystemColumn>,
    /// The transform's columns as the lake stores them, without millpond's own.
    pub output_schema: SchemaRef,
    pub(crate) state: SessionState,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) transform: Arc<dyn Transform>,
    pub(crate) signals: Vec<JobQuery>,
    /// The Sigma rules for its events, where there are any.
    pub rules: Option<Arc<Rules>>,
}

/// Plans a source's transform on `engine`, and its signals. Every mistake is added to `problems`; a source with any gives
/// nothing.
pub async fn prepare(
    source: &Arc<Source>,
    engine: &Arc<dyn Engine>,
    tables: &Tables,
    problems: &mut Problems,
) -> Option<Prepared> {
    let mut state = session::state(session::config(1, 1_024));
    let transform = source.transform_for(engine.kind());
    let planner = match tables.register(&mut state).and_then(|()| engine.planner(&state, tables)) {
        Ok(planner) => planner,
        Err(error) => {
            problems.add(&transform.file, 1, &error);
            return None;
        }
    };
    check_patterns(source, problems);
    let planning = Planning { source, sql: transform, engine, state: &state, undeclared: Vec::new() };
    planning.prepare(planner, problems).await
}

/// Regular expressions and time patterns are tried before any data comes.
fn check_patterns(source: &Source, problems: &mut Problems) {
    let mut told = |text: &str, error: Error| {
        let line = source.config.text.lines().position(|line| line.contains(text)).map_or(1, |index| index + 1);
        problems.add(&source.config.file, line, &error);
    };
    if let Err(error) = millpond_decode::check(&source.format, &source.packing) {
        let text = error.to_string();
        told(text.split('`').nth(1).unwrap_or("[format]"), error);
    }
    let mut open: Vec<&ColumnType> = source.columns.iter().map(|column| &column.kind).collect();
    while let Some(kind) = open.pop() {
        match kind {
            ColumnType::Timestamp(TimeFormat::Pattern(pattern)) if has_unknown_item(pattern) => {
                let error = Error::bad_config(format!("`{pattern}` is no time pattern"));
                told(pattern, error.hint("its items are those of strftime, such as `%Y-%m-%d %H:%M:%S%.f %z`"));
            }
            ColumnType::List(item) | ColumnType::Map(item) => open.push(item),
            ColumnType::Struct(fields) => open.extend(fields.iter().map(|field| &field.kind)),
            _ => {}
        }
    }
}

fn has_unknown_item(pattern: &str) -> bool {
    chrono::format::StrftimeItems::new(pattern).any(|item| item == chrono::format::Item::Error)
}

/// A source that is being planned.
struct Planning<'a> {
    source: &'a Arc<Source>,
    /// Its transform, as the engine reads it.
    sql: &'a Sql,
    engine: &'a Arc<dyn Engine>,
    state: &'a SessionState,
    /// Names added to `input` so far, system columns among them.
    undeclared: Vec<String>,
}

impl Planning<'_> {
    /// Plans everything to learn which columns there are, then once more with all of them.
    async fn prepare(mut self, mut planner: Box<dyn Planner + '_>, problems: &mut Problems) -> Option<Prepared> {
        let before = problems.found.len();
        let transform = self.plan_transform(planner.as_mut(), problems).await?;
        let transform = self.completed(transform, problems)?;
        let schema = transform.schema();
        self.check_output(&schema, problems);
        self.register_output(schema, problems);
        for signal in &self.source.signals {
            if let Some(plan) = self.plan_signal(&signal.sql, problems).await {
                check_signal(signal, plan.schema().as_arrow(), problems);
            }
        }
        if problems.found.len() > before {
            return None;
        }
        self.finish(planner.as_mut(), problems).await
    }

    /// Plans the transform, adding to `input` what it names and nobody declared.
    async fn plan_transform(
        &mut self,
        planner: &mut dyn Planner,
        problems: &mut Problems,
    ) -> Option<Arc<dyn Transform>> {
        loop {
            match planner.plan(self.sql, &self.input_schema(), &self.undeclared).await {
                Ok(transform) => return Some(transform),
                Err(refusal) => self.add_missing(self.sql, *refusal, problems)?,
            }
        }
    }

    /// The transform with what OCSF adds to its rows, where the source has it; else as it is.
    fn completed(&self, transform: Arc<dyn Transform>, problems: &mut Problems) -> Option<Arc<dyn Transform>> {
        let Some(ocsf) = &self.source.ocsf else { return Some(transform) };
        let wrong = match Completed::new(ocsf, transform) {
            Ok(completed) => return Some(Arc::new(completed)),
            Err(wrong) => wrong,
        };
        for problem in wrong {
            let error = Error::bad_config(problem.message);
            let error = problem.hint.into_iter().fold(error, Error::hint);
            match problem.column.is_empty() {
                true => problems.add(&self.source.config.file, self.source.config.line_of("[ocsf]"), &error),
                false => {
                    let line = sql::line_naming(&self.sql.text, &problem.column).unwrap_or(1);
                    problems.add(&self.sql.file, line, &error);
                }
            }
        }
        None
    }

    /// The same for a signal, which runs on the compiled-in engine whatever the transform's is.
    async fn plan_signal(&mut self, query: &Sql, problems: &mut Problems) -> Option<LogicalPlan> {
        let compiled = Compiled { session: self.state };
        loop {
            match compiled.logical(query, &self.input_schema(), &self.undeclared).await {
                Ok(plan) => return Some(plan),
                Err(refusal) => self.add_missing(query, *refusal, problems)?,
            }
        }
    }

    /// Adds the column that a query misses; `None`, with the problem told, where that does not help.
    fn add_missing(&mut self, query: &Sql, refusal: Refusal, problems: &mut Problems) -> Option<()> {
        match refusal.missing {
            Some(name) if self.may_add(&name) => self.undeclared.push(name),
            _ => {
                problems.add(&query.file, refusal.line, &refusal.error);
                return None;
            }
        }
        Some(())
    }

    fn may_add(&self, name: &str) -> bool {
        let is_new = !self.undeclared.iter().any(|known| known == name);
        is_new
            && !self.source.columns.iter().any(|column| column.name == name)
            && self.undeclared.len() < UNDECLARED_MAX
    }

    fn input_schema(&self) -> SchemaRef {
        let (columns, system) = self.input_columns();
        arrow_schema(&columns, &system)
    }

    fn input_columns(&self) -> (Vec<Column>, Vec<SystemColumn>) {
        let text = |name: &String| Column { name: name.clone(), kind: ColumnType::Text };
        let named = |name: &&String| SystemColumn::from_name(name).is_none();
        let undeclared = self.undeclared.iter().filter(named).map(text);
        let columns = self.source.columns.iter().cloned().chain(undeclared).collect();
        let system = self.undeclared.iter().filter_map(|name| SystemColumn::from_name(name)).collect();
        (columns, system)
    }

    fn register_output(&self, schema: SchemaRef, problems: &mut Problems) {
        if let Err(error) = register(self.state, OUTPUT, Arc::new(SharedTable::new(OUTPUT, schema))) {
            problems.add(&self.sql.file, 1, &error);
        }
    }

    fn check_output(&self, transform: &Schema, problems: &mut Problems) {
        let file = &self.sql.file;
        let mut seen = BTreeSet::new();
        for field in transform.fields() {
            let name = field.name().as_str();
            let line = sql::line_naming(&self.sql.text, name).unwrap_or(1);
            if !seen.insert(name.to_lowercase()) {
                let error = Error::bad_config(format!(
                    "the transform gives column `{name}` twice, upper and lower case being alike"
                ))
                .hint("lake tables and most engines ignore case in names: rename one with `as`");
                problems.add(file, line, &error);
            }
            if RESERVED_COLUMNS.contains(&name) {
                let error =
                    Error::bad_config(format!("the transform gives column `{name}`, which millpond adds itself"));
                problems.add(file, line, &error.hint("rename it with `as`"));
            }
        }
        if transform.fields().is_empty() {
            let error = Error::bad_config("the transform gives no columns")
                .hint("`*` stands for the declared columns: declare some under `[columns]`, or name fields");
            problems.add(file, 1, &error);
        }
        if let Some(time) = &self.source.time {
            self.check_time(time, transform, problems);
        }
        self.check_layout(transform, problems);
    }

    fn check_time(&self, time: &str, schema: &Schema, problems: &mut Problems) {
        let config = &self.source.config;
        let error = match schema.field_with_name(time) {
            Ok(field) if matches!(field.data_type(), DataType::Timestamp(..) | DataType::Date32) => return,
            Ok(field) => {
                Error::bad_config(format!("`time` names `{time}`, which is {} and no timestamp", field.data_type()))
                    .hint("declare the field as `timestamp` or convert it with `to_timestamp(…)`")
            }
            Err(_) => not_given("time", time, "transform", names_of(schema)),
        };
        problems.add(&config.file, config.line_of("time"), &error);
    }

    /// The columns by which files are compacted are those of the table.
    fn check_layout(&self, schema: &Schema, problems: &mut Problems) {
        let config = &self.source.config;
        let sort = self.source.sort.iter().filter(|name| schema.field_with_name(name).is_err());
        for name in sort {
            problems.add(&config.file, config.line_of("sort"), &not_given("sort", name, "transform", names_of(schema)));
        }
        let leaves = leaves(schema);
        let is_there = |name: &&String| leaves.iter().any(|leaf| is_within(&leaf.path, name));
        for name in self.source.named_indicators.iter().flatten().filter(|name| !is_there(name)) {
            let paths = leaves.iter().map(|leaf| leaf.path.as_str()).collect();
            problems.add(
                &config.file,
                config.line_of("indicators"),
                &not_given("indicators", name, "transform", paths),
            );
        }
    }

    /// Plans everything once more now that all names are known, and notes which columns are read.
    async fn finish(mut self, planner: &mut dyn Planner, problems: &mut Problems) -> Option<Prepared> {
        let transform = self.plan_transform(planner, problems).await?;
        let transform = self.completed(transform, problems)?;
        let mut signals = Vec::new();
        for signal in &self.source.signals {
            signals.push(self.plan_signal(&signal.sql, problems).await?);
        }
        let used = match self.columns_read(transform.as_ref(), &signals).await {
            Ok(used) => used,
            Err(error) => {
                problems.add(&self.sql.file, 1, &error);
                return None;
            }
        };
        let (columns, system) = self.input_columns();
        Some(Prepared {
            source: Arc::clone(self.source),
            columns_used: columns.into_iter().filter(|column| used.contains(&column.name)).collect(),
            system_used: system.into_iter().filter(|column| used.contains(column.name())).collect(),
            undeclared: self.undeclared.into_iter().filter(|name| SystemColumn::from_name(name).is_none()).collect(),
            output_schema: lake_schema(&transform.schema()),
            state: self.state.clone(),
            engine: Arc::clone(self.engine),
            transform,
            signals: signals.into_iter().map(JobQuery::new).collect(),
            rules: None,
        })
    }

    /// The columns of `input` that some query reads.
    async fn columns_read(&self, transform: &dyn Transform, signals: &[LogicalPlan]) -> Result<BTreeSet<String>> {
        let mut used = transform.columns_read().await?;
        for plan in signals {
            used.extend(columns_read(self.state, plan).await?);
        }
        Ok(used)
    }
}

/// Whether the columns that a signal's query gives are those that its comments name, and of a type that they can have.
pub fn check_signal(signal: &Signal, schema: &Schema, problems: &mut Problems) {
    let query = &signal.sql;
    if let Ok(field) = schema.field_with_name("time")
        && !matches!(field.data_type(), DataType::Timestamp(..) | DataType::Date32 | DataType::Null)
    {
        let error = Error::bad_config(format!("signal column `time` is {} and no timestamp", field.data_type()))
            .hint("convert it with `to_timestamp(…)`, or give it another name");
        problems.add(&query.file, sql::line_naming(&query.text, "time").unwrap_or(1), &error);
    }
    let is_given = |name: &String| schema.field_with_name(name).is_ok();
    if let Some(name) = signal.entity.as_ref().filter(|name| !is_given(name)) {
        problems.add(&query.file, signal.line_of("entity"), &not_given("entity", name, "query", names_of(schema)));
    }
    let is_entity = |name: &String| name == "entity" && signal.entity.is_some();
    for name in signal.key.iter().filter(|name| !is_given(name) && !is_entity(name)) {
        problems.add(&query.file, signal.line_of("key"), &not_given("key", name, "query", names_of(schema)));
    }
    if signal.entity.as_ref().is_some_and(|name| name != "entity") && is_given(&"entity".to_owned()) {
        let error = Error::bad_config("the comments name the entity, and the query gives a column `entity`, too");
        problems.add(&query.file, signal.line_of("entity"), &error.hint("leave one of the two out"));
    }
}

impl Prepared {
    /// The engine that runs the transform.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// The transform as that engine reads it.
    pub fn transform_sql(&self) -> &Sql {
        self.source.transform_for(self.engine.kind())
    }

    /// What the decoder is asked for in a job over `file`, last written at `modified_us`.
    pub fn decode_request(&self, plan: &Plan, file: &str, modified_us: i64) -> DecodeRequest {
        DecodeRequest {
            format: self.source.format.clone(),
            packing: self.source.packing.clone(),
            columns: self.columns_used.clone(),
            system: self.system_used.clone(),
            declared: self.source.columns.iter().map(|column| column.name.clone()).collect(),
            drift: self.source.drift,
            limits: plan.decode,
            file: file.to_owned(),
            modified_us: Some(modified_us),
            batch_rows: plan.batch_rows,
        }
    }
}

/// A key of `source.toml` names a column that the transform does not give.
fn names_of(schema: &Schema) -> Vec<&str> {
    schema.fields().iter().map(|field| field.name().as_str()).collect()
}

fn not_given(key: &str, name: &str, giver: &str, names: Vec<&str>) -> Error {
    let error = Error::bad_config(format!("`{key}` names `{name}`, which the {giver} does not give"));
    match nearest(name, names.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("it gives {}", names.join(", "))),
    }
}
