//! The crate as its users see it.

mod matching;
mod public_rules;
mod reference;
mod windows;
