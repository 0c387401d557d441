//! Which source takes an object: the most specific match wins, and of equals the source whose name comes first. One
//! pattern in two sources is refused at load.

use std::cmp::Reverse;

use crate::config::Problems;
use crate::error::Error;
use crate::event::Event;
use crate::source::{Match, Source};

/// The source that takes an object, and the match that decided.
#[derive(Debug, Clone, Copy)]
pub struct Route<'a> {
    /// The source.
    pub source: &'a Source,
    /// Its match.
    pub matched: &'a Match,
}

/// How specific a match is: a named bucket first, then characters before the first wildcard, then literal characters.
fn rank(matched: &Match) -> (bool, usize, usize) {
    let (prefix, literals) = matched.glob.specificity();
    (matched.bucket.is_some(), prefix, literals)
}

/// Every match of an object, the winner first; sources come by name. Empty: no source wants the object.
pub fn candidates<'a>(sources: &'a [Source], bucket: Option<&str>, key: &str) -> Vec<Route<'a>> {
    let mut routes: Vec<Route<'a>> = sources
        .iter()
        .flat_map(|source| source.matches.iter().map(move |matched| Route { source, matched }))
        .filter(|route| accepts(route.matched, bucket, key))
        .collect();
    routes.sort_by_key(|route| (Reverse(rank(route.matched)), &route.source.name));
    routes
}

/// The source that takes an object, if any wants it.
pub fn route<'a>(sources: &'a [Source], bucket: Option<&str>, key: &str) -> Option<Route<'a>> {
    candidates(sources, bucket, key).into_iter().next()
}

/// The source that deals with an event: the one that its content told, else the one that takes its object.
pub fn source_of<'a>(sources: &'a [Source], event: &Event) -> Option<&'a Source> {
    let told = event.source.as_ref().and_then(|name| sources.iter().find(|source| source.name == *name));
    told.or_else(|| route(sources, event.bucket.as_deref(), &event.key).map(|route| route.source))
}

/// Whether nothing but a match for every object takes it, or none at all: then its content may know better.
pub fn is_open(sources: &[Source], event: &Event) -> bool {
    let is_told = event.source.as_ref().is_some_and(|name| sources.iter().any(|source| source.name == *name));
    let routed = route(sources, event.bucket.as_deref(), &event.key);
    !is_told && routed.is_none_or(|route| rank(route.matched) == (false, 0, 0))
}

fn accepts(matched: &Match, bucket: Option<&str>, key: &str) -> bool {
    let bucket_fits = matched.bucket.is_none() || matched.bucket.as_deref() == bucket;
    bucket_fits && matched.glob.matches(key)
}

/// Reports every pair of sources that say the same of one kind of object.
pub fn check_conflicts(sources: &[Source], problems: &mut Problems) {
    let all: Vec<(&Source, &Match)> =
        sources.iter().flat_map(|source| source.matches.iter().map(move |m| (source, m))).collect();
    for (index, (source, matched)) in all.iter().enumerate() {
        for (other_source, other) in &all[..index] {
            if source.name != other_source.name && matched.bucket == other.bucket && matched.glob.shares(&other.glob) {
                let error = Error::bad_config(format!(
                    "`{}` and source `{}` ({}:{}, `{}`) match the same objects",
                    matched.pattern, other_source.name, other_source.config.file, other.line, other.pattern
                ))
                .hint("make one of them longer, or name its bucket or prefix");
                problems.add(&source.config.file, matched.line, &error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{SourceFiles, Sql};

    fn source(name: &str, matches: &str) -> Source {
        let sql = |text: &str| Sql { file: format!("sources/{name}/source.toml"), text: text.to_owned() };
        let files = SourceFiles {
            name: name.into(),
            config: sql(matches),
            transform: Some(sql("select 1")),
            dialects: vec![],
            signals: vec![],
        };
        let mut problems = Problems::default();
        Source::parse(&files, &mut problems).unwrap_or_else(|| panic!("{problems:?}"))
    }

    #[test]
    fn the_most_specific_match_wins() {
        let sources = [
            source("all", "[[match]]\nglob = '**'\n"),
            source("trail", "[[match]]\nglob = '**/CloudTrail/**'\n"),
            source("mine", "[[match]]\nbucket = 'b'\nglob = '**'\n"),
        ];
        let winner = |bucket, key| route(&sources, bucket, key).map(|route| route.source.name.as_str());
        assert_eq!(winner(None, "x/CloudTrail/y"), Some("trail"));
        assert_eq!(winner(None, "x/y"), Some("all"));
        assert_eq!(winner(Some("b"), "x/CloudTrail/y"), Some("mine"));
        assert_eq!(route(&sources[1..2], None, "x/y").map(|r| r.source.name.as_str()), None);
    }

    #[test]
    fn of_equals_the_first_name_wins() {
        let winner = |pattern: &str| {
            let sources =
                [source("b", &format!("[[match]]\nglob = '{pattern}'\n")), source("a", "[[match]]\nglob = '**/*.x'\n")];
            route(&sources, None, "x/y.x").map(|route| route.source.name.clone())
        };
        assert_eq!(winner("**/?.x").as_deref(), Some("a"));
        assert_eq!(winner("**/y.x").as_deref(), Some("b"), "it has more literal characters");
    }

    #[test]
    fn one_pattern_in_two_sources_is_a_problem() {
        let conflicts = |a: &str, b: &str| {
            let mut problems = Problems::default();
            let sources = [source("a", a), source("b", b)];
            check_conflicts(&sources, &mut problems);
            problems.found.len()
        };
        assert_eq!(conflicts("[[match]]\nglob = '**/*.log'\n", "[[match]]\nglob = '**/*.log'\n"), 1);
        assert_eq!(conflicts("[[match]]\nglob = '*.a'\n", "[[match]]\nglob = '*.b'\n"), 0);
        assert_eq!(conflicts("[[match]]\nglob = '**'\n", "[[match]]\nglob = '*.b'\n"), 0);
        assert_eq!(conflicts("[[match]]\nbucket = 'x'\nglob = '**'\n", "[[match]]\nbucket = 'y'\nglob = '**'\n"), 0);
    }
}
