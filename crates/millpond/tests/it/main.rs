//! The library's integration tests, in one binary because each links Delta and DataFusion.

mod formats;
mod queues;
mod reference;
