//! The decompressed size of a file, from what its compression or its index says, without decoding it. A hint for plans,
//! never a limit: the bytes may lie.

use crate::parquet;
use millpond_core::Result;

/// The mark at the start of a zstd frame (RFC 8878, 3.1.1).
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The size that the first frame of a zstd file tells of itself; `None` for another file, or where it does not tell.
pub fn packed_size(bytes: &[u8]) -> Option<u64> {
    let rest = bytes.strip_prefix(&ZSTD_MAGIC)?;
    let descriptor = *rest.first()?;
    let is_single = descriptor & 0x20 != 0;
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let length = match descriptor >> 6 {
        0 if is_single => 1,
        0 => return None,
        1 => 2,
        2 => 4,
        _ => 8,
    };
    let start = 1 + usize::from(!is_single) + dictionary;
    let mut size = [0; 8];
    size[..length].copy_from_slice(rest.get(start..start + length)?);
    // Two bytes count from 256.
    Some(u64::from_le_bytes(size) + if length == 2 { 256 } else { 0 })
}

/// The decompressed bytes of all columns of a Parquet file, from its index.
///
/// # Errors
/// [`Kind::BadInput`](millpond_core::Kind::BadInput) for an index that cannot be read.
pub fn parquet_decoded_bytes(index: &[u8]) -> Result<u64> {
    parquet::decoded_bytes(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zstd_frame_tells_its_size_in_each_of_its_ways() {
        for length in [0, 1, 255, 256, 65_791, 65_792, 1 << 20] {
            let mut compressor = zstd::bulk::Compressor::new(1).expect("compressor");
            compressor.include_contentsize(true).expect("setting");
            let packed = compressor.compress(&vec![7; length]).expect("packed");
            assert_eq!(packed_size(&packed), Some(length as u64), "{length}");
        }
        let mut streamed = zstd::stream::Encoder::new(Vec::new(), 1).expect("encoder");
        std::io::Write::write_all(&mut streamed, b"some").expect("written");
        assert_eq!(packed_size(&streamed.finish().expect("packed")), None);
        assert_eq!((packed_size(b"plain text"), packed_size(&ZSTD_MAGIC)), (None, None));
    }
}
