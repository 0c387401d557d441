//! The frame of a pack: what stands before and behind its parts.

use millpond_core::logsource::LogSource;
use millpond_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::broken;

const MAGIC: &[u8; 8] = b"MPSIGMA\n";
/// Anything that gives the bytes another meaning makes a new version: a field, a variant, a limit that is lower.
const VERSION: u32 = 1;
/// Magic, version, length of the header.
const HEAD_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
/// What all parts may come to when they are unpacked; the public rule set comes to less than a tenth.
pub(super) const UNPACKED_BYTES_MAX: u64 = 48 << 20;
/// How many tests and operators all conditions may come to; the public rule set comes to less than a twentieth.
pub(super) const STEPS_MAX: u32 = 4_000_000;
/// How deep they may lie in each other. What is read from YAML is bounded by that of YAML and that of conditions, 64 each.
pub(super) const DEPTH_MAX: u32 = 256;

/// What a pack says about itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) source_hash: [u8; 32],
    /// How many documents were refused.
    pub(super) rejected: u32,
    /// By log source, in order.
    pub(super) sections: Vec<Section>,
    pub(super) correlations: Part,
}

/// The rules of one log source.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Section {
    pub(super) logsource: LogSource,
    /// How many there are.
    pub(super) rules: u32,
    pub(super) part: Part,
}

/// Bytes that are compressed by themselves.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Part {
    /// From the start of all parts.
    pub(super) offset: u64,
    /// Compressed bytes.
    pub(super) length: u64,
    /// What they unpack to.
    pub(super) unpacked: u64,
}

impl Part {
    /// Its bytes among those of all parts.
    pub(super) fn of<'b>(&self, parts: &'b [u8]) -> Result<&'b [u8]> {
        let end = self.offset.checked_add(self.length);
        let range = end.map(|end| self.offset as usize..end as usize);
        range.and_then(|range| parts.get(range)).ok_or_else(|| broken("a part of the pack lies outside of it"))
    }
}

/// The bytes of a pack.
pub(super) fn seal(header: &Header, parts: &[u8]) -> Result<Vec<u8>> {
    let header = encoded(header)?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((header.len() as u32).to_le_bytes());
    bytes.extend(header);
    bytes.extend(parts);
    let hash = blake3::hash(&bytes);
    bytes.extend(hash.as_bytes());
    Ok(bytes)
}

/// The header of a pack, and where its parts start.
pub(super) fn open(bytes: &[u8]) -> Result<(Header, usize)> {
    let (head, _) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or_else(no_pack)?;
    let [version, header_length] =
        [8, 12].map(|at| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]));
    if !head.starts_with(MAGIC) {
        return Err(no_pack());
    }
    if version != VERSION {
        let message =
            format!("the pack of compiled rules has version {version}, and this program reads version {VERSION}");
        return Err(broken(message));
    }
    let header = whole(bytes)?.get(HEAD_BYTES..HEAD_BYTES + header_length as usize);
    let header: Header = header.and_then(|bytes| postcard::from_bytes(bytes).ok()).ok_or_else(damaged)?;
    let parts_start = HEAD_BYTES + header_length as usize;
    header.check(bytes.len() - HASH_BYTES - parts_start)?;
    Ok((header, parts_start))
}

/// All but the hash at the end, which it fits.
fn whole(bytes: &[u8]) -> Result<&[u8]> {
    let (content, hash) = bytes.split_last_chunk::<HASH_BYTES>().ok_or_else(damaged)?;
    if blake3::hash(content) != blake3::Hash::from_bytes(*hash) {
        return Err(damaged());
    }
    Ok(content)
}

impl Header {
    /// Checks where its parts lie among so many bytes, and what they come to.
    fn check(&self, bytes: usize) -> Result<()> {
        let parts = self.sections.iter().map(|section| &section.part).chain([&self.correlations]);
        let is_outside = |part: &Part| part.offset.checked_add(part.length).is_none_or(|end| end > bytes as u64);
        let unpacked = parts.clone().fold(0u64, |sum, part| sum.saturating_add(part.unpacked));
        match unpacked > UNPACKED_BYTES_MAX || parts.clone().any(is_outside) {
            true => Err(damaged()),
            false => Ok(()),
        }
    }
}

/// In postcard.
pub(super) fn encoded<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    postcard::to_allocvec(value).map_err(|cause| Error::bug("cannot encode a pack of rules").because(cause.to_string()))
}

fn no_pack() -> Error {
    broken("these bytes are no pack of compiled rules")
}

pub(super) fn damaged() -> Error {
    broken("the pack of compiled rules is damaged or cut off")
}
