//! Packs: rules compiled once, to one file that is read in milliseconds.
//!
//! The file, with numbers in little endian: `MPSIGMA\n`, the version (`u32`), the length of the header (`u32`), the header,
//! the parts one after the other, and the BLAKE3 of all that. The header is [`postcard`] and says what the pack was made
//! from and where each part lies: one part for the rules of each log source, one for the correlations. A part is
//! compressed with zstd by itself, so a job that needs the rules of one log source reads no others.
//!
//! Whatever the bytes are, reading them allocates no more than a small multiple of what the limits in `layout` allow.

mod conditions;
mod layout;
mod parts;
#[cfg(test)]
mod tests;

use millpond_core::logsource::LogSource;
use millpond_core::{Error, Result};

use crate::collection::{Collection, RuleFile};
use crate::correlation::Correlation;
use crate::read::Placeholders;
use crate::rule_set::RuleSet;
use layout::{Header, Section};
use parts::{Loader, Writer};

/// Compiled rules: the bytes of a pack, checked, and where each log source lies in them.
pub struct Pack<B> {
    bytes: B,
    header: Header,
    /// Where the parts start in the bytes.
    parts_start: usize,
}

impl Pack<Vec<u8>> {
    /// The bytes of a pack of these rules and correlations. `source_hash` says what they were made from; see
    /// [`source_hash`].
    ///
    /// # Errors
    /// When there is more than a pack may hold.
    pub fn write(collection: &Collection, source_hash: [u8; 32]) -> Result<Vec<u8>> {
        let mut writer = Writer::default();
        let sections = writer.sections(&collection.rules)?;
        let correlations = writer.part(&layout::encoded(&collection.correlations)?)?;
        let rejected = collection.rejections.len() as u32;
        layout::seal(&Header { source_hash, rejected, sections, correlations }, &writer.parts)
    }
}

impl<B: AsRef<[u8]>> Pack<B> {
    /// Opens a pack: checks that the bytes are whole and reads where everything lies.
    ///
    /// # Errors
    /// When these are no pack, one of another version, or not all of its bytes as they were written.
    pub fn open(bytes: B) -> Result<Self> {
        let (header, parts_start) = layout::open(bytes.as_ref())?;
        Ok(Self { bytes, header, parts_start })
    }

    /// The rules for the log sources that are `wanted`, in the order in which they were compiled, and all correlations.
    /// The log source that is asked about is that of rules, so events decide by [`LogSource::takes`]:
    /// `pack.load(|rules| events.iter().any(|event| rules.takes(event)))` gives what [`RuleSet::fitting`] can ask for.
    ///
    /// # Errors
    /// When a part is not as the header says.
    pub fn load(&self, wanted: impl Fn(&LogSource) -> bool) -> Result<RuleSet> {
        let mut loader = Loader::new(&self.bytes.as_ref()[self.parts_start..])?;
        for section in self.header.sections.iter().filter(|section| wanted(&section.logsource)) {
            loader.section(section)?;
        }
        let correlations: Vec<Correlation> = loader.list(&self.header.correlations)?;
        Ok(RuleSet::new(loader.rules(), correlations))
    }

    /// What the pack was made from: the hash that [`Pack::write`] was given. A pack whose hash is not that of the files at
    /// hand is out of date.
    pub fn source_hash(&self) -> [u8; 32] {
        self.header.source_hash
    }

    /// The log sources of its rules, each with the number of rules.
    pub fn logsources(&self) -> impl Iterator<Item = (&LogSource, u32)> {
        self.header.sections.iter().map(|Section { logsource, rules, .. }| (logsource, *rules))
    }

    /// How many documents were refused when it was compiled.
    pub fn rejected(&self) -> u32 {
        self.header.rejected
    }
}

/// The hash of what a pack is made from: names and texts of the files in any order, placeholders, and the version of this
/// crate, whose reader may understand the same text differently.
pub fn source_hash(files: &[RuleFile], placeholders: &Placeholders) -> [u8; 32] {
    let mut files: Vec<(&str, &str)> = files.iter().map(|file| (file.name.as_str(), file.text.as_str())).collect();
    files.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    let mut add = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    add(env!("CARGO_PKG_VERSION"));
    add(&files.len().to_string());
    files.iter().for_each(|(name, text)| {
        add(name);
        add(text);
    });
    for (name, values) in placeholders {
        add(name);
        add(&values.len().to_string());
        values.iter().for_each(|value| add(value));
    }
    hasher.finalize().into()
}

/// What is wrong with the bytes of a pack, and the way out.
fn broken(what: impl Into<String>) -> Error {
    Error::bad_config(what).hint("write it again from its rules")
}
