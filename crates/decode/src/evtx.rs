//! Windows event log files.

use millpond_core::{Error, Result};

use crate::Records;
use crate::rows::Rows;
use crate::window::Window;

/// Opens the reader.
pub(crate) fn open(window: &mut Window, rows: &Rows) -> Result<Box<dyn Records>> {
    let _ = (window, rows);
    Err(Error::bad_input("`evtx` files are not supported in this version"))
}
