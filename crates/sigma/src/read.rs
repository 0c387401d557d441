//! Reading: files of YAML become rules, correlations and filters. What cannot be taken whole is refused with its
//! reason.
//!
//! The steps: `yaml` makes a tree that knows its lines, `document` finds out what each document is, `about`,
//! `detection`, `correlation` and `filter` read its parts, `modifiers`, `values` and `transform` work out what a field is
//! compared with, `condition` joins that, and `references` and `chains` follow names from document to document once
//! everything is read.

mod about;
mod chains;
mod condition;
mod context;
mod correlation;
mod detection;
mod document;
mod fault;
mod filter;
mod modifiers;
mod references;
mod transform;
mod values;
mod yaml;

use std::collections::HashMap;

use millpond_core::Error;

pub use context::Placeholders;

use crate::collection::{Collection, Rejection, RuleFile};
use document::{Document, Shared, document};
use fault::Fault;
use references::{Known, Place};
use yaml::Node;

/// The most bytes that a file may have; the whole public rule set in one file would have a sixth of it.
const FILE_BYTES_MAX: usize = 32 << 20;

impl Collection {
    /// Reads files of rules. Placeholders (`%name%` under the modifier `expand`) have no values, so rules with any are
    /// refused.
    pub fn read(files: impl IntoIterator<Item = RuleFile>) -> Self {
        Self::read_with(files, &Placeholders::new())
    }

    /// Reads files of rules, with values for their placeholders.
    pub fn read_with(files: impl IntoIterator<Item = RuleFile>, placeholders: &Placeholders) -> Self {
        let mut reader = Reader::new(placeholders);
        for file in files {
            reader.file(&file);
        }
        reader.finish()
    }
}

struct Reader<'p> {
    placeholders: &'p Placeholders,
    collection: Collection,
    correlations: Vec<correlation::Unresolved>,
    filters: Vec<filter::Unresolved>,
    known: Known,
    /// Which file is the how-manieth.
    order: HashMap<String, usize>,
}

impl<'p> Reader<'p> {
    fn new(placeholders: &'p Placeholders) -> Self {
        Self {
            placeholders,
            collection: Collection::default(),
            correlations: Vec::new(),
            filters: Vec::new(),
            known: Known::default(),
            order: HashMap::new(),
        }
    }

    fn file(&mut self, file: &RuleFile) {
        let count = self.order.len();
        self.order.entry(file.name.clone()).or_insert(count);
        if file.text.len() > FILE_BYTES_MAX {
            let message = format!("the file has {} bytes, and may have {FILE_BYTES_MAX}", file.text.len());
            return self.reject(&file.name, None, Fault::new(1, Error::bad_config(message)));
        }
        let (nodes, broken) = yaml::documents(file.text.trim_start_matches('\u{feff}'));
        let mut shared = Shared::default();
        let keeps = nodes.len() > 1;
        for node in nodes {
            let label = about::label(&node);
            match shared.complete(node) {
                Ok(Some(node)) => {
                    self.document(&node, &file.name);
                    if keeps {
                        shared.remember(node);
                    }
                }
                Ok(None) => {}
                Err(fault) => self.reject(&file.name, label, fault),
            }
        }
        if let Some(fault) = broken {
            self.reject(&file.name, None, fault);
        }
    }

    fn document(&mut self, node: &Node, file: &str) {
        let taken = document(node, file, self.placeholders).and_then(|document| {
            let about = match &document {
                Document::Rule(rule) => &rule.about,
                Document::Correlation(unresolved) => &unresolved.correlation.about,
                Document::Filter(unresolved) => &unresolved.filter.about,
            };
            self.known.add(about)?;
            Ok(document)
        });
        match taken {
            Ok(Document::Rule(rule)) => self.collection.rules.push(rule),
            Ok(Document::Correlation(unresolved)) => self.correlations.push(unresolved),
            Ok(Document::Filter(unresolved)) => self.filters.push(unresolved),
            Err(fault) => {
                let place = Place { file: file.to_owned(), line: node.line };
                for key in ["id", "name"] {
                    self.known.refuse(node.get(key).and_then(Node::scalar).unwrap_or_default().as_ref(), &place);
                }
                self.reject(file, about::label(node), fault);
            }
        }
    }

    fn reject(&mut self, file: &str, rule: Option<String>, fault: Fault) {
        let Fault { line, error } = fault;
        self.collection.rejections.push(Rejection { file: file.to_owned(), line, rule, error });
    }

    /// Follows references, and applies filters.
    fn finish(mut self) -> Collection {
        let correlations = std::mem::take(&mut self.correlations);
        let (sound, refused) = chains::resolve(correlations, &self.collection.rules, &self.known);
        self.collection.correlations = sound;
        for (about, fault) in refused {
            self.reject_later(&about, fault);
        }
        for unresolved in std::mem::take(&mut self.filters) {
            match references::filter(&unresolved, &self.collection.rules, &self.known) {
                Ok(()) => self.collection.filters.push(unresolved.filter),
                Err(fault) => self.reject_later(&unresolved.filter.about, fault),
            }
        }
        for filter in &self.collection.filters {
            filter::apply(filter, &mut self.collection.rules);
        }
        let order = self.order;
        self.collection.rejections.sort_by_key(|rejection| (order.get(&rejection.file).copied(), rejection.line));
        self.collection
    }

    fn reject_later(&mut self, about: &crate::rule::About, fault: Fault) {
        let label = if about.id.is_empty() { &about.title } else { &about.id };
        self.reject(&about.file, Some(label.clone()), fault);
    }
}
