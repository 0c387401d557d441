//! Bytes in, tables out: what one job does between its input and its outputs, without object stores or queues.
//!
//! [`decode`] turns the bytes of a file into Arrow batches; [`prepare`](prepare::prepare) plans a source's SQL before any
//! data comes, on the [`engine`] that the source names; [`run`](run::run) drives decode, transform and signals in one pass
//! and counts every row; [`encode`] writes Parquet. The decoders are useful by themselves: see [`decode::Decoder`].

pub use millpond_decode as decode;

pub mod account;
pub mod encode;
pub mod engine;
pub mod file_table;
pub mod functions;
mod job_memory;
pub mod leaves;
pub mod limits;
pub mod lint;
pub mod memory;
mod ocsf;
pub mod parts;
pub mod prepare;
mod row_number;
pub mod rules;
pub mod run;
pub mod session;
pub mod shared;
pub mod sql;
pub mod tables;
mod work;
