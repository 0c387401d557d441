//! The library's integration tests, in one binary because each links Delta and DataFusion.

mod formats;
mod ledger;
mod queues;
mod reference;
