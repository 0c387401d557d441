//! The engine's integration tests, in one binary because each links the whole engine.

mod engines;
mod lint;
mod reference;
mod sql;
