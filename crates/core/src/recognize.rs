//! Recognising: which source the records of a file are of, by what is in them and never by the file's name.
//!
//! A source says in `[[recognize]]` what its records look like. A record is of a source when one of its recognizers has
//! all its conditions true; the source with the most of a file's first records is what the file is. Nothing here
//! decodes: records come as JSON objects with their text.

use std::cmp::Reverse;
use std::fmt;

use regex::Regex;
use serde_json::{Map, Value};

use crate::config::{Problems, Section};
use crate::error::{Error, Result};
use crate::source::format_named;

/// Bytes of a record that `line` is searched in.
pub const LINE_BYTES: usize = 8 << 10;
/// Records of a file that decide what it is.
pub const RECORDS_LOOKED_AT: usize = 200;
/// The share of records, in percent, from which a file counts as recognised.
pub const CONFIDENCE_MIN: u8 = 50;
/// What a `line` counts, in fields.
const LINE_WEIGHT: u64 = 3;
/// Formats that only a source's declaration makes.
const DECLARED_FORMATS: [&str; 3] = ["auto", "regex", "grok"];

/// One `[[recognize]]`: what records of a source look like. All conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recognizer {
    /// Formats that the file may have, as detection names them; empty: any.
    pub formats: Vec<&'static str>,
    /// Fields that are in the record, whatever their values: dotted paths.
    pub fields: Vec<String>,
    /// Fields whose text has a match of a pattern.
    pub values: Vec<(String, Pattern)>,
    /// A pattern that the record's own text has a match of.
    pub line: Option<Pattern>,
    /// Whether what it takes is a kind that many sources write, so that any of them that fits the file is meant.
    pub is_fallback: bool,
}

/// A compiled regular expression.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

/// One record of a file.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Its fields; none for one that could not be read.
    pub fields: &'a Map<String, Value>,
    /// Its text as it stands in the file.
    pub raw: &'a str,
}

/// How well one candidate fits a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// Which candidate.
    pub candidate: usize,
    /// The recognizer of it that took most records.
    pub recognizer: usize,
    /// Records that are of it.
    pub records: usize,
    /// The conditions that held in all of them.
    pub weight: u64,
    /// Whether the recognizer that took most records is for want of a better one.
    pub is_fallback: bool,
}

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](crate::Kind::BadConfig) for one that does not compile.
    pub fn new(text: &str) -> Result<Self> {
        let compiled = Regex::new(text);
        compiled.map(Self).map_err(|error| {
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Error::bad_config(format!("`{text}` is no regular expression: {why}"))
                .hint("put it between single quotes, so that TOML leaves its backslashes alone")
        })
    }

    /// The expression that a text has a match of when it is this one.
    pub fn exactly(text: &str) -> String {
        format!("^{}$", regex::escape(text))
    }

    fn is_in(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl Recognizer {
    /// Reads every `[[recognize]]` of a `source.toml`, and nothing else of it.
    pub fn parse_all(file: &str, text: &str, problems: &mut Problems) -> Vec<Self> {
        let Some(document) = problems.parse_toml(file, text) else { return Vec::new() };
        Self::parse_sections(&mut Section::top(file, text, &document), problems)
    }

    /// Reads every `[[recognize]]` below the top of a `source.toml`.
    pub(crate) fn parse_sections(top: &mut Section<'_>, problems: &mut Problems) -> Vec<Self> {
        let sections = top.sections(problems, "recognize");
        sections.into_iter().filter_map(|section| Self::parse(section, problems)).collect()
    }

    fn parse(mut section: Section<'_>, problems: &mut Problems) -> Option<Self> {
        let before = problems.found.len();
        let formats = section.texts(problems, "format").unwrap_or_default();
        let recognizer = Self {
            formats: formats.iter().filter_map(|name| detected(name, &section, problems)).collect(),
            fields: section.texts(problems, "fields").unwrap_or_default(),
            values: section.named_parsed(problems, "values", Pattern::new),
            line: section.parsed(problems, "line", Pattern::new),
            is_fallback: section.boolean(problems, "fallback").unwrap_or(false),
        };
        let asks_nothing = recognizer == Self { is_fallback: recognizer.is_fallback, ..Self::default() };
        if asks_nothing && problems.found.len() == before {
            let hint = "name fields that only this source has, such as `fields = [\"eventType\", \"actor.id\"]`";
            section.missing(problems, "fields", hint);
        }
        section.finish(problems);
        (problems.found.len() == before).then_some(recognizer)
    }

    /// Whether files of a format are looked at; an archive of several formats is.
    fn takes_format(&self, format: &str) -> bool {
        self.formats.is_empty() || format == "mixed" || self.formats.contains(&format)
    }

    /// Whether a record has all that is asked for. What is cheap is asked first.
    pub fn takes(&self, record: &Record<'_>) -> bool {
        self.fields.iter().all(|path| any_at(record.fields, path, &mut |_| true))
            && self.values.iter().all(|(path, pattern)| {
                any_at(record.fields, path, &mut |value| text_of(value).is_some_and(|text| pattern.is_in(&text)))
            })
            && self.line.as_ref().is_none_or(|pattern| pattern.is_in(start_of(record.raw)))
    }

    /// How much it asks for: of two sources that take the same records, the one that asks for more is meant.
    pub fn weight(&self) -> u64 {
        (self.fields.len() + self.values.len()) as u64 + self.line.iter().len() as u64 * LINE_WEIGHT
    }
}

impl fmt::Display for Recognizer {
    /// What was found in the records, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.fields.is_empty() {
            parts.push(format!("fields {}", self.fields.join(", ")));
        }
        parts.extend(self.values.iter().map(|(path, pattern)| format!("`{path}` like `{pattern}`")));
        parts.extend(self.line.iter().map(|pattern| format!("text like `{pattern}`")));
        if parts.is_empty() {
            parts.push(format!("format {}", self.formats.join(", ")));
        }
        f.write_str(&parts.join("; "))
    }
}

/// The name of a format that detection can find.
fn detected(name: &str, section: &Section<'_>, problems: &mut Problems) -> Option<&'static str> {
    let named = match name {
        // What people call it.
        "windows-xml" => Ok("winxml"),
        name => format_named(name).map(|format| format.name()),
    };
    let error = match named {
        Ok(name) if !DECLARED_FORMATS.contains(&name) => return Some(name),
        Ok(name) => Error::bad_config(format!("no file is found to be `{name}`"))
            .hint("such files are found to be `lines`, whose text `line` is searched in"),
        Err(error) => error,
    };
    section.refuse(problems, "format", &error);
    None
}

/// Whether a test passes for any value at a path: the literal name first, then objects below its dots; any item of a
/// list will do.
fn any_at(object: &Map<String, Value>, path: &str, test: &mut dyn FnMut(&Value) -> bool) -> bool {
    if object.get(path).is_some_and(&mut *test) {
        return true;
    }
    path.match_indices('.').any(|(dot, _)| {
        let below = &path[dot + 1..];
        match object.get(&path[..dot]) {
            Some(Value::Object(object)) => any_at(object, below, test),
            Some(Value::Array(items)) => {
                items.iter().filter_map(Value::as_object).any(|object| any_at(object, below, test))
            }
            _ => false,
        }
    })
}

/// A value as text; NULL has none.
fn text_of(value: &Value) -> Option<std::borrow::Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.as_str().into()),
        other => Some(other.to_string().into()),
    }
}

/// The part of a record's text that is searched.
fn start_of(raw: &str) -> &str {
    &raw[..raw.floor_char_boundary(LINE_BYTES)]
}

/// Holds every candidate against the records of a file: those that took any, best first. Most records win, then most
/// conditions, then who comes first. A fallback comes behind all others that have enough records for the file to be
/// recognised.
pub fn judge(candidates: &[&[Recognizer]], format: &str, records: &[Record<'_>]) -> Vec<Fit> {
    let fit = |(candidate, recognizers): (usize, &&[Recognizer])| fit(candidate, recognizers, format, records);
    let mut fits: Vec<Fit> = candidates.iter().enumerate().filter_map(fit).collect();
    let is_enough = |fit: &Fit| !fit.is_fallback && confidence(fit.records, records.len()) >= CONFIDENCE_MIN;
    fits.sort_by_key(|fit| (Reverse((is_enough(fit), fit.records, fit.weight)), fit.candidate));
    fits
}

fn fit(candidate: usize, recognizers: &[Recognizer], format: &str, records: &[Record<'_>]) -> Option<Fit> {
    let asked: Vec<(usize, &Recognizer)> =
        recognizers.iter().enumerate().filter(|(_, recognizer)| recognizer.takes_format(format)).collect();
    let mut taken = vec![0; recognizers.len()];
    let (mut count, mut weight) = (0, 0);
    for record in records.iter().filter(|_| !asked.is_empty()) {
        let takers = asked.iter().filter(|(_, recognizer)| recognizer.takes(record));
        if let Some((index, recognizer)) = takers.max_by_key(|(_, recognizer)| recognizer.weight()) {
            taken[*index] += 1;
            count += 1;
            weight += recognizer.weight();
        }
    }
    let most = taken.iter().enumerate().max_by_key(|(index, taken)| (**taken, Reverse(*index)));
    let recognizer = most.map_or(0, |(index, _)| index);
    let is_fallback = recognizers.get(recognizer).is_some_and(|recognizer| recognizer.is_fallback);
    (count > 0).then_some(Fit { candidate, recognizer, records: count, weight, is_fallback })
}

/// A share of records, in percent; only all of them are 100.
pub fn confidence(records: usize, of: usize) -> u8 {
    (records.min(of) * 100).checked_div(of).unwrap_or(0) as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(toml: &str) -> (Vec<Recognizer>, Vec<String>) {
        let mut problems = Problems::default();
        let recognizers = Recognizer::parse_all("source.toml", toml, &mut problems);
        (recognizers, problems.found.iter().map(ToString::to_string).collect())
    }

    fn one(conditions: &str) -> Recognizer {
        let (mut recognizers, problems) = read(&format!("[[recognize]]\n{conditions}"));
        assert!(problems.is_empty(), "{problems:?}");
        recognizers.pop().expect("a recognizer")
    }

    fn takes(conditions: &str, fields: Value, raw: &str) -> bool {
        let fields = fields.as_object().cloned().unwrap_or_default();
        one(conditions).takes(&Record { fields: &fields, raw })
    }

    #[test]
    fn all_conditions_must_hold() {
        let record = || json!({"a": {"b": null, "c.d": 1}, "e": [{"f": "x"}, {"f": "y"}], "g.h": true});
        for (conditions, expected) in [
            ("fields = ['a']", true),
            ("fields = ['a.b', 'g.h']", true),
            ("fields = ['a.c.d', 'e.f']", true),
            ("fields = ['a.b', 'a.x']", false),
            ("fields = ['b']", false),
            ("values = { 'a.c.d' = '^1$', 'g.h' = 'true' }", true),
            ("values = { 'e.f' = 'y' }", true),
            ("values = { 'a.b' = '.*' }", false),
            ("line = '%ASA-\\d-'", true),
            ("line = '%ASA-\\d-'\nfields = ['gone']", false),
            ("line = '^ASA'", false),
        ] {
            assert_eq!(takes(conditions, record(), "<1>: %ASA-6-302013: x"), expected, "{conditions}");
        }
    }

    #[test]
    fn the_text_is_searched_in_its_first_bytes() {
        let far = format!("{}needle", "é".repeat(LINE_BYTES / 2 - 3));
        assert!(takes("line = 'needle'", json!({}), &far));
        assert!(!takes("line = 'needle'", json!({}), &format!("é{far}")));
    }

    #[test]
    fn mistakes_have_lines() {
        let toml = "version = 1\n[[recognize]]\nfield = 'a'\n\n[[recognize]]\nformat = ['jsn', 'regex']\n\n\
                    [[recognize]]\nline = '('\n[recognize.values]\na = '.'\nb = '[z'\n";
        let (recognizers, problems) = read(toml);
        assert!(recognizers.is_empty());
        let starts = [
            "source.toml:2: `fields` is missing in `[recognize]`",
            "source.toml:3: unknown key `field` in `[recognize]`\n  hint: did you mean `fields`?",
            "source.toml:6: `jsn` is not a format",
            "source.toml:6: no file is found to be `regex`",
            "source.toml:12: `[z` is no regular expression: unclosed character class",
            "source.toml:9: `(` is no regular expression: unclosed group",
        ];
        assert_eq!(problems.len(), starts.len(), "{problems:?}");
        for (problem, start) in problems.iter().zip(starts) {
            assert!(problem.starts_with(start), "{problem}");
        }
    }

    #[test]
    fn most_records_win_then_most_conditions_then_the_first() {
        let objects: Vec<Value> = vec![json!({"a": 1, "b": 1}), json!({"a": 1, "b": 2}), json!({"a": 1})];
        let records: Vec<Record<'_>> =
            objects.iter().filter_map(Value::as_object).map(|fields| Record { fields, raw: "" }).collect();
        let sets = ["fields = 'b'", "fields = 'a'", "fields = ['a', 'b']", "fields = 'z'", "fields = 'a'"];
        let sets: Vec<Vec<Recognizer>> = sets.iter().map(|conditions| vec![one(conditions)]).collect();
        let candidates: Vec<&[Recognizer]> = sets.iter().map(Vec::as_slice).collect();
        let order: Vec<usize> = judge(&candidates, "json", &records).iter().map(|fit| fit.candidate).collect();
        assert_eq!(order, [1, 4, 2, 0]);
    }

    #[test]
    fn a_format_counts_nothing_and_keeps_others_out() {
        let fields = Map::new();
        let records = [Record { fields: &fields, raw: "x" }];
        let sets = [vec![one("format = ['evtx', 'windows-xml']")]];
        let candidates: Vec<&[Recognizer]> = sets.iter().map(Vec::as_slice).collect();
        let found = |format| judge(&candidates, format, &records).first().map(|fit| (fit.records, fit.weight));
        assert_eq!(found("winxml"), Some((1, 0)));
        assert_eq!(found("mixed"), Some((1, 0)));
        assert_eq!(found("json"), None);
    }

    #[test]
    fn only_all_records_are_a_hundred_percent() {
        assert_eq!([confidence(3, 3), confidence(199, 200), confidence(1, 3), confidence(0, 0)], [100, 99, 33, 0]);
    }

    proptest! {
        /// Whatever the records are, a candidate takes no more than there are, and the order of candidates decides ties
        /// alone.
        #[test]
        fn judging_is_sound(keys in prop::collection::vec(prop::collection::vec(0u8..4, 0..4), 0..20)) {
            let objects: Vec<Map<String, Value>> = keys
                .iter()
                .map(|keys| keys.iter().map(|key| (format!("k{key}"), Value::from(*key))).collect())
                .collect();
            let records: Vec<Record<'_>> = objects.iter().map(|fields| Record { fields, raw: "" }).collect();
            let sets: Vec<Vec<Recognizer>> =
                (0..4).map(|key| vec![one(&format!("fields = 'k{key}'")), one("fields = ['k0', 'k1']")]).collect();
            let candidates: Vec<&[Recognizer]> = sets.iter().map(Vec::as_slice).collect();
            let fits = judge(&candidates, "json", &records);
            for fit in &fits {
                prop_assert!(fit.records <= records.len() && fit.records > 0);
                prop_assert!(fit.weight >= fit.records as u64);
            }
            prop_assert!(fits.windows(2).all(|pair| (pair[0].records, pair[0].weight) >= (pair[1].records, pair[1].weight)));
            let backwards: Vec<&[Recognizer]> = candidates.iter().rev().copied().collect();
            let best = |fits: &[Fit]| fits.first().map(|fit| (fit.records, fit.weight));
            prop_assert_eq!(best(&fits), best(&judge(&backwards, "json", &records)));
        }
    }
}
