//! Archives: files that hold files. Each member is decoded as the file it is.

use std::io::Read;

use millpond_core::{Error, Result};

use crate::magic;
use crate::stream::Damage;
use crate::window::Window;

/// What a member's name stands behind in `_file`: `logs.zip!/2024/app.log`.
pub(crate) const MEMBER_MARK: &str = "!/";

/// One open archive.
pub(crate) trait Archive: Send {
    /// The next member that is a file; `None` at the end. The reader of the member before is not used any more.
    ///
    /// A damaged archive gives the members before the damage, adds the damage to the meter of the file, and ends.
    ///
    /// # Errors
    /// Those of the input and of limits.
    fn next(&mut self) -> Result<Option<Member>>;
}

/// One member of an archive.
pub(crate) struct Member {
    /// Its path inside the archive, as written there; bytes that are no UTF-8 are replaced.
    pub(crate) name: String,
    /// Its bytes, or why they cannot be had.
    pub(crate) body: std::result::Result<Box<dyn Read + Send>, Damage>,
}

/// Opens the archive that the window starts with.
///
/// # Errors
/// `BadInput` for an archive that cannot be read at all.
pub(crate) fn open(kind: magic::Archive, window: Window) -> Result<Box<dyn Archive>> {
    let _ = window;
    Err(Error::bad_input(format!("`{}` archives are not supported in this version", kind.name())))
}
