//! What a task says when it cannot go on.

use std::fmt::{self, Display};

/// A result whose error is a sentence.
pub(crate) type Result<T = ()> = std::result::Result<T, Error>;

/// What was attempted on what, and why it failed.
#[derive(Debug)]
pub(crate) struct Error(String);

impl Error {
    /// An error with this message.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Says what was attempted when something fails.
pub(crate) trait Context<T> {
    /// Puts `attempt` in front of the cause, such as "cannot read `x`".
    fn context(self, attempt: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Display> Context<T> for std::result::Result<T, E> {
    fn context(self, attempt: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|cause| Error(format!("{}: {cause}", attempt())))
    }
}
