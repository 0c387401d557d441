//! The crate as its users see it.

mod matching;
mod reference;
