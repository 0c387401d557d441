//! The Open Cybersecurity Schema Framework over Arrow.
//!
//! [`Schema`] is OCSF 1.8.0 as data. A [`Completer`] takes rows that name what a log says (`src_endpoint`, `user`,
//! `activity_id`) and adds what follows from it: the class and category by number and name, the texts of ids, the metadata, the
//! observables; its columns have the schema's types, and what the schema lacks is told before any row comes. [`validate()`]
//! holds finished events against the schema.

mod complete;
pub mod conform;
mod events;
mod observables;
pub mod schema;
mod shape;
pub mod validate;

pub use complete::Completer;
pub use events::events;
pub use schema::Schema;
pub use shape::Problem;
pub use validate::{Finding, Level, validate};
