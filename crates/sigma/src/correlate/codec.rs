//! State as bytes: a version, a checksum, and the state in postcard's encoding.

use millpond_core::{Error, Result};

use super::identity::checksum;
use super::state::State;

/// The version of the encoding.
const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 16;

impl State {
    /// The state as bytes, the same for the same state.
    ///
    /// # Errors
    ///
    /// Fails only by a defect.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let head = vec![0; 1 + CHECKSUM_BYTES];
        let mut bytes = postcard::to_extend(self, head)
            .map_err(|error| Error::bug("the state of correlations cannot be encoded").because(error))?;
        let checksum = checksum(&bytes[1 + CHECKSUM_BYTES..]);
        bytes[0] = VERSION;
        bytes[1..=CHECKSUM_BYTES].copy_from_slice(&checksum.to_le_bytes());
        Ok(bytes)
    }

    /// The state from bytes.
    ///
    /// # Errors
    ///
    /// Fails when another version wrote them, or when they are damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let refused = |reason: String| {
            Error::bad_input(format!("the state of correlations cannot be read: {reason}"))
                .hint("delete it, and correlations begin anew")
        };
        let Some((version, rest)) = bytes.split_first() else { return Err(refused("it is empty".to_owned())) };
        if *version != VERSION {
            return Err(refused(format!("it has version {version}, and {VERSION} is known")));
        }
        let Some((expected, body)) = rest.split_first_chunk::<CHECKSUM_BYTES>() else {
            return Err(refused(format!("it has {} bytes", bytes.len())));
        };
        if checksum(body) != u128::from_le_bytes(*expected) {
            return Err(refused("it is damaged".to_owned()));
        }
        postcard::from_bytes(body).map_err(|error| refused("it is no state".to_owned()).because(error))
    }
}
