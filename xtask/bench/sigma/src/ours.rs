//! millpond: a matcher for each kind of event, over Arrow columns.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::json::ReaderBuilder;
use millpond_sigma::{Collection, Matcher, Pack, RuleSet};
use serde_json::{Map, Value};

use crate::input::{Hits, Input};
use crate::{Failure, Round, Times, timed};

pub(crate) const NAME: &str = "millpond";
/// Rows of a batch, as in a job.
const BATCH_ROWS: usize = 4096;

/// What is the same in every round.
pub(crate) struct Side {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    /// Rows by batch, by kind.
    rows: Vec<Vec<Vec<u32>>>,
    pack: Vec<u8>,
}

impl Side {
    pub(crate) fn new(input: &Input) -> Result<Self, Failure> {
        let schema = schema(&input.lines)?;
        let batches = batches(&schema, &input.lines)?;
        let mut rows = vec![vec![Vec::new(); input.kinds.len()]; batches.len()];
        for (event, kind) in input.kind_of.iter().enumerate() {
            rows[event / BATCH_ROWS][*kind].push((event % BATCH_ROWS) as u32);
        }
        let pack = Pack::write(&Collection::read(input.rules.iter().cloned()), [0; 32])?;
        Ok(Self { schema, batches, rows, pack })
    }

    /// Does everything anew, so that no matcher remembers a text from the round before.
    pub(crate) fn round(&self, input: &Input) -> Result<Round, Failure> {
        let files = input.rules.clone();
        let ((rules, mut matchers), ready) = timed(|| {
            let rules = RuleSet::from(Collection::read(files));
            let matchers = self.matchers(&rules, input);
            Ok((rules, matchers))
        })?;
        let (mut again, ready_compiled) = timed(|| {
            let rules = Pack::open(self.pack.as_slice())?.load(|_| true)?;
            Ok(self.matchers(&rules, input))
        })?;
        let (hits, matching) = timed(|| Ok(self.hits(&self.batches, &mut matchers, &rules)))?;
        let (_, matching_again) = timed(|| Ok(self.hits(&self.batches, &mut matchers, &rules)))?;
        let (from_lines, file_to_hits) = timed(|| {
            let batches = batches(&self.schema, &input.lines)?;
            Ok(self.hits(&batches, &mut again, &rules))
        })?;
        if hits != from_lines {
            return Err("millpond finds other hits in lines than in columns".into());
        }
        Ok(Round { hits, times: Times { ready, ready_compiled, matching, matching_again, file_to_hits } })
    }

    fn matchers(&self, rules: &RuleSet, input: &Input) -> Vec<Matcher> {
        input.kinds.iter().map(|sources| rules.matcher(sources, &self.schema, &BTreeMap::new())).collect()
    }

    /// Kind by kind, so that a matcher stays in the processor's cache, as in a job over a file of one kind.
    fn hits(&self, batches: &[RecordBatch], matchers: &mut [Matcher], rules: &RuleSet) -> Hits {
        let mut all = Hits::new();
        let mut found = Vec::new();
        for (kind, matcher) in matchers.iter_mut().enumerate() {
            for (index, (batch, rows)) in batches.iter().zip(&self.rows).enumerate() {
                found.clear();
                matcher.find(batch, rows[kind].iter().copied(), &mut found);
                let event = |row: u32| index * BATCH_ROWS + row as usize;
                let id = |rule: u32| rules.rules()[rule as usize].about.id.clone();
                all.extend(found.iter().map(|hit| (event(hit.row), id(hit.rule))));
            }
        }
        all
    }
}

/// Every field of any event is text, or a list of texts where it is a list.
fn schema(lines: &[String]) -> Result<SchemaRef, Failure> {
    let mut is_list = BTreeMap::new();
    for line in lines {
        for (name, value) in serde_json::from_str::<Map<String, Value>>(line)? {
            *is_list.entry(name).or_insert(false) |= value.is_array();
        }
    }
    let column = |(name, is_list): (String, bool)| match is_list {
        true => Field::new_list(name, Field::new("item", DataType::Utf8, true), true),
        false => Field::new(name, DataType::Utf8, true),
    };
    Ok(Arc::new(Schema::new(is_list.into_iter().map(column).collect::<Vec<Field>>())))
}

fn batches(schema: &SchemaRef, lines: &[String]) -> Result<Vec<RecordBatch>, Failure> {
    let builder = ReaderBuilder::new(Arc::clone(schema)).with_batch_size(BATCH_ROWS).with_coerce_primitive(true);
    let mut decoder = builder.build_decoder()?;
    let mut batches = Vec::new();
    for chunk in lines.chunks(BATCH_ROWS) {
        for line in chunk {
            decoder.decode(line.as_bytes())?;
            decoder.decode(b"\n")?;
        }
        batches.extend(decoder.flush()?);
    }
    Ok(batches)
}
