//! A look at an object before it is fetched: how many bytes it will come to, from what its compression or its index says
//! of it, or from a sample of its first block.

use std::io::Cursor;

use bytes::Bytes;
use millpond_core::predict::FileSize;
use millpond_core::{Error, Result};
use millpond_engine::decode::{Decoder, packed_size, parquet_decoded_bytes};
use millpond_engine::prepare::Prepared;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::store::Stores;

/// Bytes of the first block.
const BLOCK_BYTES: u64 = 64 << 10;
/// Bytes at the end in which gzip and Parquet keep what they tell.
const TAIL_BYTES: u64 = 8;
/// Bytes of a Parquet index that are fetched to plan a job; a larger one is not worth it.
const INDEX_BYTES_MAX: u64 = 4 << 20;
/// A size that a file tells is believed when the sample says no more than this many times of it: a gzip file of several
/// members tells the size of the last, and so does zstd of the first.
const BELIEVED_FACTOR: f64 = 3.0;
/// The trailer of gzip holds the size modulo this.
const GZIP_MODULUS: u64 = 1 << 32;

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Sizes.
    pub size: FileSize,
    /// The compression, outermost first.
    pub compression: String,
    /// The format, where the first block shows it.
    pub format: String,
    /// What told the decompressed size, for people.
    pub told_by: &'static str,
}

/// Looks at an object of `stored_bytes`.
///
/// # Errors
/// [`Kind::Transient`](millpond_core::Kind::Transient) when its store does not answer.
pub async fn look(stores: &Stores, prepared: &Prepared, uri: &str, stored_bytes: u64) -> Result<Look> {
    let (store, path) = stores.locate(uri)?;
    let fetch = async |from: u64, length: u64| {
        let range = from..(from + length).min(stored_bytes);
        let failed = |error| Error::transient(format!("failed to look at `{uri}`")).because(error);
        match range.is_empty() {
            true => Ok(Bytes::new()),
            false => ObjectStoreExt::get_range(&store, &Path::clone(&path), range).await.map_err(failed),
        }
    };
    let block = fetch(0, BLOCK_BYTES).await?;
    let sample = sample(prepared, uri, &block);
    let scaled = |decoded: u64| (decoded as f64 / block.len().max(1) as f64 * stored_bytes as f64) as u64;
    let sampled = scaled(sample.decoded_bytes);
    let found = |decoded_bytes: Option<u64>, told_by| Look {
        size: FileSize { stored_bytes, decoded_bytes },
        compression: sample.compression.clone(),
        format: sample.format.clone(),
        told_by,
    };
    if block.starts_with(b"PAR1") {
        let tail = fetch(stored_bytes.saturating_sub(TAIL_BYTES), TAIL_BYTES).await?;
        let length = u64::from(little_endian(&tail));
        let index = fetch(stored_bytes.saturating_sub(TAIL_BYTES + length), length.min(INDEX_BYTES_MAX)).await?;
        let decoded = parquet_decoded_bytes(&index).ok();
        return Ok(Look { format: "parquet".to_owned(), ..found(decoded, "the Parquet index") });
    }
    if stored_bytes == block.len() as u64 {
        return Ok(found(Some(sample.decoded_bytes), "all of the file"));
    }
    if sample.compression == "gzip" {
        let tail = fetch(stored_bytes.saturating_sub(TAIL_BYTES), TAIL_BYTES).await?;
        let told = gzip_size(little_endian(&tail[tail.len().saturating_sub(4)..]), sampled);
        if is_believed(told, sampled) {
            return Ok(found(Some(told), "the gzip trailer"));
        }
    }
    if let Some(told) = packed_size(&block).filter(|told| is_believed(*told, sampled)) {
        return Ok(found(Some(told), "the zstd header"));
    }
    match (sample.compression.as_str(), sample.decoded_bytes) {
        (_, 0) => Ok(found(None, "nothing in the file")),
        ("none", _) => Ok(found(Some(stored_bytes), "the stored size")),
        _ => Ok(found(Some(sampled), "its first block")),
    }
}

/// What the first block comes to.
#[derive(Default)]
struct SampleOfBlock {
    decoded_bytes: u64,
    compression: String,
    format: String,
}

/// Decodes the first block. It ends in the middle of something, and so in an error at most times, which says nothing.
fn sample(prepared: &Prepared, uri: &str, block: &Bytes) -> SampleOfBlock {
    let plan = millpond_core::plan::plan(&prepared.source, 0);
    let request = prepared.decode_request(&plan, uri, 0);
    let Ok(mut decoder) = Decoder::open(Box::new(Cursor::new(block.clone())), request) else {
        return SampleOfBlock::default();
    };
    while let Ok(Some(_)) = decoder.next_batch() {
        decoder.take_rejects();
    }
    let summary = decoder.summary();
    SampleOfBlock {
        decoded_bytes: summary.decoded_bytes,
        compression: summary.compression.clone(),
        format: summary.format.to_owned(),
    }
}

/// The number in the first four bytes; 0 in fewer.
fn little_endian(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// The size that a gzip trailer means: of those that it stands for, the one nearest to what a sample says.
fn gzip_size(trailer: u32, sampled: u64) -> u64 {
    let trailer = u64::from(trailer);
    let turns = sampled.saturating_sub(trailer).saturating_add(GZIP_MODULUS / 2) / GZIP_MODULUS;
    trailer + turns * GZIP_MODULUS
}

fn is_believed(told: u64, sampled: u64) -> bool {
    told > 0 && sampled as f64 <= told as f64 * BELIEVED_FACTOR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailer_is_taken_for_the_size_that_a_sample_makes_likely() {
        let gib = |count: u64| count << 30;
        for (size, sampled) in [(1_000, 5_000), (gib(3), gib(2)), (gib(5), gib(4)), (gib(9), gib(10)), (7, 0)] {
            assert_eq!(gzip_size((size % GZIP_MODULUS) as u32, sampled), size, "{size} {sampled}");
        }
    }

    #[test]
    fn what_the_last_member_tells_is_not_taken_for_the_file() {
        assert!(is_believed(1_000, 2_900) && is_believed(1_000, 10));
        assert!(!is_believed(1_000, 3_100) && !is_believed(0, 10));
    }
}
