//! What every target does: decode the bytes, hold the counts together, and do it again in small pieces.

use std::io::{Cursor, Read};

use arrow::array::RecordBatch;
use millpond_core::columns::{Column, ColumnType, SystemColumn};
use millpond_core::format::{DecodeLimits, DecodeRequest, Format, Packing};
use millpond_decode::{Decoder, Reject};

/// Columns of every type: `a` is the first, `b` the second.
const TYPES: [&str; 10] = [
    "int",
    "text",
    "boolean",
    "float",
    "timestamp",
    "timestamp(ms)",
    "date",
    "decimal(10,2)",
    "list(text)",
    "map(int)",
];
/// Fields that formats name themselves.
const OWN_FIELDS: [(&str, &str); 2] = [("line", "text"), ("message", "text")];
/// What one read gives, one after the other and from the start again: odd sizes, so that pieces end everywhere.
const PIECES: [usize; 6] = [1, 3, 127, 7, 1021, 31];

/// Decodes `bytes` as `format` with columns of every type, once in one piece and once in small ones.
///
/// # Panics
/// When rows, rejects and records do not add up, or the two decodes differ.
pub fn decode(format: Format, bytes: &[u8]) {
    decode_request(request(format), bytes);
}

/// As [`decode`], for bytes that the source says are packed in some way.
///
/// # Panics
/// As [`decode`].
pub fn decode_packed(format: Format, packing: Packing, bytes: &[u8]) {
    decode_request(DecodeRequest { packing, ..request(format) }, bytes);
}

/// As [`decode`], for targets that ask for columns or limits of their own.
///
/// # Panics
/// As [`decode`].
pub fn decode_request(request: DecodeRequest, bytes: &[u8]) {
    tell_panics();
    let whole = outcome(request.clone(), Box::new(Cursor::new(bytes.to_vec())));
    let pieces = outcome(request, Box::new(Pieces { bytes: bytes.to_vec(), at: 0, count: 0 }));
    assert_eq!(whole, pieces, "the bytes in one piece (left) and in small ones (right) give the same");
}

/// Tells panics and lets them pass: libFuzzer's own hook ends the process at once, but a decoder catches those of the
/// libraries it reads Parquet, Arrow, Avro and ORC with. A panic that nobody catches still ends the run.
fn tell_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))));
}

/// What [`decode`] asks for: small limits, so that they are reached.
pub fn request(format: Format) -> DecodeRequest {
    let named = TYPES.iter().enumerate().map(|(index, kind)| (char::from(b'a' + index as u8).to_string(), *kind));
    let own = OWN_FIELDS.iter().map(|(name, kind)| ((*name).to_owned(), *kind));
    let column = |(name, kind): (String, &str)| Column { name, kind: ColumnType::parse(kind).expect("a type") };
    DecodeRequest {
        system: SystemColumn::ALL.to_vec(),
        limits: DecodeLimits {
            record_bytes_max: 1 << 14,
            decompressed_bytes_max: 1 << 24,
            fields_max: 1_000,
            members_max: 100,
            ..DecodeLimits::default()
        },
        batch_rows: 64,
        ..DecodeRequest::new(format, named.chain(own).map(column).collect(), "fuzz")
    }
}

/// What a decode gave, as far as it may not depend on how the bytes came.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    batches: Vec<RecordBatch>,
    rejects: Vec<Reject>,
    /// Its kind: texts of libraries can list things in any order.
    error: Option<millpond_core::Kind>,
    records: u64,
    rejected: u64,
    rescued: u64,
}

fn outcome(request: DecodeRequest, input: Box<dyn Read + Send>) -> Outcome {
    let mut outcome = Outcome::default();
    match Decoder::open(input, request) {
        Ok(mut decoder) => outcome.read(&mut decoder),
        Err(error) => outcome.error = Some(error.kind()),
    }
    outcome
}

impl Outcome {
    fn read(&mut self, decoder: &mut Decoder) {
        loop {
            match decoder.next_batch() {
                Ok(Some(batch)) => self.batches.push(batch),
                Ok(None) => break,
                Err(error) => {
                    self.error = Some(error.kind());
                    break;
                }
            }
            self.rejects.extend(decoder.take_rejects());
        }
        self.rejects.extend(decoder.take_rejects());
        let summary = decoder.summary();
        (self.records, self.rejected, self.rescued) = (summary.records, summary.rejected, summary.rescued);
        if self.error.is_none() {
            self.check_counts();
        }
    }

    fn check_counts(&self) {
        let rows: usize = self.batches.iter().map(RecordBatch::num_rows).sum();
        let rejected = self.rejects.iter().filter(|reject| reject.row.is_some()).count();
        let counted = (rows as u64 + rejected as u64, rejected as u64);
        assert_eq!(counted, (self.records, self.rejected), "rows and rejects add up to the records");
    }
}

/// Hands out bytes in small pieces.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    count: usize,
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let rest = &self.bytes[self.at..];
        let length = PIECES[self.count % PIECES.len()].min(out.len()).min(rest.len());
        out[..length].copy_from_slice(&rest[..length]);
        self.at += length;
        self.count += 1;
        Ok(length)
    }
}
