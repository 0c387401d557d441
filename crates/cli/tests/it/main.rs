//! The real binary on real files: what a user relies on.

mod alerts;
mod check;
mod correlations;
mod crash;
mod demo;
mod engines;
mod http;
mod hunt;
mod lake;
mod lanes;
mod peers;
mod pond;
mod query;
mod queue;
mod readme;
mod recognize;
mod reference;
mod replay;
mod run;
mod samples;
mod scaffold;
mod serve;
mod sigma;
mod signals;
mod sources;
mod traces;
