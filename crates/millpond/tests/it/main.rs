//! The library's integration tests, in one binary because each links Delta and DataFusion.

mod alerting;
mod committer;
mod compaction;
mod formats;
mod gone;
mod health;
mod landing;
mod ledger;
mod maintenance;
mod old_signals;
mod periodic;
mod queues;
mod reference;
#[path = "../../../sigma/tests/it/reference.rs"]
mod rule_reference;
mod rule_sql;
mod signal_examples;
mod stopping;
