//! Decode: what goes in as bytes comes out as these rows and these rejects.

mod archives;
mod broken;
mod columnar;
mod compressions;
mod dialects;
mod differential;
mod hostile;
mod json;
mod learning;
mod properties;
mod samples;
mod sampling;
mod separated;
mod streams;
mod syslog;
mod windows;

use std::io::Read;

use arrow::array::RecordBatch;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use millpond_core::columns::{Column, ColumnType, SystemColumn};
use millpond_core::format::{DecodeRequest, Format};
use millpond_decode::{Decoder, Reject, Summary};

/// Everything that a decode gave.
pub(crate) struct Decoded {
    /// Rows as JSON objects, NULLs included.
    pub(crate) rows: Vec<String>,
    pub(crate) rejects: Vec<Reject>,
    pub(crate) summary: Summary,
}

impl Decoded {
    /// Each reject as `row reason: raw`.
    pub(crate) fn rejected(&self) -> Vec<String> {
        let row = |reject: &Reject| reject.row.map_or("-".to_owned(), |row| row.to_string());
        let text = |reject: &Reject| String::from_utf8_lossy(&reject.raw).into_owned();
        self.rejects.iter().map(|reject| format!("{} {}: {}", row(reject), reject.reason, text(reject))).collect()
    }
}

/// Columns written as `name: type, …`.
pub(crate) fn columns(text: &str) -> Vec<Column> {
    let column = |part: &str| {
        let (name, kind) = part.split_once(':').expect("`name: type`");
        Column { name: name.trim().to_owned(), kind: ColumnType::parse(kind).expect(part) }
    };
    text.split(';').filter(|part| !part.trim().is_empty()).map(column).collect()
}

pub(crate) fn request(format: Format, columns: Vec<Column>) -> DecodeRequest {
    DecodeRequest { batch_rows: 1000, ..DecodeRequest::new(format, columns, "s3://logs/a.json") }
}

pub(crate) fn auto(text: &str) -> DecodeRequest {
    request(Format::Auto, columns(text))
}

pub(crate) fn with_system(mut request: DecodeRequest, system: &[SystemColumn]) -> DecodeRequest {
    request.system = system.to_vec();
    request
}

pub(crate) fn decode(request: DecodeRequest, bytes: &[u8]) -> Decoded {
    try_decode(request, Box::new(std::io::Cursor::new(bytes.to_vec()))).expect("the input decodes")
}

pub(crate) fn try_decode(request: DecodeRequest, input: Box<dyn Read + Send>) -> millpond_core::Result<Decoded> {
    let mut decoder = Decoder::open(input, request)?;
    let schema = decoder.schema();
    let (mut rows, mut rejects) = (Vec::new(), Vec::new());
    while let Some(batch) = decoder.next_batch()? {
        assert_eq!(batch.schema(), schema);
        rows.extend(to_json(&batch));
        rejects.extend(decoder.take_rejects());
    }
    rejects.extend(decoder.take_rejects());
    let summary = decoder.summary().clone();
    let refused = rejects.iter().filter(|reject| reject.row.is_some()).count() as u64;
    assert_eq!(summary.rejected, refused, "every refused record is in the rejects");
    assert_eq!(summary.records, rows.len() as u64 + refused, "every record is a row or a reject");
    Ok(Decoded { rows, rejects, summary })
}

fn to_json(batch: &RecordBatch) -> Vec<String> {
    if batch.num_columns() == 0 {
        return vec!["{}".to_owned(); batch.num_rows()];
    }
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
    writer.write(batch).expect("a batch is JSON");
    writer.finish().expect("a batch is JSON");
    let text = String::from_utf8(writer.into_inner()).expect("JSON is UTF-8");
    text.lines().map(str::to_owned).collect()
}

/// Compares rows and rejects with what they should be.
#[track_caller]
pub(crate) fn assert_decoded(decoded: &Decoded, rows: &[&str], rejects: &[&str]) {
    assert_eq!(decoded.rows, rows);
    assert_eq!(decoded.rejected(), rejects);
}
