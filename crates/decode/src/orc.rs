//! Apache ORC.

use millpond_core::{Error, Result};

use crate::Records;
use crate::rows::Rows;
use crate::window::Window;

/// Opens the reader.
pub(crate) fn open(
    window: &mut Window,
    rows: &Rows,
    request: &millpond_core::format::DecodeRequest,
) -> Result<Box<dyn Records>> {
    let _ = (window, rows, request);
    Err(Error::bad_input("`orc` files are not supported in this version"))
}
