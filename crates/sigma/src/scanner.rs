//! Scanning: batches of one file in, hits out. Each event finds the rules that are for it.

mod asked;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use hashbrown::HashMap;
use millpond_core::logsource::{EventSource, LogSource};

use crate::matcher::{FieldTexts, Hit, Matcher};
use crate::rule_set::{RuleSet, Wanted};
use crate::windows::{renamed_fields, windows_field, windows_logsources};
use asked::Asked;

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
    texts: FieldTexts,
    /// What rules ask for, by rule.
    asked: HashMap<u32, Asked>,
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
        Self {
            rules,
            events,
            texts: FieldTexts::new(Arc::clone(&schema)),
            schema,
            matchers: Vec::new(),
            by_sources: HashMap::new(),
            by_event: HashMap::new(),
            asked: HashMap::new(),
        }
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
    pub fn matched(&mut self, batch: &RecordBatch, hit: Hit) -> Vec<(String, String)> {
        let Self { rules, events, texts, asked, .. } = self;
        let row = hit.row as usize;
        let windows = events.is_windows().then(|| {
            let first = |texts: &mut FieldTexts, field| texts.first(batch, row, field).unwrap_or_default();
            (first(texts, "Channel"), first(texts, "EventID").trim().parse().unwrap_or_default())
        });
        let asked = asked.entry(hit.rule).or_insert_with(|| Asked::by(rules, hit.rule));
        asked.in_row(&mut |field, take| {
            let own = windows.as_ref().map(|(channel, id)| windows_field(channel, *id, field));
            let renamed = own.filter(|name| *name != field).or_else(|| events.fields.get(field).map(String::as_str));
            texts.each(batch, row, renamed.unwrap_or(field), take);
        })
    }

    /// Who or what an event is about.
    pub fn entity(&mut self, batch: &RecordBatch, row: u32) -> Option<String> {
        self.events.entity.iter().find_map(|field| self.texts.first(batch, row as usize, field))
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

fn as_text(column: &ArrayRef) -> Option<StringArray> {
    cast(column, &DataType::Utf8).ok().map(|texts| texts.as_string::<i32>().clone())
}

/// Empty where there is none.
fn text_at(column: Option<&StringArray>, row: usize) -> &str {
    column.filter(|column| column.is_valid(row)).map_or("", |column| column.value(row))
}
