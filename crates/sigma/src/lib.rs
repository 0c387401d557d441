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
//! - [`Correlator`] and [`State`] find what matches say together, over time and across files.
//!
//! Logic is two-valued: a test on a field that an event lacks is false, so its negation is true.
//!
//! # Correlations
//!
//! ```
//! use millpond_sigma::{Collection, Correlator, Limits, Match, RuleFile, RuleSet, State};
//!
//! let text = "
//! title: Failed login
//! name: failed_login
//! logsource: {product: okta}
//! detection: {selection: {outcome: FAILURE}, condition: selection}
//! ---
//! title: Many failed logins
//! name: many_failed_logins
//! correlation:
//!   type: event_count
//!   rules: [failed_login]
//!   group-by: [user]
//!   timespan: 5m
//!   condition: {gte: 3}
//! ";
//! let file = RuleFile { name: "logins.yml".to_owned(), text: text.to_owned() };
//! let rules = RuleSet::from(Collection::read([file]));
//! let correlator = Correlator::new(&rules, Limits::default())?;
//! assert!(correlator.silenced_rules().contains("failed_login"));
//!
//! let failed = |second: i64, reference: u128| Match {
//!     rule: "failed_login".to_owned(),
//!     time_us: second * 1_000_000,
//!     fields: [("user".to_owned(), "ada".to_owned())].into(),
//!     reference,
//! };
//! // The matches of one file, and later those of another that lies in between.
//! let mut state = State::default();
//! assert!(state.absorb(&correlator, [failed(10, 1), failed(200, 2)]).found.is_empty());
//! let mut state = State::from_bytes(&state.to_bytes()?)?;
//! let report = state.absorb(&correlator, [failed(60, 3)]);
//!
//! let found = &report.found[0];
//! assert_eq!((found.first_us, found.last_us, found.value), (10_000_000, 200_000_000, 3.0));
//! assert_eq!(found.group, [("user".to_owned(), "ada".to_owned())]);
//! assert_eq!((found.matches.as_slice(), found.is_new), ([1, 3, 2].as_slice(), true));
//!
//! // Nothing earlier will come: what no match can reach any more is forgotten.
//! state.expire(&correlator, 600_000_000);
//! assert_eq!(state.matches(), 0);
//! # Ok::<(), millpond_core::Error>(())
//! ```

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
