//! Correlations of correlations: each has to rest on rules alone in the end.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use super::correlation::Unresolved;
use super::fault::{Fault, fault, fault_with_hint, hint_of_names};
use super::references::{Known, candidates};
use crate::correlation::Correlation;
use crate::rule::{About, Rule};

/// How many correlations of a cycle a message names.
const SHOWN_MAX: usize = 8;

/// The correlations whose references lead somewhere, and the others with what is wrong with each.
pub(crate) fn resolve(
    unresolved: Vec<Unresolved>,
    rules: &[Rule],
    known: &Known,
) -> (Vec<Correlation>, Vec<(About, Fault)>) {
    let abouts = rules.iter().map(|rule| &rule.about).chain(unresolved.iter().map(|one| &one.correlation.about));
    let chains = Chains::new(&unresolved, candidates(abouts), rules.len());
    let (mut sound, mut refused) = (Vec::new(), Vec::new());
    for (index, one) in unresolved.iter().enumerate() {
        match chains.fault(index, known) {
            None => sound.push(chains.with_aliases_by_rule(&one.correlation)),
            Some(fault) => refused.push((one.correlation.about.clone(), fault)),
        }
    }
    (sound, refused)
}

/// Which correlations refer to which.
struct Chains<'c> {
    correlations: &'c [Unresolved],
    /// Which document has which id or name: rules first, then correlations.
    candidates: BTreeMap<&'c str, usize>,
    /// Of each correlation, the correlations that it refers to; none where a reference leads nowhere.
    uses: Vec<Option<Vec<usize>>>,
    is_sound: Vec<bool>,
}

impl<'c> Chains<'c> {
    fn new(correlations: &'c [Unresolved], candidates: BTreeMap<&'c str, usize>, rules: usize) -> Self {
        let mut chains = Self { correlations, candidates, uses: Vec::new(), is_sound: Vec::new() };
        chains.uses = correlations.iter().map(|one| chains.used_by(&one.correlation, rules)).collect();
        chains.is_sound = sound(&chains.uses);
        chains
    }

    /// The correlations that one refers to.
    fn used_by(&self, correlation: &Correlation, rules: usize) -> Option<Vec<usize>> {
        let targets = correlation.rules.iter().map(|name| self.candidates.get(name.as_str()).copied());
        let targets: Vec<usize> = targets.collect::<Option<_>>()?;
        let is_sound = self.strange_alias(correlation).is_none() && self.repeated(correlation).is_none();
        is_sound.then(|| targets.into_iter().filter_map(|target| target.checked_sub(rules)).collect())
    }

    /// What is wrong with a correlation, if anything is.
    fn fault(&self, index: usize, known: &Known) -> Option<Fault> {
        if self.is_sound[index] {
            return None;
        }
        let Unresolved { correlation, lines } = &self.correlations[index];
        let mut names = correlation.rules.iter().zip(lines);
        if let Some((name, line)) = names.find(|(name, _)| !self.candidates.contains_key(name.as_str())) {
            return known.unknown::<()>(name, *line, &self.candidates).err();
        }
        if let Some((first, again)) = self.repeated(correlation) {
            let [first, name] = [first, again].map(|at| &correlation.rules[at]);
            return fault::<()>(lines[again], format!("it refers to the rule of `{first}` again as `{name}`")).err();
        }
        let line = correlation.about.line;
        if let Some(name) = self.strange_alias(correlation) {
            let hint = hint_of_names(name, correlation.rules.iter().map(String::as_str));
            let message = format!("an alias is for `{name}`, which is not among the correlation's `rules`");
            return fault_with_hint::<()>(line, message, hint).err();
        }
        if let Some(cycle) = self.cycle(index) {
            return fault::<()>(line, format!("it refers to itself: {}", self.way(&cycle))).err();
        }
        let refused = self.uses[index].iter().flatten().find(|used| !self.is_sound[**used]);
        let name = refused.map(|used| self.label(*used)).unwrap_or_default();
        fault::<()>(line, format!("it refers to `{name}`, which was refused")).err()
    }

    /// A way from correlation to correlation, cut in the middle where it is long.
    fn way(&self, indexes: &[usize]) -> String {
        let labels = |indexes: &[usize]| indexes.iter().map(|index| format!("`{}`", self.label(*index))).collect();
        let labels: Vec<String> = match indexes {
            [.., end] if indexes.len() > SHOWN_MAX => {
                let first: Vec<String> = labels(&indexes[..SHOWN_MAX - 1]);
                [first, vec![format!("{} more", indexes.len() - SHOWN_MAX)], labels(&[*end])].concat()
            }
            _ => labels(indexes),
        };
        labels.join(" -> ")
    }

    fn label(&self, index: usize) -> &'c str {
        let about = &self.correlations[index].correlation.about;
        about.name.as_deref().unwrap_or(if about.id.is_empty() { &about.title } else { &about.id })
    }

    /// The way from a correlation back to itself, both ends included.
    fn cycle(&self, start: usize) -> Option<Vec<usize>> {
        let mut came_from: HashMap<usize, usize> = HashMap::new();
        let mut pending = vec![start];
        while let Some(index) = pending.pop() {
            for used in self.uses[index].iter().flatten().copied() {
                if used == start {
                    return Some(way_back(start, index, &came_from));
                }
                if let Entry::Vacant(entry) = came_from.entry(used) {
                    entry.insert(index);
                    pending.push(used);
                }
            }
        }
        None
    }

    /// Two places at which the correlation names the same rule, by id and by name.
    fn repeated(&self, correlation: &Correlation) -> Option<(usize, usize)> {
        let mut seen = HashMap::new();
        let mut targets = correlation.rules.iter().map(|name| self.candidates.get(name.as_str())).enumerate();
        targets.find_map(|(at, target)| seen.insert(target?, at).map(|first| (first, at)))
    }

    /// A rule that an alias names and the correlation does not.
    fn strange_alias<'a>(&self, correlation: &'a Correlation) -> Option<&'a str> {
        let mut names = correlation.aliases.iter().flat_map(|alias| &alias.fields).map(|(rule, _)| rule.as_str());
        names.find(|name| self.same_rule(correlation, name).is_none())
    }

    /// The rule of the correlation that `name` also means, as the correlation calls it.
    fn same_rule<'a>(&self, correlation: &'a Correlation, name: &str) -> Option<&'a String> {
        let meant = self.candidates.get(name)?;
        correlation.rules.iter().find(|rule| self.candidates.get(rule.as_str()) == Some(meant))
    }

    /// The correlation with aliases that call rules as its `rules` do.
    fn with_aliases_by_rule(&self, correlation: &Correlation) -> Correlation {
        let mut renamed = correlation.clone();
        for (rule, _) in renamed.aliases.iter_mut().flat_map(|alias| &mut alias.fields) {
            if let Some(name) = self.same_rule(correlation, rule) {
                rule.clone_from(name);
            }
        }
        renamed
    }
}

fn way_back(start: usize, last: usize, came_from: &HashMap<usize, usize>) -> Vec<usize> {
    let before = |index: &usize| came_from.get(index).copied().filter(|_| *index != start);
    let mut way: Vec<usize> = std::iter::successors(Some(last), before).collect();
    way.reverse();
    way.push(start);
    way
}

/// Which correlations rest on sound ones alone: those that refer to none first, then whoever has none left in doubt.
fn sound(uses: &[Option<Vec<usize>>]) -> Vec<bool> {
    let mut in_doubt: Vec<usize> = uses.iter().map(|used| used.as_ref().map_or(usize::MAX, Vec::len)).collect();
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); uses.len()];
    for (index, used) in uses.iter().enumerate() {
        used.iter().flatten().for_each(|target| users[*target].push(index));
    }
    let mut pending: Vec<usize> = (0..uses.len()).filter(|index| in_doubt[*index] == 0).collect();
    let mut is_sound = vec![false; uses.len()];
    while let Some(index) = pending.pop() {
        is_sound[index] = true;
        for user in &users[index] {
            in_doubt[*user] -= 1;
            if in_doubt[*user] == 0 {
                pending.push(*user);
            }
        }
    }
    is_sound
}
