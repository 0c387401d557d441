//! Which format a file has, from its first bytes and never from its name.

use millpond_core::format::{Delimited, Format, Header};
use millpond_core::{Error, Result};

use super::cells::CellBuffer;
use super::delimited::{Split, W3C_FIELDS, cells_of, split_quoted};
use super::json::scan::{self, skip_between, skip_whitespace};
use super::window::is_blank;
use super::{auditd, cef, key_value, known, leef, magic, syslog, windows_xml};

/// Records looked at to decide whether a text is separated values.
pub(super) const RECORDS_LOOKED_AT: usize = 20;
/// Of how many records one may be unlike the others: logs have an odd line now and then.
pub(super) const RECORDS_PER_ODD_ONE: usize = 10;
/// Lines looked at to decide whether a text is a log of a known kind.
const LINES_LOOKED_AT: usize = 50;
/// Bytes of a field name, at most.
const NAME_BYTES_MAX: usize = 64;
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

/// The format that a source declares.
///
/// # Errors
/// `BadInput` for the bytes of a binary format where one of text is declared: each line of them would be a reject.
pub(super) fn declared(format: &Format, bytes: &[u8]) -> Result<Guess> {
    match magic::detect(bytes) {
        Some(magic) if format.is_text() => Err(Error::bad_input(format!(
            "the file is `{}`, and the source declares `{}`",
            magic.name(),
            format.name()
        ))
        .hint("`format = \"auto\"` reads each file as what it is, where it can be read")),
        _ => Ok(Guess::new(format.clone(), format!("the source declares `{}`", format.name()))),
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
    if windows_xml::looks_like(bytes) {
        return Ok(Guess::new(Format::WindowsXml, "the text starts with a Windows event"));
    }
    if let Some(guess) = decide_space(bytes) {
        return Ok(guess);
    }
    if let Some(guess) = decide_known(bytes, at_end) {
        return Ok(guess);
    }
    if let Some(guess) = decide_log(bytes, at_end) {
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

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    bytes.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !is_blank(line))
}

/// W3C extended logs, and those that look like them: <https://www.w3.org/TR/WD-logfile.html>.
fn decide_space(bytes: &[u8]) -> Option<Guess> {
    let first = lines(bytes).next()?;
    if first.starts_with(b"#") {
        let directives = || lines(bytes).take_while(|line| line.starts_with(b"#"));
        let names = directives().find(|line| line.starts_with(W3C_FIELDS))?;
        let data = lines(bytes).find(|line| !line.starts_with(b"#"));
        let dialect = match data {
            _ if !names[W3C_FIELDS.len()..].trim_ascii().contains(&b' ') && names.contains(&b',') => {
                Delimited { comment: Some(b'#'), ..Delimited::csv() }
            }
            Some(data) if data.contains(&b'\t') => {
                Delimited { comment: Some(b'#'), null: Some("-".to_owned()), ..Delimited::tsv() }
            }
            _ => {
                // Microsoft's logs put `+` for a blank, and a quote in them stems from a client.
                let is_microsoft = directives().any(|line| line.starts_with(b"#Software: Microsoft"));
                let quote = (!is_microsoft).then_some(b'"');
                Delimited { comment: Some(b'#'), brackets: false, quote, ..Delimited::space() }
            }
        };
        return Some(Guess::new(Format::Delimited(dialect), "a `#Fields:` line names the fields (W3C log)"));
    }
    let words: Vec<&[u8]> = first.split(|byte| *byte == b' ').collect();
    let has = |name: &[u8]| words.contains(&name);
    if words.len() > 3 && (first.starts_with(b"version account-id ") || (has(b"srcaddr") && has(b"dstaddr"))) {
        return Some(Guess::new(Format::Delimited(Delimited::space()), "the first line is a VPC flow log header"));
    }
    None
}

fn decide_known(bytes: &[u8], at_end: bool) -> Option<Guess> {
    let found = known::find(bytes, at_end)?;
    let why = format!("the first {} lines have the shape of {}, which has no header", found.lines, found.name);
    Some(Guess::new(Format::Delimited(Delimited { header: Header::Names(found.fields), ..Delimited::space() }), why))
}

/// Lines that say what they are by their marks, headers or pairs.
fn decide_log(bytes: &[u8], at_end: bool) -> Option<Guess> {
    let whole = if at_end { bytes.len() } else { memchr::memrchr2(b'\n', b'\r', bytes).unwrap_or(bytes.len()) };
    let lines = lines(&bytes[..whole]).take(LINES_LOOKED_AT);
    let found = cef::recognise(lines.clone())
        .or_else(|| leef::recognise(lines.clone()))
        .or_else(|| auditd::recognise(lines.clone()))
        .or_else(|| syslog::recognise(lines.clone()))
        .or_else(|| key_value::recognise(lines.clone()));
    found.map(|(format, why)| Guess::new(format, why))
}

fn decide_separated(bytes: &[u8], at_end: bool) -> Option<Guess> {
    if let Some((delimiter, rest)) = declared_separator(bytes) {
        let why = format!("the first line says `sep={}`", char::from(delimiter));
        let dialect = Delimited { delimiter, skip: 1, ..Delimited::csv() };
        return split_alike(&dialect, rest, at_end).map(|_| Guess::new(Format::Delimited(dialect), why));
    }
    let dialects = [
        ("commas", Delimited::csv()),
        ("tabs", Delimited::tsv()),
        ("`|`", Delimited { delimiter: b'|', ..Delimited::csv() }),
        ("`;`", Delimited { delimiter: b';', ..Delimited::csv() }),
    ];
    let guesses = dialects.into_iter().filter_map(|(name, dialect)| {
        let sample = split_alike(&dialect, bytes, at_end)?;
        let (cells, records) = (sample.header.len(), sample.records());
        let shape = format!("the first {records} records have {cells} cells between {name}");
        if sample.has_header() {
            return Some((
                true,
                cells,
                Guess::new(Format::Delimited(dialect), shape + ", and the first one names them"),
            ));
        }
        let is_certain = cells >= 3 && records >= 3 && sample.odd == 0 && !sample.looks_like_prose(dialect.delimiter);
        is_certain.then(|| {
            let names = (1..=cells).map(|number| format!("column{number}")).collect();
            let dialect = Delimited { header: Header::Names(names), ..dialect };
            (false, cells, Guess::new(Format::Delimited(dialect), shape + ", without a header"))
        })
    });
    guesses.max_by_key(|(has_header, cells, _)| (*has_header, *cells)).map(|(_, _, guess)| guess)
}

/// The separator in the line that Excel puts on top, and what follows that line.
fn declared_separator(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let rest = bytes.strip_prefix(b"sep=")?;
    let (delimiter, rest) = rest.split_first()?;
    let rest = rest.strip_prefix(b"\r").unwrap_or(rest).strip_prefix(b"\n")?;
    (!delimiter.is_ascii_alphanumeric() && delimiter.is_ascii()).then_some((*delimiter, rest))
}

/// The first records of a text, split by one delimiter.
struct Sample {
    header: Vec<Vec<u8>>,
    /// The records behind the first that have as many cells.
    data: Vec<Vec<Vec<u8>>>,
    /// The records that have not.
    odd: usize,
}

/// The first records, when they have the same number of cells, two or more; one in ten may be odd.
fn split_alike(dialect: &Delimited, bytes: &[u8], at_end: bool) -> Option<Sample> {
    let mut cells = CellBuffer::default();
    let line_end = if memchr::memchr(b'\n', bytes).is_none() && bytes.contains(&b'\r') { b'\r' } else { b'\n' };
    let mut sample = Sample { header: Vec::new(), data: Vec::new(), odd: 0 };
    let mut rest = bytes;
    while sample.records() < RECORDS_LOOKED_AT && !rest.is_empty() {
        let record = match split_quoted(dialect, rest, at_end, line_end, &mut cells) {
            Split::Record(record) => record,
            Split::Unclosed if !at_end => break,
            Split::Unclosed | Split::Stray if sample.header.is_empty() => return None,
            Split::Unclosed | Split::Stray => {
                sample.odd += 1;
                rest = &rest[memchr::memchr(line_end, rest).map_or(rest.len(), |end| end + 1)..];
                continue;
            }
        };
        let text = &rest[..record.length];
        if !is_blank(text) {
            let cells: Vec<Vec<u8>> = cells_of(text, &cells).into_iter().map(<[u8]>::to_vec).collect();
            match sample.header.len() {
                0 => sample.header = cells,
                count if count == cells.len() => sample.data.push(cells),
                _ => sample.odd += 1,
            }
        }
        rest = &rest[record.next..];
    }
    let is_alike = sample.odd * RECORDS_PER_ODD_ONE <= sample.records();
    (sample.header.len() >= 2 && !sample.data.is_empty() && is_alike && !sample.is_key_value()).then_some(sample)
}

impl Sample {
    fn records(&self) -> usize {
        usize::from(!self.header.is_empty()) + self.data.len() + self.odd
    }

    /// Whether the first record names the fields: its cells read like names and do not come again in their columns, or
    /// a column of numbers starts with a word.
    fn has_header(&self) -> bool {
        let named: Vec<&[u8]> = self.header.iter().filter(|cell| !cell.is_empty()).map(Vec::as_slice).collect();
        let distinct: std::collections::HashSet<&[u8]> = named.iter().copied().collect();
        let comes_again = self
            .data
            .iter()
            .filter(|record| **record != self.header)
            .any(|record| record.iter().zip(&self.header).any(|(cell, name)| !name.is_empty() && cell == name));
        if named.is_empty() || distinct.len() != named.len() || comes_again {
            return false;
        }
        let starts_well = |name: &&[u8]| name[0].is_ascii_alphabetic() || name[0] == b'_' || name[0] >= 0x80;
        let is_pair_of_phrases = self.header.len() == 2 && named.iter().any(|name| name.contains(&b' '));
        let all_names = named.iter().all(|name| could_be_name(name) && starts_well(name));
        all_names && !is_pair_of_phrases
            || named.iter().all(|name| could_be_name(name)) && self.has_numbers_under_word()
    }

    fn has_numbers_under_word(&self) -> bool {
        let is_number = |cell: &[u8]| cell.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
        (0..self.header.len()).any(|column| {
            let mut values = self.data.iter().map(|record| record[column].as_slice()).filter(|cell| !cell.is_empty());
            let has_word = self.header[column].iter().any(u8::is_ascii_alphabetic);
            has_word && self.data.len() >= 2 && values.clone().count() >= 2 && values.all(is_number)
        })
    }

    /// Text with delimiters in it: a blank behind them, or mostly cells of several words.
    fn looks_like_prose(&self, delimiter: u8) -> bool {
        let records = || std::iter::once(&self.header).chain(&self.data);
        let words = records().flatten().filter(|cell| !cell.contains(&b' ')).count();
        let all: usize = records().map(Vec::len).sum();
        let is_spaced = records().flatten().any(|cell| cell.len() > 1 && cell.starts_with(b" "));
        delimiter != b'\t' && (is_spaced || words * 2 < all)
    }

    /// `name=value` in most cells: another format, with a delimiter between its pairs.
    fn is_key_value(&self) -> bool {
        let cells = || std::iter::once(&self.header).chain(&self.data).flatten().filter(|cell| !cell.is_empty());
        cells().filter(|cell| is_pair(cell)).count() * 2 > cells().count()
    }
}

fn is_pair(cell: &[u8]) -> bool {
    let cell = cell.trim_ascii_start();
    let name = &cell[..memchr::memchr(b'=', cell).unwrap_or(0)];
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// Names are short, have a letter, and are neither numbers nor times nor `name=value`.
fn could_be_name(cell: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte >= 0x80;
    let starts = !cell[0].is_ascii_digit() && !cell[0].is_ascii_whitespace() && cell[0] != b'-';
    cell.len() <= NAME_BYTES_MAX && starts && !cell.contains(&b'=') && (cell[0] == b'_' || cell.iter().any(is_letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(text: &str) -> (&'static str, String) {
        let guess = decide(text.as_bytes(), true).expect("a text");
        (guess.format.name(), guess.why)
    }

    #[test]
    fn text_with_delimiters_stays_lines() {
        for text in [
            "Hello, world\nfoo, bar\n",
            "Dear all,please read\nthe news,now\n",
            "2024-01-01 10:00:00,123 INFO started, at last\n2024-01-01 10:00:01,124 INFO stopped, at last\n2024-01-01 10:00:01,124 INFO gone, at last\n",
            "2024-01-01 10:00:00,123 [main] x,y\n2024-01-01 10:00:00,123 [main] x,y\n2024-01-01 10:00:00,123 [main] x,y\n",
            "a=1;b=2;c=3\na=4;b=5;c=6\na=4;b=5;c=7\n",
            "1,2\n3,4\n",
            "one\ntwo\nthree\n",
        ] {
            assert_eq!(decided(text).0, "lines", "{text}");
        }
    }

    #[test]
    fn headers_are_told_from_records() {
        let has_header = |text: &str| decided(text).1.contains("names them");
        assert!(has_header("name,age\nann,30\n"));
        assert!(has_header(",a,b\n0,1,2\n"));
        assert!(has_header("i,'world'\n0,world\n1,world\n"));
        assert!(has_header("Time Generated,User Name,x\na,b,c\nTime Generated,User Name,x\nd,e,f\n"));
        assert!(!has_header("INFO,started,x1\nINFO,stopped,x2\nWARN,gone,x3\n"));
        assert!(!has_header("2024-01-01,-,x\n2024-01-02,5,y\n2024-01-03,6,z\n"));
    }

    #[test]
    fn the_delimiter_with_more_cells_wins() {
        assert!(decided("name;a,b;c\nx;1,5;2\ny;2,5;3\n").1.contains("3 cells between `;`"));
        assert!(decided("a|b|c\n1|2|3\n").1.contains("3 cells between `|`"));
        assert!(decided("sep=;\r\na;b\r\n1;2\r\n").1.contains("sep=;"));
    }

    #[test]
    fn one_odd_record_in_ten_is_let_pass() {
        let mut text = "id,name\n".to_owned() + &"1,x\n".repeat(9);
        assert_eq!(decided(&text).0, "csv");
        text.insert_str(8, "2\n");
        assert_eq!(decided(&text).0, "csv");
        text.insert_str(8, "2\n3\n");
        assert_eq!(decided(&text).0, "lines");
    }
}
