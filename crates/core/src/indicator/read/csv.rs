//! CSV: a column of values, or a column for each kind.

use super::{Feed, kind_named};
use crate::indicator::{Indicator, Kind};

/// How columns of values are called that can hold any kind.
const VALUES: [&str; 7] = ["value", "indicator", "ioc", "observable", "indicator_value", "ioc_value", "artifact"];
/// How the column of the kind is called.
const KINDS: [&str; 6] = ["type", "kind", "indicator_type", "ioc_type", "category", "observable_type"];
/// How the column with what is said of an indicator is called.
const NOTES: [&str; 8] = ["description", "comment", "note", "title", "name", "threat", "malware", "signature"];

/// What the header says.
#[derive(Debug, Default)]
struct Header {
    /// Columns with values, and the kind of those that have one.
    values: Vec<(usize, Option<Kind>)>,
    kind: Option<usize>,
    note: Option<usize>,
}

/// Reads CSV; `None`: it is none. Text is CSV where its first line is a header that is known or begins with a quote, or
/// where its name says so.
pub(super) fn read(name: &str, text: &str) -> Option<Feed> {
    let start = text.lines().find(|line| !is_comment(line))?;
    let separator = separator(start);
    let mut records = records(text, separator);
    let header = Header::of(&records.first()?.1);
    let path = name.split(['?', '#']).next().unwrap_or(name).to_ascii_lowercase();
    let is_csv = header.is_some() || start.starts_with('"') || path.ends_with(".csv") || path.ends_with(".tsv");
    if !is_csv {
        return None;
    }
    let mut feed = Feed::default();
    if header.is_some() {
        records.remove(0);
    }
    for (line, cells) in &records {
        match &header {
            Some(header) => header.add(&mut feed, *line, cells),
            None => add_first(&mut feed, *line, cells),
        }
    }
    Some(feed)
}

impl Header {
    fn of(cells: &[String]) -> Option<Self> {
        let mut header = Self::default();
        for (index, cell) in cells.iter().enumerate() {
            let name = cell.trim().to_ascii_lowercase().replace([' ', '-'], "_");
            if VALUES.contains(&name.as_str()) {
                header.values.push((index, None));
            } else if let Some(kind) = kind_named(&name) {
                header.values.push((index, Some(kind)));
            } else if KINDS.contains(&name.as_str()) {
                header.kind.get_or_insert(index);
            } else if NOTES.contains(&name.as_str()) {
                header.note.get_or_insert(index);
            }
        }
        (!header.values.is_empty()).then_some(header)
    }

    fn add(&self, feed: &mut Feed, line: usize, cells: &[String]) {
        let cell = |index: Option<usize>| index.and_then(|index| cells.get(index)).map(String::as_str);
        let said = cell(self.kind).and_then(kind_named);
        for (index, kind) in &self.values {
            let value = cell(Some(*index)).map(str::trim).unwrap_or_default();
            if value.is_empty() {
                continue;
            }
            let read = match kind.or(said) {
                Some(kind) => Indicator::of(kind, value),
                None => Indicator::parse(value),
            };
            feed.add(&format!("line {line}"), value, read, cell(self.note));
        }
    }
}

/// Without a header a record's first cell that is an indicator counts.
fn add_first(feed: &mut Feed, line: usize, cells: &[String]) {
    match cells.iter().find_map(|cell| Some((cell, Indicator::parse(cell).ok()?))) {
        Some((cell, indicator)) => feed.add(&format!("line {line}"), cell, Ok(indicator), None),
        None => feed.refuse(&format!("line {line}"), &cells.join(","), "no cell of it is an indicator"),
    }
}

fn is_comment(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with('#')
}

/// What parts the cells of a line: the one of these that is there most often.
fn separator(line: &str) -> char {
    let count = |separator: &char| line.matches(*separator).count();
    [';', '\t', ','].into_iter().max_by_key(count).unwrap_or(',')
}

/// Records with the lines on which they begin; comments and empty lines are left out.
fn records(text: &str, separator: char) -> Vec<(usize, Vec<String>)> {
    let mut records = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        if is_comment(line) {
            continue;
        }
        let mut record = line.to_owned();
        // A quote that is open goes on in the next line.
        while record.matches('"').count() % 2 == 1
            && let Some((_, next)) = lines.next()
        {
            record.push('\n');
            record.push_str(next);
        }
        records.push((index + 1, cells(&record, separator)));
    }
    records
}

fn cells(record: &str, separator: char) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut is_quoted = false;
    let mut letters = record.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_double = is_quoted && letter == '"' && letters.peek() == Some(&'"');
        match letter {
            '"' if is_double => {
                letters.next();
                cells.iter_mut().last().into_iter().for_each(|cell| cell.push('"'));
            }
            '"' => is_quoted = !is_quoted,
            letter if letter == separator && !is_quoted => cells.push(String::new()),
            letter => cells.iter_mut().last().into_iter().for_each(|cell| cell.push(letter)),
        }
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}
