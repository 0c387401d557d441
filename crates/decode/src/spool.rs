//! Files that can only be read from a place that allows seeking: they pass through a temporary file.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};

use millpond_core::{Error, Result};

use crate::window::Window;

/// Writes the rest of the window to a temporary file and gives it, at its start.
///
/// # Errors
/// Those of the input; `Transient` where the temporary folder cannot be written.
pub(crate) fn spool(window: &mut Window) -> Result<File> {
    let failed = |error: std::io::Error| Error::transient("failed to write a temporary file").because(error);
    let mut file = BufWriter::new(tempfile::tempfile().map_err(failed)?);
    loop {
        file.write_all(window.bytes()).map_err(failed)?;
        window.consume(window.bytes().len());
        if !window.fill()? {
            break;
        }
    }
    let mut file = file.into_inner().map_err(|error| failed(error.into_error()))?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    Ok(file)
}
