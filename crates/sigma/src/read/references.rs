//! References between documents: by id or by name, each of which is unique.

use std::collections::{BTreeMap, HashMap};

use super::fault::{Result, fault, fault_with_hint, hint_of_names};
use super::filter;
use crate::correlation::FilteredRules;
use crate::rule::{About, Rule};

/// Where a document stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) line: u32,
}

/// The ids and names that documents have.
#[derive(Default)]
pub(crate) struct Known {
    taken: HashMap<String, Place>,
    refused: HashMap<String, Place>,
}

impl Known {
    /// Adds a document's id and name.
    pub(crate) fn add(&mut self, about: &About) -> Result<()> {
        let names = [("id", Some(&about.id)), ("name", about.name.as_ref())];
        let given = names.into_iter().filter_map(|(key, name)| name.map(|name| (key, name)));
        let given: Vec<(&str, &String)> = given.filter(|(_, name)| !name.is_empty()).collect();
        for (key, name) in &given {
            if let Some(Place { file, line }) = self.taken.get(*name) {
                let message = format!("the {key} `{name}` is taken by {file}:{line}");
                return fault_with_hint(about.line, message, "each is there once: give it another, or leave one out");
            }
        }
        let place = Place { file: about.file.clone(), line: about.line };
        self.taken.extend(given.into_iter().map(|(_, name)| (name.clone(), place.clone())));
        Ok(())
    }

    /// Remembers the id or name of a document that was refused.
    pub(crate) fn refuse(&mut self, name: &str, place: &Place) {
        if !name.is_empty() {
            self.refused.entry(name.to_owned()).or_insert_with(|| place.clone());
        }
    }

    /// That `name`, on a line, is no rule.
    pub(crate) fn unknown<T>(&self, name: &str, line: u32, candidates: &BTreeMap<&str, usize>) -> Result<T> {
        if let Some(Place { file, line: refused }) = self.refused.get(name) {
            return fault(line, format!("it refers to `{name}`, which was refused ({file}:{refused})"));
        }
        if let Some(Place { file, line: other }) = self.taken.get(name).filter(|_| !candidates.contains_key(name)) {
            return fault(line, format!("it refers to `{name}`, which is no rule ({file}:{other})"));
        }
        let near = hint_of_names(name, candidates.keys().copied().filter(|known| !known.is_empty()));
        let hint = if near.starts_with("did") { near } else { "refer to a rule by its `id` or `name`".to_owned() };
        fault_with_hint(line, format!("it refers to `{name}`, and no rule has that id or name"), hint)
    }
}

/// Which document has which id or name.
pub(crate) fn candidates<'a>(abouts: impl Iterator<Item = &'a About>) -> BTreeMap<&'a str, usize> {
    let names = |(index, about): (usize, &'a About)| {
        [Some(about.id.as_str()), about.name.as_deref()].into_iter().flatten().map(move |name| (name, index))
    };
    abouts.enumerate().flat_map(names).filter(|(name, _)| !name.is_empty()).collect()
}

/// Checks that a filter names rules that there are, or that were refused, and that it is for their log source.
pub(crate) fn filter(unresolved: &filter::Unresolved, rules: &[Rule], known: &Known) -> Result<()> {
    let FilteredRules::Named(names) = &unresolved.filter.rules else { return Ok(()) };
    let candidates = candidates(rules.iter().map(|rule| &rule.about));
    for (name, line) in names.iter().zip(&unresolved.lines) {
        let Some(index) = candidates.get(name.as_str()) else {
            if known.refused.contains_key(name) {
                continue;
            }
            return known.unknown(name, *line, &candidates);
        };
        let (wanted, given) = (&unresolved.filter.logsource, &rules[*index].logsource);
        if !wanted.takes(given) {
            let message = format!("the filter is for the log source {wanted}, and the rule `{name}` for {given}");
            return fault_with_hint(*line, message, "give the filter the rule's log source, or less of it");
        }
    }
    Ok(())
}
