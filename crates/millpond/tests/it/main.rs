//! The library's integration tests, in one binary because each links Delta and DataFusion.

mod committer;
mod compaction;
mod formats;
mod health;
mod landing;
mod ledger;
mod maintenance;
mod old_signals;
mod periodic;
mod queues;
mod reference;
mod signal_examples;
mod stopping;
