//! Syslog lines after RFC 3164 and RFC 5424, and what their messages hold.

use millpond_core::{Error, Result};

use crate::Records;
use crate::rows::Rows;

/// Opens the reader.
pub(crate) fn open(payload: millpond_core::format::Payload, rows: &Rows) -> Result<Box<dyn Records>> {
    let _ = (payload, rows);
    Err(Error::bad_input("`syslog` files are not supported in this version"))
}
