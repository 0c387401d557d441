//! Binary files by their first bytes.

use millpond_core::format::Format;

use crate::archive::tar;

/// What a binary file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Magic {
    /// An archive of members.
    Archive(Archive),
    Evtx,
    Parquet,
    Arrow,
    Avro,
    Orc,
    Sqlite,
    Rar,
}

/// A kind of archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Archive {
    Tar,
    Zip,
    SevenZip,
}

impl Archive {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tar => "tar",
            Self::Zip => "zip",
            Self::SevenZip => "7z",
        }
    }
}

impl Magic {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Archive(archive) => archive.name(),
            Self::Evtx => "evtx",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Avro => "avro",
            Self::Orc => "orc",
            Self::Sqlite => "sqlite",
            Self::Rar => "rar",
        }
    }

    /// The format of records, for what is no archive.
    pub(crate) fn format(self) -> Option<Format> {
        match self {
            Self::Evtx => Some(Format::Evtx),
            Self::Parquet => Some(Format::Parquet),
            Self::Arrow => Some(Format::Arrow),
            Self::Avro => Some(Format::Avro),
            Self::Orc => Some(Format::Orc),
            Self::Archive(_) | Self::Sqlite | Self::Rar => None,
        }
    }
}

/// The kind of a binary file that its first bytes show.
pub(crate) fn detect(bytes: &[u8]) -> Option<Magic> {
    let has_control = bytes.iter().take(16).any(|byte| *byte < 9);
    match bytes {
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Magic::Archive(Archive::Zip)),
        // One of the volumes of a split archive, or written as if it were.
        [b'P', b'K', 7, 8, b'P', b'K', 3, 4, ..] => Some(Magic::Archive(Archive::Zip)),
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => Some(Magic::Archive(Archive::SevenZip)),
        [b'R', b'a', b'r', b'!', 0x1a, 7, ..] => Some(Magic::Rar),
        [b'O', b'b', b'j', 1, ..] => Some(Magic::Avro),
        [b'O', b'R', b'C', ..] if has_control => Some(Magic::Orc),
        [b'P', b'A', b'R', b'1', ..] => Some(Magic::Parquet),
        _ if bytes.starts_with(b"ElfFile\0") => Some(Magic::Evtx),
        _ if bytes.starts_with(b"ARROW1\0\0") || is_arrow_stream(bytes) => Some(Magic::Arrow),
        _ if bytes.starts_with(b"SQLite format 3\0") => Some(Magic::Sqlite),
        _ if bytes.get(257..262) == Some(b"ustar") || is_old_tar(bytes) || is_empty_tar(bytes) => {
            Some(Magic::Archive(Archive::Tar))
        }
        _ => None,
    }
}

/// The tar of Unix version 7 has no magic, but a sum over its first header.
fn is_old_tar(bytes: &[u8]) -> bool {
    let is_kind = |byte: &u8| matches!(byte, 0 | b'0'..=b'5');
    bytes.first().is_some_and(|byte| *byte != 0) && bytes.get(156).is_some_and(is_kind) && tar::is_header(bytes)
}

/// A tar without members is two blocks of zeros, or a whole record of 20.
fn is_empty_tar(bytes: &[u8]) -> bool {
    let blocks = bytes.len() / tar::BLOCK_BYTES;
    let is_whole = bytes.len() == blocks * tar::BLOCK_BYTES;
    is_whole && (2..=20).contains(&blocks) && bytes.iter().all(|byte| *byte == 0)
}

/// An Arrow stream starts with a continuation mark, the length of a schema message and the table's root offset.
fn is_arrow_stream(bytes: &[u8]) -> bool {
    match bytes {
        [0xff, 0xff, 0xff, 0xff, length @ ..] if length.len() >= 8 => {
            let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
            length.is_multiple_of(8) && (8..1 << 24).contains(&length)
        }
        _ => false,
    }
}

/// Whether the first bytes are those of a binary format.
pub(crate) fn is_binary(bytes: &[u8]) -> bool {
    detect(bytes).is_some()
}
