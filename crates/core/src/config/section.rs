//! TOML tables read key by key: what is not asked for is an unknown key, and every problem is kept with its line.

use std::fmt;
use std::ops::Range;

use toml_edit::{Document, Item, TableLike};

use crate::columns::{Column, ColumnType};
use crate::date::parse_day;
use crate::error::{Error, Result};
use crate::units::{nearest, parse_bytes, parse_ms};

/// One thing that is wrong in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, relative to the pond.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    fn new(file: &str, line: usize, error: &Error) -> Self {
        let hint = error.hint_text().map(str::to_owned);
        Self { file: file.to_owned(), line, message: error.chain(), hint }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, "\n  hint: {hint}"))
    }
}

/// The problems found so far, over all files of a pond.
#[derive(Debug, Default)]
pub struct Problems {
    /// In the order in which they were found.
    pub found: Vec<Problem>,
    /// What may be wrong and keeps nothing from running.
    pub warnings: Vec<Problem>,
}

impl Problems {
    /// Adds a problem at a line of a file.
    pub fn add(&mut self, file: &str, line: usize, error: &Error) {
        self.found.push(Problem::new(file, line, error));
    }

    /// Adds what may be wrong at a line of a file.
    pub fn warn(&mut self, file: &str, line: usize, error: &Error) {
        self.warnings.push(Problem::new(file, line, error));
    }

    /// Parses a TOML file; a syntax error is a problem and gives nothing.
    pub fn parse_toml<'t>(&mut self, file: &str, text: &'t str) -> Option<Document<&'t str>> {
        match Document::parse(text) {
            Ok(document) => Some(document),
            Err(error) => {
                let message = Error::bad_config(error.message().trim().replace('\n', ", "));
                self.add(file, line_of(text, error.span()), &message);
                None
            }
        }
    }

    /// Everything that is wrong as one error, if anything is.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](crate::Kind::BadConfig) that lists all problems.
    pub fn into_result(self) -> Result<()> {
        if self.found.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = self.found.iter().map(Problem::to_string).collect();
        Err(Error::bad_config(lines.join("\n")))
    }
}

fn line_of(text: &str, span: Option<Range<usize>>) -> usize {
    let start = span.map_or(0, |span| span.start.min(text.len()));
    1 + text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count()
}

/// One table of a TOML file while it is read.
pub struct Section<'a> {
    file: &'a str,
    text: &'a str,
    table: &'a dyn TableLike,
    line: usize,
    /// What the table is called in messages: empty for the file itself.
    name: String,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The file's top-level table.
    pub fn top(file: &'a str, text: &'a str, document: &'a Document<&'a str>) -> Self {
        Self { file, text, table: document.as_table(), line: 1, name: String::new(), known: Vec::new() }
    }

    /// The line on which the table starts, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The line of a key, or of the table where the key is absent.
    pub fn line_of_key(&self, key: &str) -> usize {
        match self.table.get_key_value(key) {
            Some((key, _)) if key.span().is_some() => line_of(self.text, key.span()),
            _ => self.line,
        }
    }

    fn item(&mut self, key: &'static str) -> Option<&'a Item> {
        self.known.push(key);
        self.table.get(key)
    }

    fn read<T>(
        &mut self,
        problems: &mut Problems,
        key: &'static str,
        parse: impl FnOnce(&'a Item) -> Result<T>,
    ) -> Option<T> {
        let item = self.item(key)?;
        match parse(item) {
            Ok(value) => Some(value),
            Err(error) => {
                problems.add(self.file, self.line_of_key(key), &error);
                None
            }
        }
    }

    /// A string.
    pub fn text(&mut self, problems: &mut Problems, key: &'static str) -> Option<String> {
        self.read(problems, key, |item| text_of(item, key))
    }

    /// A string that `parse` understands.
    pub fn parsed<T>(
        &mut self,
        problems: &mut Problems,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T>,
    ) -> Option<T> {
        self.read(problems, key, |item| parse(&text_of(item, key)?))
    }

    /// One of a list of words.
    pub fn choice<T: Copy>(&mut self, problems: &mut Problems, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        self.parsed(problems, key, |text| choose(key, text, choices))
    }

    /// A size such as `512 MiB`, in bytes.
    pub fn bytes(&mut self, problems: &mut Problems, key: &'static str) -> Option<u64> {
        self.parsed(problems, key, parse_bytes)
    }

    /// A duration such as `2 s`, in milliseconds.
    pub fn ms(&mut self, problems: &mut Problems, key: &'static str) -> Option<u64> {
        self.parsed(problems, key, parse_ms)
    }

    /// A whole number from 1.
    pub fn count(&mut self, problems: &mut Problems, key: &'static str) -> Option<u64> {
        self.read(problems, key, |item| match item.as_integer() {
            Some(number) if number > 0 => Ok(number as u64),
            _ => Err(Error::bad_config(format!("`{key}` must be a whole number above 0, not `{}`", shown(item)))),
        })
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, problems: &mut Problems, key: &'static str) -> Option<bool> {
        self.read(problems, key, |item| {
            item.as_bool()
                .ok_or_else(|| Error::bad_config(format!("`{key}` must be `true` or `false`, not `{}`", shown(item))))
        })
    }

    /// A day, as a date of TOML or as text `YYYY-MM-DD`, in days since 1970.
    pub fn day(&mut self, problems: &mut Problems, key: &'static str) -> Option<i64> {
        self.read(problems, key, |item| {
            let text = item.as_datetime().map(ToString::to_string).or_else(|| item.as_str().map(str::to_owned));
            text.as_deref().and_then(parse_day).ok_or_else(|| {
                Error::bad_config(format!("`{key}` must be a day, not `{}`", shown(item)))
                    .hint("write it as `2026-12-31`")
            })
        })
    }

    /// A list of strings, or one string.
    pub fn texts(&mut self, problems: &mut Problems, key: &'static str) -> Option<Vec<String>> {
        self.read(problems, key, |item| texts_of(item, key))
    }

    /// The whole table, whatever its keys are, as lists of strings, or single ones.
    pub fn all_texts(self, problems: &mut Problems) -> Vec<(String, Vec<String>)> {
        let mut found = Vec::new();
        for (key, item) in self.table.iter() {
            match texts_of(item, key) {
                Ok(texts) => found.push((key.to_owned(), texts)),
                Err(error) => problems.add(self.file, self.line_of_key(key), &error),
            }
        }
        found
    }

    /// A table of names and texts.
    pub fn named_texts(&mut self, problems: &mut Problems, key: &'static str) -> Vec<(String, String)> {
        let read = |item: &Item| match item.as_table_like() {
            Some(table) => table.iter().map(|(name, item)| Ok((name.to_owned(), text_of(item, name)?))).collect(),
            None => Err(Error::bad_config(format!("`{key}` must be a table of names and texts"))),
        };
        self.read(problems, key, read).unwrap_or_default()
    }

    /// A table of names and texts, each of which `parse` understands.
    pub fn named_parsed<T>(
        &mut self,
        problems: &mut Problems,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T>,
    ) -> Vec<(String, T)> {
        let Some(item) = self.item(key) else { return Vec::new() };
        let Some(table) = item.as_table_like() else {
            let error = Error::bad_config(format!("`{key}` must be a table of names and texts"));
            problems.add(self.file, self.line_of_key(key), &error);
            return Vec::new();
        };
        let mut found = Vec::new();
        for (name, item) in table.iter() {
            match text_of(item, name).and_then(|text| parse(&text)) {
                Ok(value) => found.push((name.to_owned(), value)),
                Err(error) => {
                    let span = table.get_key_value(name).and_then(|(key, _)| key.span());
                    problems.add(self.file, line_of(self.text, span), &error);
                }
            }
        }
        found
    }

    /// Declared columns: a table of names and types.
    pub fn columns(&mut self, problems: &mut Problems, key: &'static str) -> Vec<Column> {
        let Some(item) = self.item(key) else { return Vec::new() };
        let Some(table) = item.as_table_like() else {
            let error = Error::bad_config(format!("`{key}` must be a table of names and types"));
            problems.add(self.file, self.line_of_key(key), &error);
            return Vec::new();
        };
        let mut columns = Vec::new();
        for (name, item) in table.iter() {
            match column_type(item) {
                Ok(kind) => columns.push(Column { name: name.to_owned(), kind }),
                Err(error) => {
                    let span = table.get_key_value(name).and_then(|(key, _)| key.span());
                    problems.add(self.file, line_of(self.text, span), &error);
                }
            }
        }
        columns
    }

    /// A sub-table, if there is one.
    pub fn section(&mut self, problems: &mut Problems, key: &'static str) -> Option<Section<'a>> {
        let item = self.item(key)?;
        let Some(table) = item.as_table_like() else {
            problems.add(self.file, self.line_of_key(key), &Error::bad_config(format!("`{key}` must be a table")));
            return None;
        };
        Some(self.below(key, self.line_of_key(key), table))
    }

    /// A sub-table for each name below `key`, as in `[enrich.assets]`.
    pub fn named_sections(&mut self, problems: &mut Problems, key: &'static str) -> Vec<(String, Section<'a>)> {
        let Some(item) = self.item(key) else { return Vec::new() };
        let mut sections = Vec::new();
        for (name, item) in item.as_table_like().into_iter().flat_map(|table| table.iter()) {
            let line = line_of(self.text, item.span());
            match item.as_table_like() {
                Some(table) => sections.push((name.to_owned(), self.below(&format!("{key}.{name}"), line, table))),
                None => problems.add(self.file, line, &Error::bad_config(format!("`{key}.{name}` must be a table"))),
            }
        }
        sections
    }

    /// The tables of an array, as in `[[input]]`; a single table counts as an array of one.
    pub fn sections(&mut self, problems: &mut Problems, key: &'static str) -> Vec<Section<'a>> {
        let Some(item) = self.item(key) else { return Vec::new() };
        if let Some(array) = item.as_array_of_tables() {
            return array.iter().map(|table| self.below(key, line_of(self.text, table.span()), table)).collect();
        }
        match item.as_table_like() {
            Some(table) => vec![self.below(key, self.line_of_key(key), table)],
            None => {
                let error = Error::bad_config(format!("`{key}` must be written as `[[{key}]]`"));
                problems.add(self.file, self.line_of_key(key), &error);
                Vec::new()
            }
        }
    }

    fn below(&self, name: &str, line: usize, table: &'a dyn TableLike) -> Section<'a> {
        Section { file: self.file, text: self.text, table, line, name: name.to_owned(), known: Vec::new() }
    }

    /// Whether the key holds a string rather than a table.
    pub fn is_text(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(Item::is_str)
    }

    /// Whether the key is not there.
    pub fn is_absent(&self, key: &str) -> bool {
        self.table.get(key).is_none()
    }

    /// Says that a key is missing.
    pub fn missing(&self, problems: &mut Problems, key: &str, hint: &str) {
        let place = if self.name.is_empty() { String::new() } else { format!(" in `[{}]`", self.name) };
        problems.add(self.file, self.line, &Error::bad_config(format!("`{key}` is missing{place}")).hint(hint));
    }

    /// Reports that a key cannot stand here.
    pub fn refuse(&self, problems: &mut Problems, key: &str, error: &Error) {
        problems.add(self.file, self.line_of_key(key), error);
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self, problems: &mut Problems) {
        for (key, _) in self.table.iter().filter(|(key, _)| !self.known.contains(key)) {
            let place = if self.name.is_empty() { String::new() } else { format!(" in `[{}]`", self.name) };
            let error = Error::bad_config(format!("unknown key `{key}`{place}"));
            let error = match nearest(key, self.known.iter().copied()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("known keys are {}", quoted(&self.known))),
            };
            problems.add(self.file, self.line_of_key(key), &error);
        }
    }
}

fn choose<T: Copy>(key: &str, text: &str, choices: &[(&str, T)]) -> Result<T> {
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
        Error::bad_config(format!("`{key}` cannot be `{text}`")).hint(format!("it can be {}", quoted(&names)))
    })
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn texts_of(item: &Item, key: &str) -> Result<Vec<String>> {
    match item.as_array() {
        Some(array) => array.iter().map(|value| text_of(&Item::Value(value.clone()), key)).collect(),
        None => Ok(vec![text_of(item, key)?]),
    }
}

fn text_of(item: &Item, key: &str) -> Result<String> {
    match item.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(Error::bad_config(format!("`{key}` must be text in quotes, not `{}`", shown(item)))),
    }
}

fn shown(item: &Item) -> String {
    item.to_string().trim().to_owned()
}

/// A type: text is parsed, a table is a struct, an array of one type is a list.
fn column_type(item: &Item) -> Result<ColumnType> {
    if let Some(text) = item.as_str() {
        return ColumnType::parse(text);
    }
    if let Some(table) = item.as_table_like() {
        let field = |(name, item): (&str, &Item)| Ok(Column { name: name.to_owned(), kind: column_type(item)? });
        return Ok(ColumnType::Struct(table.iter().map(field).collect::<Result<_>>()?));
    }
    match item.as_array() {
        Some(array) if array.len() == 1 => {
            let item = array.iter().next().map(|value| Item::Value(value.clone())).unwrap_or_default();
            Ok(ColumnType::List(Box::new(column_type(&item)?)))
        }
        _ => ColumnType::parse(&shown(item)),
    }
}
