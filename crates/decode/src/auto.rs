//! Which format a file has, from its first bytes and never from its name.

use millpond_core::format::{Delimited, Format, Header};
use millpond_core::{Error, Result};

use super::cells::CellBuffer;
use super::delimited::split_quoted;
use super::json::scan::{self, skip_between, skip_whitespace};
use super::magic;
use super::w3c;
use super::window::is_blank;

/// Records looked at to decide whether a text is separated values.
const RECORDS_LOOKED_AT: usize = 20;
/// Bytes looked at for NUL, which no text has.
const NUL_BYTES: usize = 1024;
/// First keys of documents that wrap records in an array.
const WRAPPERS: [&str; 10] =
    ["Records", "records", "value", "values", "events", "logs", "logEvents", "items", "data", "results"];

/// A format and the reason for it.
pub(super) struct Guess {
    pub(super) format: Format,
    pub(super) why: String,
}

impl Guess {
    fn new(format: Format, why: impl Into<String>) -> Self {
        Self { format, why: why.into() }
    }
}

/// Decides the format of a text or Parquet file.
///
/// # Errors
/// `BadInput` for bytes that are no text and no known format.
pub(super) fn decide(bytes: &[u8], at_end: bool) -> Result<Guess> {
    if let Some(magic) = magic::detect(bytes) {
        return match magic.format() {
            Some(format) => {
                let why = format!("the file starts like {}", format.name());
                Ok(Guess::new(format, why))
            }
            None => Err(Error::bad_input(format!("`{}` files are not supported", magic.name()))
                .hint("export the records as JSON, CSV or Parquet")),
        };
    }
    if bytes.starts_with(b"#separator ") {
        return Ok(Guess::new(Format::Zeek, "the file starts with `#separator`"));
    }
    if memchr::memchr(0, &bytes[..bytes.len().min(NUL_BYTES)]).is_some() {
        return Err(Error::bad_input("the file is binary, in no format that is known")
            .hint("name the `format` in source.toml if it is text after all"));
    }
    if let Some(guess) = decide_json(bytes) {
        return Ok(guess);
    }
    if let Some(guess) = decide_space(bytes) {
        return Ok(guess);
    }
    if let Some(guess) = decide_separated(bytes, at_end) {
        return Ok(guess);
    }
    Ok(Guess::new(Format::Lines { start: None }, "no other format fits: each line is a record"))
}

fn decide_json(bytes: &[u8]) -> Option<Guess> {
    let start = skip_between(bytes, 0);
    let json = |records| Format::Json { records };
    match bytes.get(start)? {
        b'{' => match wrapper(&bytes[start..]) {
            Some(name) => {
                let why = format!("the first document starts with `{name}`, an array of objects");
                Some(Guess::new(json(vec![vec![name.to_owned()]]), why))
            }
            None => Some(Guess::new(json(Vec::new()), "the first character is `{`")),
        },
        b'[' if looks_like_array(&bytes[start..]) => Some(Guess::new(json(Vec::new()), "the first character is `[`")),
        _ => None,
    }
}

/// Lines such as `[2024-01-01 10:00] message` start with a bracket, too.
fn looks_like_array(bytes: &[u8]) -> bool {
    matches!(bytes.get(skip_whitespace(bytes, 1)), None | Some(b'{' | b'[' | b']'))
}

/// The first key of a document, when it is one of those that wrap records and its value an array of objects.
fn wrapper(bytes: &[u8]) -> Option<&'static str> {
    let key = skip_whitespace(bytes, 1);
    if bytes.get(key) != Some(&b'"') {
        return None;
    }
    let (end, _) = scan::string(bytes, key + 1).ok()?;
    let name = WRAPPERS.into_iter().find(|name| name.as_bytes() == &bytes[key + 1..end])?;
    let mut at = skip_whitespace(bytes, end + 1);
    for expected in [b':', b'['] {
        if bytes.get(at) != Some(&expected) {
            return None;
        }
        at = skip_whitespace(bytes, at + 1);
    }
    match bytes.get(at) {
        Some(b'{') => Some(name),
        // An empty array of records is zero records.
        Some(b']') if name == "Records" => Some(name),
        _ => None,
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !is_blank(line))
}

fn decide_space(bytes: &[u8]) -> Option<Guess> {
    let first = lines(bytes).next()?;
    if first.starts_with(b"#") {
        let mut header = lines(bytes).take_while(|line| line.starts_with(b"#"));
        header.find(|line| line.starts_with(b"#Fields:"))?;
        let data = lines(bytes).find(|line| !line.starts_with(b"#"));
        let delimiter = if data.is_some_and(|line| line.contains(&b'\t')) { b'\t' } else { b' ' };
        let dialect = Delimited { repeated: delimiter == b' ', ..w3c(delimiter) };
        return Some(Guess::new(Format::Delimited(dialect), "a `#Fields:` line names the fields (W3C log)"));
    }
    let words: Vec<&[u8]> = first.split(|byte| *byte == b' ').collect();
    let has = |name: &[u8]| words.contains(&name);
    if words.len() > 3 && (first.starts_with(b"version account-id ") || (has(b"srcaddr") && has(b"dstaddr"))) {
        return Some(Guess::new(Format::Delimited(Delimited::space()), "the first line is a VPC flow log header"));
    }
    None
}

fn decide_separated(bytes: &[u8], at_end: bool) -> Option<Guess> {
    let dialects = [
        ("commas", Delimited::csv()),
        ("tabs", Delimited::tsv()),
        ("`|`", Delimited { delimiter: b'|', ..Delimited::csv() }),
        ("`;`", Delimited { delimiter: b';', ..Delimited::csv() }),
    ];
    dialects.into_iter().find_map(|(name, dialect)| {
        let (header, records) = split_alike(&dialect, bytes, at_end)?;
        let cells = header.len();
        if is_header(&header) {
            let why =
                format!("the first {records} records have {cells} cells between {name}, and the first one names them");
            return Some(Guess::new(Format::Delimited(dialect), why));
        }
        if cells < 3 || records < 3 {
            return None;
        }
        let names = (1..=cells).map(|number| format!("column{number}")).collect();
        let why = format!("the first {records} records have {cells} cells between {name}, without a header");
        Some(Guess::new(Format::Delimited(Delimited { header: Header::Names(names), ..dialect }), why))
    })
}

/// The first record's cells and the number of records, when the first records have the same number of cells, two or more.
fn split_alike(dialect: &Delimited, bytes: &[u8], at_end: bool) -> Option<(Vec<Vec<u8>>, usize)> {
    let mut cells = CellBuffer::default();
    let line_end = if memchr::memchr(b'\n', bytes).is_none() && bytes.contains(&b'\r') { b'\r' } else { b'\n' };
    let mut header: Vec<Vec<u8>> = Vec::new();
    let (mut rest, mut records) = (bytes, 0);
    while records < RECORDS_LOOKED_AT && !rest.is_empty() {
        let Some(record) = split_quoted(dialect, rest, at_end, line_end, &mut cells) else { break };
        let text = &rest[..record.length];
        if !is_blank(text) {
            if records == 0 {
                header = (0..cells.spans.len()).map(|index| cells.get(text, index).bytes.to_vec()).collect();
            }
            if cells.spans.len() != header.len() {
                return None;
            }
            records += 1;
        }
        rest = &rest[record.next..];
    }
    (records >= 2 && header.len() >= 2).then_some((header, records))
}

/// Whether cells read like names: they start with a letter, are short, and no two are the same.
fn is_header(cells: &[Vec<u8>]) -> bool {
    let is_name = |cell: &Vec<u8>| {
        let first = cell.first().copied().unwrap_or(b'_');
        cell.len() <= 64 && (first.is_ascii_alphabetic() || first == b'_' || first >= 0x80)
    };
    let distinct: std::collections::HashSet<&[u8]> =
        cells.iter().filter(|cell| !cell.is_empty()).map(Vec::as_slice).collect();
    let named = cells.iter().filter(|cell| !cell.is_empty()).count();
    named > 0 && distinct.len() == named && cells.iter().all(is_name)
}
