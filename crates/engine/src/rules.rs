//! Sigma rules over the records of a file, in the pass that decodes them.
//!
//! What rules look at is read besides what the source's SQL reads: a declared column as it is declared, any other field
//! as text. Where the SQL itself reads `_rest`, that must go on holding every field that the SQL does not name, so the
//! rules look into it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, SchemaRef, TimestampMicrosecondType};
use millpond_core::columns::{Column, ColumnType, SystemColumn};
use millpond_core::logsource::EventSource;
use millpond_sigma::{Correlator, Rule, RuleSet, Scanner, wanted};

use crate::prepare::Prepared;

/// The rules for the events of one source.
#[derive(Debug)]
pub struct Rules {
    set: Arc<RuleSet>,
    events: EventSource,
    /// By rule, whether its matches are for correlations alone.
    silenced: Vec<bool>,
    /// Scanners that no job uses now: to make one takes longer than a small file.
    idle: Mutex<Vec<Scanner>>,
}

/// A record that a rule matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleMatch {
    /// The rule, by its place in [`Rules::rules`].
    pub rule: u32,
    /// The record's ordinal in the file.
    pub row: Option<i64>,
    /// The record's first declared timestamp, microseconds since 1970 in UTC.
    pub time_us: Option<i64>,
    /// Who or what the record is about, as `[logsource]` says.
    pub entity: Option<String>,
    /// The fields that the rule asks for, with the values that passed, and those that correlations ask for.
    pub fields: Vec<(String, String)>,
}

impl Rules {
    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        self.set.rules()
    }

    /// Whether matches of a rule are for correlations alone and no signals by themselves.
    pub fn is_silenced(&self, rule: u32) -> bool {
        self.silenced.get(rule as usize).copied().unwrap_or(false)
    }

    /// A scanner for one job.
    pub(crate) fn scanner(self: &Arc<Self>, schema: &SchemaRef) -> JobScanner {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let scanner = idle.unwrap_or_else(|| Scanner::new(Arc::clone(&self.set), self.events.clone(), schema));
        JobScanner { rules: Arc::clone(self), scanner: Some(scanner) }
    }
}

/// A scanner that goes back to the others when its job ends well.
pub(crate) struct JobScanner {
    rules: Arc<Rules>,
    scanner: Option<Scanner>,
}

impl JobScanner {
    pub(crate) fn scan(&mut self, batch: &RecordBatch) -> Vec<RuleMatch> {
        let Some(scanner) = &mut self.scanner else { return Vec::new() };
        let hits = scanner.scan(batch);
        let found = hits.into_iter().map(|hit| RuleMatch {
            rule: hit.rule,
            row: ordinal(batch, hit.row as usize),
            time_us: time(batch, hit.row as usize),
            entity: scanner.entity(batch, hit.row),
            fields: scanner.matched(batch, hit),
        });
        found.collect()
    }
}

impl Drop for JobScanner {
    fn drop(&mut self) {
        if let Some(scanner) = self.scanner.take().filter(|_| !std::thread::panicking()) {
            self.rules.idle.lock().unwrap_or_else(PoisonError::into_inner).push(scanner);
        }
    }
}

fn ordinal(batch: &RecordBatch, row: usize) -> Option<i64> {
    let column = batch.column_by_name(SystemColumn::Row.name())?;
    column.as_primitive_opt::<Int64Type>().filter(|column| column.is_valid(row)).map(|column| column.value(row))
}

fn time(batch: &RecordBatch, row: usize) -> Option<i64> {
    let is_time = |column: &&Arc<dyn Array>| matches!(column.data_type(), DataType::Timestamp(..));
    let column = batch.columns().iter().find(is_time)?;
    let times = column.as_primitive_opt::<TimestampMicrosecondType>()?;
    times.is_valid(row).then(|| times.value(row))
}

impl Prepared {
    /// The same source with those of the rules that may be for its events. What `correlator` groups and counts by stays
    /// with the matches.
    #[must_use]
    pub fn with_rules(mut self, all: &RuleSet, correlator: &Correlator) -> Self {
        let Some(events) = self.source.logsource.clone() else { return self };
        let fitting: Vec<Rule> = all.for_events(&events).cloned().collect();
        if fitting.is_empty() {
            return self;
        }
        let silenced = correlator.silenced_rules();
        let silenced = fitting.iter().map(|rule| silenced.contains(rule.about.key())).collect();
        let set = RuleSet::new(fitting, Vec::new()).keeping(|rule| correlator.fields_of(&rule.about));
        let wanted = wanted(&set, &events);
        let is_declared = is_declared_in(&self.source.columns);
        let mut added: BTreeSet<String> =
            wanted.fields.iter().flat_map(|field| columns_for(field, &is_declared)).collect();
        let times = self.source.columns.iter().filter(|column| matches!(column.kind, ColumnType::Timestamp(_)));
        added.extend(times.map(|column| column.name.clone()).take(1));
        let reads_rest = self.system_used.contains(&SystemColumn::Rest);
        if !reads_rest {
            self.read_also(added);
        }
        self.read_system(SystemColumn::Row, &is_declared);
        if wanted.everything {
            self.read_system(SystemColumn::Rest, &is_declared);
        }
        self.rules = Some(Arc::new(Rules { set: Arc::new(set), events, silenced, idle: Mutex::new(Vec::new()) }));
        self
    }

    fn read_also(&mut self, names: BTreeSet<String>) {
        for name in names {
            if self.columns_used.iter().any(|column| column.name == name) || SystemColumn::from_name(&name).is_some() {
                continue;
            }
            let declared = self.source.columns.iter().find(|column| column.name == name).cloned();
            self.columns_used.push(declared.unwrap_or(Column { name, kind: ColumnType::Text }));
        }
    }

    fn read_system(&mut self, column: SystemColumn, is_declared: &dyn Fn(&str) -> bool) {
        if !self.system_used.contains(&column) && !is_declared(column.name()) {
            self.system_used.push(column);
        }
    }
}

fn is_declared_in(columns: &[Column]) -> impl Fn(&str) -> bool + use<> {
    let names: BTreeSet<String> = columns.iter().map(|column| column.name.clone()).collect();
    move |name| names.contains(name)
}

/// The columns that hold a field: the one of its name, and for a path that of its first name, unless one of them is
/// declared.
fn columns_for(field: &str, is_declared: &dyn Fn(&str) -> bool) -> Vec<String> {
    let starts = field.match_indices('.').map(|(at, _)| &field[..at]);
    let all: Vec<&str> = std::iter::once(field).chain(starts).collect();
    if let Some(declared) = all.iter().find(|name| is_declared(name)) {
        return vec![(*declared).to_owned()];
    }
    let first = field.split('.').next().unwrap_or(field);
    BTreeSet::from([field, first]).into_iter().map(str::to_owned).collect()
}
