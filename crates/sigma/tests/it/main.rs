//! Rules in, conditions out: read as users write them.

mod public_rules;
mod windows;
