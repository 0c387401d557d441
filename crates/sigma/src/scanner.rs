//! Scanning: batches of one file in, hits out. Each event finds the rules that are for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use hashbrown::HashMap;
use millpond_core::logsource::{EventSource, LogSource};

use crate::condition::{Expr, Predicate, Subject, Test};
use crate::matcher::{Hit, Matcher, passes, texts};
use crate::rule_set::{RuleSet, Wanted};
use crate::windows::{renamed_fields, windows_field, windows_logsources};

/// The columns by which a Windows event finds its log sources.
const WINDOWS_COLUMNS: [&str; 4] = ["Channel", "Provider_Name", "EventID", "EventType"];

/// What rules for such events look at, in the names that the events use.
pub fn wanted(rules: &RuleSet, events: &EventSource) -> Wanted {
    let mut wanted = rules.wanted(events);
    let renamed = wanted.fields.iter().filter_map(|field| events.fields.get(field)).cloned().collect::<Vec<_>>();
    wanted.fields.extend(renamed);
    if !wanted.is_nothing() {
        wanted.fields.extend(events.entity.iter().cloned());
    }
    if events.is_windows() && !wanted.is_nothing() {
        let known = renamed_fields().map(|(_, event)| event).chain(WINDOWS_COLUMNS);
        wanted.fields.extend(known.map(str::to_owned));
    }
    wanted
}

/// Matches rules with the batches of one schema.
pub struct Scanner {
    rules: Arc<RuleSet>,
    events: EventSource,
    schema: SchemaRef,
    matchers: Vec<Matcher>,
    /// Matchers by the log sources of an event and the names of its fields.
    by_sources: HashMap<(Vec<LogSource>, BTreeMap<String, String>), usize>,
    /// Matchers by what a Windows event says about itself.
    by_event: HashMap<String, usize>,
}

impl std::fmt::Debug for Scanner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scanner").field("events", &self.events).finish_non_exhaustive()
    }
}

impl Scanner {
    /// A scanner for such events in columns of a schema.
    pub fn new(rules: Arc<RuleSet>, events: EventSource, schema: &Schema) -> Self {
        let schema = Arc::new(schema.clone());
        Self { rules, events, schema, matchers: Vec::new(), by_sources: HashMap::new(), by_event: HashMap::new() }
    }

    /// The hits in a batch, by row and rule.
    pub fn scan(&mut self, batch: &RecordBatch) -> Vec<Hit> {
        let mut hits = Vec::new();
        let rows = batch.num_rows() as u32;
        if self.events.is_windows() {
            for (matcher, rows) in self.windows_rows(batch) {
                self.matchers[matcher].find(batch, rows, &mut hits);
            }
        } else {
            let matcher = self.matcher(vec![self.events.logsource.clone()], self.events.fields.clone());
            self.matchers[matcher].find(batch, 0..rows, &mut hits);
        }
        hits.sort_unstable();
        hits
    }

    /// The rules; a hit names one by its place.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// What made a rule match a row: the fields that it asks for, by their names in the rule, each with the value that
    /// passed, and those that its matches keep, each with its first value.
    pub fn matched(&self, batch: &RecordBatch, hit: Hit) -> Vec<(String, String)> {
        let renames = self.renames(batch, hit.row as usize);
        let values = |field: &str| texts(batch, hit.row as usize, renames.get(field).map_or(field, String::as_str));
        let mut matched = BTreeMap::new();
        add_matched(&self.rules.rules()[hit.rule as usize].condition, &mut matched, &values);
        for field in self.rules.kept(hit.rule as usize) {
            if let (false, Some(value)) = (matched.contains_key(field), values(field).into_iter().next()) {
                matched.insert(field.to_owned(), value);
            }
        }
        matched.into_iter().collect()
    }

    /// Who or what an event is about.
    pub fn entity(&self, batch: &RecordBatch, row: u32) -> Option<String> {
        self.events.entity.iter().find_map(|field| texts(batch, row as usize, field).into_iter().next())
    }

    /// Names of fields in one event, by their names in rules.
    fn renames(&self, batch: &RecordBatch, row: usize) -> BTreeMap<String, String> {
        if !self.events.is_windows() {
            return self.events.fields.clone();
        }
        let first = |field: &str| texts(batch, row, field).into_iter().next().unwrap_or_default();
        self.windows_renames(&first("Channel"), first("EventID").trim().parse().unwrap_or_default())
    }

    fn windows_renames(&self, channel: &str, id: u32) -> BTreeMap<String, String> {
        let mut renames = self.events.fields.clone();
        let own = renamed_fields().map(|(field, _)| (field, windows_field(channel, id, field)));
        renames.extend(own.filter(|(field, name)| field != name).map(|(field, name)| (field.into(), name.into())));
        renames
    }

    fn matcher(&mut self, sources: Vec<LogSource>, renames: BTreeMap<String, String>) -> usize {
        let key = (sources, renames);
        if let Some(known) = self.by_sources.get(&key) {
            return *known;
        }
        self.matchers.push(self.rules.matcher(&key.0, &self.schema, &key.1));
        self.by_sources.insert(key, self.matchers.len() - 1);
        self.matchers.len() - 1
    }

    /// The rows of each matcher.
    fn windows_rows(&mut self, batch: &RecordBatch) -> BTreeMap<usize, Vec<u32>> {
        let columns = WINDOWS_COLUMNS.map(|name| batch.column_by_name(name).and_then(as_text));
        let mut by_matcher: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        let mut key = String::new();
        for row in 0..batch.num_rows() {
            let event = columns.each_ref().map(|column| text_at(column.as_ref(), row));
            key.clear();
            event.iter().for_each(|text| key.extend([*text, "\0"]));
            let matcher = match self.by_event.get(&key) {
                Some(known) => *known,
                None => {
                    let made = self.windows_matcher(event);
                    self.by_event.insert(key.clone(), made);
                    made
                }
            };
            by_matcher.entry(matcher).or_default().push(row as u32);
        }
        by_matcher
    }

    fn windows_matcher(&mut self, event: [&str; 4]) -> usize {
        let [channel, provider, id, event_type] = event;
        let id = id.trim().parse().unwrap_or_default();
        let sources = windows_logsources(channel, provider, id, Some(event_type).filter(|text| !text.is_empty()));
        self.matcher(sources, self.windows_renames(channel, id))
    }
}

/// Adds what passes of the tests that are not negated.
fn add_matched(expr: &Expr, matched: &mut BTreeMap<String, String>, values: &dyn Fn(&str) -> Vec<String>) {
    match expr {
        Expr::All(exprs) | Expr::Any(exprs) => exprs.iter().for_each(|expr| add_matched(expr, matched, values)),
        Expr::Not(_) => {}
        Expr::Test(Predicate { subject: Subject::Field(field), test }) if !matched.contains_key(field) => {
            let is_asked =
                |value: &String| matches!(test, Test::Exists | Test::OtherField { .. }) || passes(test, value);
            if let Some(value) = values(field).into_iter().find(is_asked) {
                matched.insert(field.clone(), value);
            }
        }
        Expr::Test(_) => {}
    }
}

fn as_text(column: &ArrayRef) -> Option<StringArray> {
    cast(column, &DataType::Utf8).ok().map(|texts| texts.as_string::<i32>().clone())
}

/// Empty where there is none.
fn text_at(column: Option<&StringArray>, row: usize) -> &str {
    column.filter(|column| column.is_valid(row)).map_or("", |column| column.value(row))
}
