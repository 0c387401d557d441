//! Windows events as XML.

use millpond_core::{Error, Result};

use crate::Records;
use crate::rows::Rows;

/// Opens the reader.
pub(crate) fn open(rows: &Rows) -> Result<Box<dyn Records>> {
    let _ = (rows);
    Err(Error::bad_input("`winxml` files are not supported in this version"))
}
