//! A job: one event under one source version.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::event::Object;

/// What a job is known by: a hash of the object's address and version and of the source's name and version.
///
/// The same job has the same id on every machine and every try, so its outputs can be recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId([u8; 16]);

impl JobId {
    /// The id of the job that runs `source` in `source_version` over `object`.
    pub fn new(object: &Object, source: &str, source_version: u32) -> Self {
        Self(hash([&object.uri, &object.version, source, &source_version.to_string()]))
    }

    /// The id written as 32 hexadecimal digits, if `text` is one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        if text.len() != 32 || !text.is_ascii() {
            return None;
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What the ledger remembers of finished work: an object's content under a source, whatever the source's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkKey([u8; 16]);

impl WorkKey {
    /// The key of `source` over the object at `uri` in `version`.
    pub fn new(uri: &str, version: &str, source: &str) -> Self {
        Self(hash([uri, version, source]))
    }
}

/// The first half of SHA-256 over the parts, each preceded by its length so that no two lists of parts look alike.
fn hash<const N: usize>(parts: [&str; N]) -> [u8; 16] {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_le_bytes());
        sha.update(part.as_bytes());
    }
    let digest = sha.finalize();
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(uri: &str, version: &str) -> Object {
        Object {
            uri: uri.into(),
            bucket: None,
            key: String::new(),
            version: version.into(),
            size_bytes: 0,
            modified_us: 0,
        }
    }

    #[test]
    fn ids_depend_on_every_part_and_on_nothing_else() {
        let id = JobId::new(&object("file:///a", "1"), "s", 1);
        assert_eq!(id, JobId::new(&Object { size_bytes: 9, ..object("file:///a", "1") }, "s", 1));
        for other in [
            JobId::new(&object("file:///a1", ""), "s", 1),
            JobId::new(&object("file:///a", "2"), "s", 1),
            JobId::new(&object("file:///a", "1"), "s1", 1),
            JobId::new(&object("file:///a", "1"), "s", 2),
        ] {
            assert_ne!(id, other);
        }
    }

    #[test]
    fn ids_are_stable_and_print_as_they_parse() {
        let id = JobId::new(&object("file:///a", "1"), "s", 1);
        assert_eq!(id.to_string(), "7497a610ffa03db18b614be219f0f976");
        assert_eq!(JobId::parse(&id.to_string()), Some(id));
        assert_eq!(JobId::parse("x"), None);
    }
}
