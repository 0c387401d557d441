//! Sigma: rules are read and checked, and all of them are matched in one pass over Arrow columns.
//!
//! The specification is that of <https://github.com/SigmaHQ/sigma-specification>, version 2.1.0. A rule that cannot be
//! taken whole is refused with its file, its line and the way out; none is passed over in silence.
//!
//! - [`Collection::read`] turns YAML into [`Rule`]s, [`Correlation`]s and [`Filter`]s, with modifiers worked out: what
//!   is left are boolean expressions over a handful of [`Test`]s.
//! - [`windows_logsources`] says which log sources a Windows event belongs to.
//! - [`Pack`] keeps rules compiled in one file, and reads those for some log sources in milliseconds.
//! - [`Matcher`] finds which rows of a batch match which rules.
//!
//! Logic is two-valued: a test on a field that an event lacks is false, so its negation is true.

mod collection;
mod condition;
mod correlate;
mod correlation;
mod display;
mod matcher;
mod pack;
mod pattern;
mod read;
mod rule;
mod rule_set;
mod scanner;
mod windows;

pub use collection::{Collection, Rejection, RuleFile};
pub use condition::{Comparison, Expr, Placement, Predicate, RegexTest, Subject, Test, TimePart};
pub use correlate::{Correlator, Found, LeftOut, Limits, Match, Report, State, Withdrawn};
pub use correlation::{Alias, Correlation, CorrelationKind, Filter, FilteredRules, Threshold};
pub use matcher::{Hit, Matcher};
pub use pack::{Pack, source_hash};
pub use pattern::{Pattern, Piece, fold};
pub use read::Placeholders;
pub use rule::{About, Rule, Status};
pub use rule_set::{RuleSet, Wanted};
pub use scanner::{Scanner, wanted};
pub use windows::{windows_field, windows_logsources};

/// The example of the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
