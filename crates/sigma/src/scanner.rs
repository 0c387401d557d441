//! Scanning: batches of one file in, hits out. Each event finds the rules that are for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use hashbrown::HashMap;
use millpond_core::logsource::{EventSource, LogSource};

use crate::matcher::{Hit, Matcher};
use crate::rule_set::{RuleSet, Wanted};
use crate::windows::{renamed_fields, windows_field, windows_logsources};

/// The columns by which a Windows event finds its log sources.
const WINDOWS_COLUMNS: [&str; 4] = ["Channel", "Provider_Name", "EventID", "EventType"];

/// What rules for such events look at, in the names that the events use.
pub fn wanted(rules: &RuleSet, events: &EventSource) -> Wanted {
    let fits = |rule: &&crate::Rule| match events.is_windows() {
        true => rule.logsource.product.as_deref().is_none_or(|product| product == "windows"),
        false => rule.logsource.takes(&events.logsource),
    };
    let mut wanted = Wanted::by(rules.rules().iter().filter(fits));
    let renamed = wanted.fields.iter().filter_map(|field| events.fields.get(field)).cloned().collect::<Vec<_>>();
    wanted.fields.extend(renamed);
    if events.is_windows() && !wanted.fields.is_empty() {
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
        let own = renamed_fields().map(|(field, _)| (field, windows_field(channel, id, field)));
        let mut renames = self.events.fields.clone();
        renames.extend(own.filter(|(field, name)| field != name).map(|(field, name)| (field.into(), name.into())));
        self.matcher(sources, renames)
    }
}

fn as_text(column: &ArrayRef) -> Option<StringArray> {
    cast(column, &DataType::Utf8).ok().map(|texts| texts.as_string::<i32>().clone())
}

/// Empty where there is none.
fn text_at(column: Option<&StringArray>, row: usize) -> &str {
    column.filter(|column| column.is_valid(row)).map_or("", |column| column.value(row))
}
