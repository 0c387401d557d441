//! One error type for the whole path. A kind exists only where a caller does something different with it.

use std::error::Error as StdError;
use std::fmt;

/// What the caller must do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Network, throttling, timeout: leave the event unacknowledged and back off.
    Transient,
    /// Another runner moved the ledger or the object changed: read again, decide again.
    Conflict,
    /// A planned limit was reached: plan again one lane up; in the top lane the file goes to quarantine.
    TooBig,
    /// This file cannot be used: quarantine it, then acknowledge.
    BadInput,
    /// The source's SQL, the pond's configuration or a permission is wrong: a person must change something.
    BadConfig,
    /// Access control says no to a caller: never retry.
    Denied,
    /// An invariant broke: stop this job; the event comes back.
    Bug,
}

impl Kind {
    /// The kind as it is written in receipts and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Conflict => "conflict",
            Self::TooBig => "too_big",
            Self::BadInput => "bad_input",
            Self::BadConfig => "bad_config",
            Self::Denied => "denied",
            Self::Bug => "bug",
        }
    }
}

/// An error: what was attempted on what, and what to do about it.
///
/// `Display` prints the message alone; [`Error::report`] prints the chain of causes and the hint.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    message: String,
    hint: Option<String>,
    needs_memory: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The result of anything that can fail with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident),* $(,)?) => {
        $($(#[$doc])* pub fn $name(message: impl Into<String>) -> Self { Self::new(Kind::$kind, message) })*
    };
}

impl Error {
    /// An error of `kind`. The message is lower case, has no full stop and names what was attempted on what.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), hint: None, needs_memory: false, source: None }))
    }

    constructors! {
        /// See [`Kind::Transient`].
        transient => Transient,
        /// See [`Kind::Conflict`].
        conflict => Conflict,
        /// See [`Kind::TooBig`].
        too_big => TooBig,
        /// See [`Kind::BadInput`].
        bad_input => BadInput,
        /// See [`Kind::BadConfig`].
        bad_config => BadConfig,
        /// See [`Kind::Bug`].
        bug => Bug,
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(cause.into());
        self
    }

    /// Says that the limit is one of memory or of what is spilled, so that a larger lane would help.
    #[must_use]
    pub fn for_memory(mut self) -> Self {
        self.0.needs_memory = true;
        self
    }

    /// Whether a larger lane would help.
    pub fn needs_memory(&self) -> bool {
        self.0.needs_memory
    }

    /// What the caller must do.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What the reader can do, where anything helps.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The message and its causes on one line, as receipts keep it.
    pub fn chain(&self) -> String {
        let mut text = self.0.message.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            let next = error.to_string();
            if !text.contains(&next) {
                text.push_str(": ");
                text.push_str(&next);
            }
            cause = error.source();
        }
        text
    }

    /// The chain and the hint, as a terminal shows them.
    pub fn report(&self) -> String {
        match self.hint_text() {
            Some(hint) => format!("{}\n  hint: {hint}", self.chain()),
            None => self.chain(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.report())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_names_cause_and_hint() {
        let error = Error::bad_input("failed to open `a.gz`")
            .because(std::io::Error::other("short read"))
            .hint("is it complete?");
        assert_eq!(error.to_string(), "failed to open `a.gz`");
        assert_eq!(error.report(), "failed to open `a.gz`: short read\n  hint: is it complete?");
    }
}
