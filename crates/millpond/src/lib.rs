//! millpond, the library: moves files through the path and keeps the lake.
//!
//! [`pipeline::process`] is the path of one object; [`worker`] feeds it from the pond's inputs; the [`committer`] is the
//! only writer of table metadata and the only arbiter of what is done. No entry point holds product logic: the command,
//! and whatever else wakes the program, calls these functions.

pub mod alerting;
pub mod audit;
pub mod clock;
pub mod committer;
pub mod compaction;
pub mod correlating;
pub mod crash;
pub mod engines;
pub mod erase;
pub mod expire;
pub mod explain;
pub mod freshness;
pub mod hunt;
mod intake;
pub mod job_threads;
pub mod lake;
pub mod lane_stats;
pub mod learn;
pub mod ledger;
pub mod maintenance;
pub mod metrics;
mod news;
mod ocsf_views;
pub mod pack_speed;
pub mod packs;
pub mod pipeline;
pub mod planner;
pub mod pond;
pub mod preview;
mod put;
pub mod query;
pub mod queue;
pub mod recognize;
pub mod replay;
mod rewrite;
pub mod rules;
pub mod scaffold;
pub mod scan;
pub mod signals;
pub mod source_test;
pub mod stats;
mod steps;
pub mod store;
pub mod tables;
pub mod traces;
pub mod vacuum;
pub mod worker;

pub use millpond_engine::memory;
