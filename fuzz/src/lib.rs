//! What every target does: decode the bytes and hold the counts together.

use std::io::Cursor;

use millpond_core::columns::{Column, ColumnType, SystemColumn};
use millpond_core::format::{DecodeLimits, DecodeRequest, Drift, Format, Packing};
use millpond_decode::Decoder;

/// Decodes `bytes` as `format` with columns of every type, and panics when rows, rejects and records do not add up.
pub fn decode(format: Format, bytes: &[u8]) {
    decode_packed(format, Packing::default(), bytes);
}

/// The same for bytes that the source says are packed in some way.
pub fn decode_packed(format: Format, packing: Packing, bytes: &[u8]) {
    let types = ["int", "text", "boolean", "float", "timestamp", "timestamp(ms)", "date", "decimal(10,2)", "list(text)", "map(int)"];
    let column = |(index, kind): (usize, &&str)| Column {
        name: char::from(b'a' + index as u8).to_string(),
        kind: ColumnType::parse(kind).expect("a type"),
    };
    let request = DecodeRequest {
        format,
        packing,
        columns: types.iter().enumerate().map(column).collect(),
        system: SystemColumn::ALL.to_vec(),
        declared: Vec::new(),
        drift: Drift::Rescue,
        limits: DecodeLimits { record_bytes_max: 1 << 16, decompressed_bytes_max: 1 << 24, ..DecodeLimits::default() },
        file: "fuzz".to_owned(),
        modified_us: None,
        batch_rows: 64,
    };
    let Ok(mut decoder) = Decoder::open(Box::new(Cursor::new(bytes.to_vec())), request) else { return };
    let (mut rows, mut rejected) = (0, 0);
    let is_whole = loop {
        match decoder.next_batch() {
            Ok(Some(batch)) => rows += batch.num_rows() as u64,
            Ok(None) => break true,
            Err(_) => break false,
        }
        rejected += decoder.take_rejects().iter().filter(|reject| reject.row.is_some()).count() as u64;
    };
    rejected += decoder.take_rejects().iter().filter(|reject| reject.row.is_some()).count() as u64;
    if is_whole {
        let summary = decoder.summary();
        assert_eq!((rows + rejected, rejected), (summary.records, summary.rejected));
    }
}
