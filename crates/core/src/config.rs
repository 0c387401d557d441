//! The pond's configuration, and the reading of TOML that says everything that is wrong at once, with file and line.

mod health;
mod hunt;
mod lanes;
mod pond;
mod section;

pub use health::{CHECKS, Health, Watch};
pub use hunt::HuntConfig;
pub use pond::{Allow, Driver, EnrichTable, GeoIp, Input, PondConfig, TableRows};
pub use section::{Problem, Problems, Section};
