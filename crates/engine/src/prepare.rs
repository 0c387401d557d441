//! Planning a source's SQL against its declared columns before any data comes.
//!
//! What a source declares is what its SQL sees in every file. A field that the SQL names and the source does not
//! declare is text; `_file`, `_row` and the other system columns exist when they are named. Both are found by planning:
//! a name that the planner misses is added to `input`, and planning starts again.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::{DataFusionError, SchemaError};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use millpond_core::Error;
use millpond_core::columns::{Column, ColumnType, SystemColumn, TimeFormat};
use millpond_core::config::Problems;
use millpond_core::format::DecodeRequest;
use millpond_core::plan::Plan;
use millpond_core::signal::Signal;
use millpond_core::source::{RESERVED_COLUMNS, Source, Sql};
use millpond_core::units::nearest;

use crate::encode::lake_schema;
use crate::rules::Rules;
use crate::shared::{SharedScan, SharedTable};
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
    pub(crate) transform: LogicalPlan,
    pub(crate) signals: Vec<LogicalPlan>,
    /// The Sigma rules for its events, where there are any.
    pub rules: Option<Arc<Rules>>,
}

/// Plans a source's transform and signals. Every mistake is added to `problems`; a source with any gives nothing.
pub async fn prepare(source: &Arc<Source>, tables: &Tables, problems: &mut Problems) -> Option<Prepared> {
    let state = session::state(session::config(1, 1_024));
    if let Err(error) = tables.register(&state) {
        problems.add(&source.transform.file, 1, &error);
        return None;
    }
    check_patterns(source, problems);
    let mut planner = Planner { source, state, undeclared: Vec::new() };
    let before = problems.found.len();
    let transform = planner.plan(&source.transform, problems).await?;
    planner.check_output(&transform, problems);
    let output = Arc::new(transform.schema().as_arrow().clone());
    planner.register(OUTPUT, output, problems);
    for signal in &source.signals {
        if let Some(plan) = planner.plan(&signal.sql, problems).await {
            check_signal(signal, plan.schema().as_arrow(), problems);
        }
    }
    if problems.found.len() > before {
        return None;
    }
    planner.finish(problems).await
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

struct Planner<'a> {
    source: &'a Arc<Source>,
    state: SessionState,
    /// Names added to `input` so far, system columns among them.
    undeclared: Vec<String>,
}

impl Planner<'_> {
    /// Plans one query, adding to `input` what it names and nobody declared.
    async fn plan(&mut self, query: &Sql, problems: &mut Problems) -> Option<LogicalPlan> {
        loop {
            self.register(INPUT, self.input_schema(), problems);
            let mut statement = match sql::parse_query(&self.state, &query.text) {
                Ok(statement) => statement,
                Err(error) => {
                    problems.add(&query.file, sql::line_in_message(&query.text, &error.to_string()), &error);
                    return None;
                }
            };
            let aliases = sql::input_aliases(&statement);
            sql::rewrite(&mut statement, &self.undeclared);
            let error = match self.state.statement_to_plan(statement).await {
                Ok(plan) => return Some(plan),
                Err(error) => error,
            };
            match missing_field(&error, &aliases) {
                Some(name) if self.may_add(&name) => self.undeclared.push(name),
                _ => {
                    problems.add(&query.file, sql::line_of(query, &error), &self.explain(&error));
                    return None;
                }
            }
        }
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

    fn register(&self, name: &'static str, schema: SchemaRef, problems: &mut Problems) {
        if let Err(error) = register(&self.state, name, Arc::new(SharedTable::new(name, schema))) {
            problems.add(&self.source.transform.file, 1, &error);
        }
    }

    /// The planner's error with what helps here.
    fn explain(&self, error: &DataFusionError) -> Error {
        let explained = Error::bad_config(sql::root_message(error));
        match error.find_root() {
            DataFusionError::SchemaError(schema_error, _) => match schema_error.as_ref() {
                SchemaError::FieldNotFound { field, .. } => {
                    let known = self.source.columns.iter().map(|column| column.name.as_str());
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
                _ => explained,
            },
            _ => explained,
        }
    }

    fn check_output(&self, transform: &LogicalPlan, problems: &mut Problems) {
        let file = &self.source.transform.file;
        let mut seen = BTreeSet::new();
        for field in transform.schema().fields() {
            let name = field.name().as_str();
            let line = sql::line_naming(&self.source.transform.text, name).unwrap_or(1);
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
        if transform.schema().fields().is_empty() {
            let error = Error::bad_config("the transform gives no columns")
                .hint("`*` stands for the declared columns: declare some under `[columns]`, or name fields");
            problems.add(file, 1, &error);
        }
        if let Some(time) = &self.source.time {
            self.check_time(time, transform, problems);
        }
        self.check_layout(transform, problems);
    }

    fn check_time(&self, time: &str, transform: &LogicalPlan, problems: &mut Problems) {
        let schema = transform.schema().as_arrow();
        let config = &self.source.config;
        let error = match schema.field_with_name(time) {
            Ok(field) if matches!(field.data_type(), DataType::Timestamp(..) | DataType::Date32) => return,
            Ok(field) => {
                Error::bad_config(format!("`time` names `{time}`, which is {} and no timestamp", field.data_type()))
                    .hint("declare the field as `timestamp` or convert it with `to_timestamp(…)`")
            }
            Err(_) => not_given("time", time, "transform", schema),
        };
        problems.add(&config.file, config.line_of("time"), &error);
    }

    /// The columns by which files are compacted are those of the table.
    fn check_layout(&self, transform: &LogicalPlan, problems: &mut Problems) {
        let (schema, config) = (transform.schema().as_arrow(), &self.source.config);
        for (key, names) in [("sort", &self.source.sort), ("indicators", &self.source.indicators)] {
            let missing = names.iter().filter(|name| schema.field_with_name(name).is_err());
            missing.for_each(|name| {
                problems.add(&config.file, config.line_of(key), &not_given(key, name, "transform", schema))
            });
        }
    }

    /// Plans everything once more now that all names are known, and notes which columns are read.
    async fn finish(mut self, problems: &mut Problems) -> Option<Prepared> {
        let transform = self.plan(&self.source.transform.clone(), problems).await?;
        let mut signals = Vec::new();
        for signal in &self.source.signals {
            signals.push(self.plan(&signal.sql, problems).await?);
        }
        let mut used = BTreeSet::new();
        for plan in std::iter::once(&transform).chain(&signals) {
            if let Err(error) = columns_read(&self.state, plan, &mut used).await {
                let error = Error::bad_config(sql::root_message(&error));
                problems.add(&self.source.transform.file, 1, &error);
                return None;
            }
        }
        let (columns, system) = self.input_columns();
        Some(Prepared {
            source: Arc::clone(self.source),
            columns_used: columns.into_iter().filter(|column| used.contains(&column.name)).collect(),
            system_used: system.into_iter().filter(|column| used.contains(column.name())).collect(),
            undeclared: self.undeclared.into_iter().filter(|name| SystemColumn::from_name(name).is_none()).collect(),
            output_schema: lake_schema(transform.schema().as_arrow()),
            state: self.state,
            transform,
            signals,
            rules: None,
        })
    }
}

/// The columns of `input` that a query reads once it is optimised.
async fn columns_read(
    state: &SessionState,
    plan: &LogicalPlan,
    used: &mut BTreeSet<String>,
) -> Result<(), DataFusionError> {
    let physical = state.create_physical_plan(plan).await?;
    let mut open = vec![&physical];
    while let Some(node) = open.pop() {
        if let Some(scan) = (node.as_ref() as &dyn std::any::Any).downcast_ref::<SharedScan>()
            && scan.table == INPUT
        {
            used.extend(
                datafusion::physical_plan::ExecutionPlan::schema(scan).fields().iter().map(|f| f.name().clone()),
            );
        }
        open.extend(node.children());
    }
    Ok(())
}

/// The field of `input` that the planner did not find.
fn missing_field(error: &DataFusionError, aliases: &BTreeSet<String>) -> Option<String> {
    let DataFusionError::SchemaError(schema_error, _) = error.find_root() else { return None };
    let SchemaError::FieldNotFound { field, .. } = schema_error.as_ref() else { return None };
    let is_of_input = field.relation.as_ref().is_none_or(|relation| aliases.contains(relation.table()));
    is_of_input.then(|| field.name.clone())
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
        problems.add(&query.file, signal.line_of("entity"), &not_given("entity", name, "query", schema));
    }
    let is_entity = |name: &String| name == "entity" && signal.entity.is_some();
    for name in signal.key.iter().filter(|name| !is_given(name) && !is_entity(name)) {
        problems.add(&query.file, signal.line_of("key"), &not_given("key", name, "query", schema));
    }
    if signal.entity.as_ref().is_some_and(|name| name != "entity") && is_given(&"entity".to_owned()) {
        let error = Error::bad_config("the comments name the entity, and the query gives a column `entity`, too");
        problems.add(&query.file, signal.line_of("entity"), &error.hint("leave one of the two out"));
    }
}

impl Prepared {
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
fn not_given(key: &str, name: &str, giver: &str, schema: &Schema) -> Error {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let error = Error::bad_config(format!("`{key}` names `{name}`, which the {giver} does not give"));
    match nearest(name, names.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("it gives {}", names.join(", "))),
    }
}
