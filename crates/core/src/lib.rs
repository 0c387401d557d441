//! Pure values and decisions of millpond: what an event, a source, a route, a job, a plan and a receipt are.
//!
//! Nothing here reads a file, asks the clock or knows Arrow: every function is decided by its arguments, so every
//! rule of the path can be tested without one. The words are those of `ARCHITECTURE.md`.

pub mod admission;
pub mod alert;
pub mod balance;
pub mod columns;
pub mod config;
pub mod date;
pub mod day;
pub mod error;
pub mod event;
pub mod format;
pub mod glob;
pub mod guard;
pub mod indicator;
pub mod inventory;
pub mod job;
pub mod lane;
pub mod logsource;
pub mod notice;
pub mod plan;
pub mod predict;
pub mod price;
pub mod receipt;
pub mod recognize;
pub mod route;
pub mod signal;
pub mod sizing;
pub mod source;
pub mod units;

pub use error::{Error, Kind, Result};
