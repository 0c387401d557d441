//! Archives: files that hold files. Each member is decoded as the file it is.

mod seven_zip;
pub(crate) mod tar;
mod zip;

use std::io::Read;

use millpond_core::Result;

use crate::magic;
use crate::stream::Damage;
use crate::window::Window;

/// What a member's name stands behind in `_file`: `logs.zip!/2024/app.log`.
pub(crate) const MEMBER_MARK: &str = "!/";

/// One open archive.
pub(crate) trait Archive: Send {
    /// The next member that is a file; `None` at the end. The reader of the member before is not used any more.
    ///
    /// A damaged archive gives the members that can be had. The damage is added to the meter of the file when the
    /// archive is opened or when it ends.
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
    pub(crate) body: Body,
}

/// The bytes of a member, or why they cannot be had.
pub(crate) type Body = std::result::Result<Box<dyn Read + Send>, Damage>;

/// Opens the archive that the window starts with.
///
/// # Errors
/// `BadInput` for an archive that cannot be read at all.
pub(crate) fn open(kind: magic::Archive, mut window: Window) -> Result<Box<dyn Archive>> {
    window.set_archive();
    Ok(match kind {
        magic::Archive::Tar => Box::new(tar::Tar::new(window)),
        magic::Archive::Zip => Box::new(zip::Zip::open(window)?),
        magic::Archive::SevenZip => Box::new(seven_zip::SevenZip::open(window)?),
    })
}

fn unreadable(detail: impl Into<String>) -> Damage {
    Damage { reason: "unreadable_member", detail: detail.into(), raw: Vec::new(), cuts_text: false }
}
