//! The first records of a file as JSON objects with their text, whatever the file is: for recognising it.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, StringArray};
use millpond_core::columns::SystemColumn;
use millpond_core::format::{DecodeLimits, DecodeRequest, Format};
use millpond_core::{Error, Result};
use serde_json::{Map, Value};

use super::{Decoder, Summary};

/// Decoded bytes after which no further batch is read.
const DECODED_BYTES_ENOUGH: u64 = 64 << 20;
/// Decoded bytes of all that is touched: columnar files are read whole, and a hostile file ends here.
const DECODED_BYTES_MAX: u64 = 1 << 30;
/// Bytes of a record's text that are kept.
const TEXT_BYTES: usize = 8 << 10;

/// The first records of one file.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// The format found, as receipts name it; `empty` for a file without bytes, `mixed` for an archive of several.
    pub format: &'static str,
    /// Compressions and archives, outermost first, or `none`.
    pub compression: String,
    /// How the format was found, in one sentence.
    pub why: String,
    /// The records, in the order of the file; those that could not be read stand behind those that could.
    pub records: Vec<SampledRecord>,
    /// Whether these are all records of the file.
    pub is_whole: bool,
    /// What kept the file from being read further.
    pub error: Option<String>,
}

/// One record.
#[derive(Debug, Clone, Default)]
pub struct SampledRecord {
    /// Its fields; none for a record that could not be read.
    pub fields: Map<String, Value>,
    /// The start of its text as it stands in the file.
    pub raw: String,
    /// Whether it could not be read.
    pub is_refused: bool,
}

/// What is asked of a file.
#[derive(Debug, Clone)]
pub struct Asked {
    /// How its records are read.
    pub format: Format,
    /// Records, at most.
    pub records_max: usize,
    /// Bytes of each record's text, at most.
    pub text_bytes_max: usize,
}

impl Asked {
    /// The first records in the format that the file shows, with the start of their text.
    pub fn first(records_max: usize) -> Self {
        Self { format: Format::Auto, records_max, text_bytes_max: TEXT_BYTES }
    }
}

/// Reads the first records of a file. One that is damaged gives those before the damage.
///
/// # Errors
/// [`Kind::BadInput`](millpond_core::Kind::BadInput) for a file that has no reader, or of which nothing can be read.
pub fn sample(input: Box<dyn Read + Send>, name: &str, asked: &Asked) -> Result<Sample> {
    let mut decoder = Decoder::open(input, request(name, asked))?;
    let mut sample = Sample::default();
    let mut refused = Vec::new();
    let ended = read(&mut decoder, &mut sample, &mut refused, asked);
    sample.is_whole = matches!(ended, Ok(true)) && sample.records.len() + refused.len() <= asked.records_max;
    sample.records.extend(refused);
    sample.records.truncate(asked.records_max);
    let summary = decoder.summary();
    sample.format = summary.format;
    sample.compression.clone_from(&summary.compression);
    sample.why.clone_from(&summary.why);
    match ended {
        Err(error) if sample.records.is_empty() => return Err(error),
        Err(error) => sample.error = Some(error.chain()),
        Ok(_) => {}
    }
    Ok(sample)
}

fn request(name: &str, asked: &Asked) -> DecodeRequest {
    let limits = DecodeLimits { decompressed_bytes_max: DECODED_BYTES_MAX, ..DecodeLimits::default() };
    DecodeRequest {
        system: vec![SystemColumn::Rest, SystemColumn::Raw, SystemColumn::File],
        limits,
        batch_rows: asked.records_max.max(1),
        ..DecodeRequest::new(asked.format.clone(), Vec::new(), name)
    }
}

/// Reads batches until there are enough records (`false`) or no more (`true`).
fn read(decoder: &mut Decoder, sample: &mut Sample, refused: &mut Vec<SampledRecord>, asked: &Asked) -> Result<bool> {
    loop {
        let batch = decoder.next_batch()?;
        // Damage of the file itself is no record.
        let rejects = decoder.take_rejects().into_iter().filter(|reject| reject.row.is_some());
        refused.extend(rejects.map(|reject| SampledRecord {
            fields: Map::new(),
            raw: start_of(&reject.raw, asked.text_bytes_max),
            is_refused: true,
        }));
        let Some(batch) = batch else { return Ok(true) };
        add(&batch, decoder, sample, asked.text_bytes_max)?;
        let is_enough = sample.records.len() + refused.len() >= asked.records_max;
        if is_enough || decoder.summary().decoded_bytes >= DECODED_BYTES_ENOUGH {
            return Ok(false);
        }
    }
}

fn start_of(raw: &[u8], bytes_max: usize) -> String {
    String::from_utf8_lossy(&raw[..raw.len().min(bytes_max)]).into_owned()
}

/// Adds the records of a batch. Text formats leave fields without a value out of `_rest`, and a header has them all the
/// same: they are NULL.
fn add(batch: &RecordBatch, decoder: &Decoder, sample: &mut Sample, text_bytes_max: usize) -> Result<()> {
    let [rest, raw, file] = [0, 1, 2].map(|index| batch.column(index).as_any().downcast_ref::<StringArray>());
    let (Some(rest), Some(raw), Some(file)) = (rest, raw, file) else {
        return Err(Error::bug("failed to sample a file: `_rest`, `_raw` or `_file` is not text"));
    };
    let text = |array: &StringArray, row: usize| array.is_valid(row).then(|| array.value(row).to_owned());
    let mut headers = Headers::new(decoder);
    let first = sample.records.len();
    for row in 0..batch.num_rows() {
        let fields = text(rest, row).and_then(|text| serde_json::from_str::<Map<String, Value>>(&text).ok());
        let raw = text(raw, row).map(|text| start_of(text.as_bytes(), text_bytes_max)).unwrap_or_default();
        let fields = fields.unwrap_or_default();
        headers.note(file.value(row), &fields);
        sample.records.push(SampledRecord { fields, raw, is_refused: false });
    }
    for (row, record) in sample.records[first..].iter_mut().enumerate() {
        headers.complete(file.value(row), &mut record.fields);
    }
    Ok(())
}

/// The fields that all records of one file with a header have.
struct Headers {
    has_header: bool,
    /// The header of the file, where it is no archive.
    known: Vec<Arc<str>>,
    /// What members of archives were seen to have.
    members: BTreeMap<String, Vec<Arc<str>>>,
}

impl Headers {
    fn new(decoder: &Decoder) -> Self {
        let Summary { fields, members, .. } = decoder.summary();
        let has_header = matches!(
            decoder.format(),
            Format::Delimited(_) | Format::Zeek | Format::Parquet | Format::Arrow | Format::Avro | Format::Orc
        );
        let known = if has_header && *members <= 1 {
            let declared = decoder.native_columns().unwrap_or_default().into_iter().map(|column| column.name);
            fields.keys().cloned().chain(declared).map(Arc::from).collect()
        } else {
            Vec::new()
        };
        Self { has_header, known, members: BTreeMap::new() }
    }

    fn note(&mut self, file: &str, fields: &Map<String, Value>) {
        if !self.has_header || !self.known.is_empty() {
            return;
        }
        let seen = self.members.entry(file.to_owned()).or_default();
        let news: Vec<&String> = fields.keys().filter(|name| !seen.iter().any(|known| **known == ***name)).collect();
        seen.extend(news.into_iter().map(|name| Arc::from(name.as_str())));
    }

    fn complete(&self, file: &str, fields: &mut Map<String, Value>) {
        for name in self.known.iter().chain(self.members.get(file).into_iter().flatten()) {
            if !fields.contains_key(&**name) {
                fields.insert((**name).to_owned(), Value::Null);
            }
        }
    }
}
