//! Grok patterns, as regular expressions.

use millpond_core::{Error, Result};

use crate::Records;
use crate::rows::Rows;

/// Opens the reader.
pub(crate) fn open(
    pattern: &str,
    definitions: &[(String, String)],
    start: Option<&str>,
    rows: &Rows,
) -> Result<Box<dyn Records>> {
    let _ = (pattern, definitions, start, rows);
    Err(Error::bad_input("`grok` files are not supported in this version"))
}
