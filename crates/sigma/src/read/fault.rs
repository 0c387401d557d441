//! What is wrong with a document, and on which line.

use millpond_core::Error;

/// How many names a hint lists at most.
const NAMES_MAX: usize = 40;
/// Which names are compared with one that nobody knows, and how many of them: comparing takes the product of lengths.
const COMPARED_BYTES_MAX: usize = 200;
const COMPARED_MAX: usize = 10_000;

/// What is wrong, and where.
#[derive(Debug)]
pub(crate) struct Fault {
    /// From 1.
    pub(crate) line: u32,
    pub(crate) error: Error,
}

/// The result of reading a part of a document.
pub(crate) type Result<T> = std::result::Result<T, Fault>;

impl Fault {
    /// The fault `error` on a line, which is 1 where none is known.
    pub(crate) fn new(line: impl TryInto<u32>, error: Error) -> Self {
        Self { line: line.try_into().unwrap_or(1).max(1), error }
    }
}

/// A fault with a message alone.
pub(crate) fn fault<T>(line: u32, message: impl Into<String>) -> Result<T> {
    Err(Fault::new(line, Error::bad_config(message)))
}

/// A fault with a message and what helps.
pub(crate) fn fault_with_hint<T>(line: u32, message: impl Into<String>, hint: impl Into<String>) -> Result<T> {
    Err(Fault::new(line, Error::bad_config(message).hint(hint)))
}

/// The hint that names the nearest of the known names, or all of them where none is near.
pub(crate) fn hint_of_names<'n>(name: &str, known: impl IntoIterator<Item = &'n str> + Clone) -> String {
    let is_comparable = |name: &&str| (1..=COMPARED_BYTES_MAX).contains(&name.len());
    let comparable = known.clone().into_iter().filter(is_comparable).take(COMPARED_MAX);
    match Some(name).filter(is_comparable).and_then(|name| millpond_core::units::nearest(name, comparable)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let names: Vec<String> = known.into_iter().take(NAMES_MAX).map(|name| format!("`{name}`")).collect();
            if names.is_empty() { "there are none".to_owned() } else { format!("there are {}", names.join(", ")) }
        }
    }
}
