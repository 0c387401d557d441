//! The library's integration tests, in one binary because each links Delta and DataFusion.

mod alerting;
mod committer;
mod compaction;
mod formats;
mod landing;
mod ledger;
mod maintenance;
mod queues;
mod reference;
mod stopping;
