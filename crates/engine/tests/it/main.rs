//! The engine's integration tests, in one binary because each links the whole engine.

mod lint;
mod sql;
