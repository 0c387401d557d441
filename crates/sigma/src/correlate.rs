//! Correlating: what the matches of rules say together, over time, across files, sources and workers.
//!
//! It neither asks the clock nor does I/O: [`Match`]es go in, in any order, and [`Found`] episodes come out. What has to
//! be remembered between calls is a [`State`], which can be kept as bytes.
//!
//! # What a correlation means here
//!
//! The specification leaves much to the engine. These are our answers; tests hold each of them.
//!
//! - **Groups.** The matches of a correlation's rules are parted by the values of its `group-by` fields, compared exactly,
//!   by the name that an alias gives a field in each rule. A match that lacks one of them (an absent field and null are
//!   the same) belongs to no group and is left out, and so is one that lacks the `field` that is counted or calculated
//!   with, or has no finite number there. An empty text is a value. Without `group-by` there is one group.
//! - **Windows slide.** A window is as many matches of a group as lie within one `timespan`, both ends included; it is
//!   not aligned to anything.
//! - **Rising correlations** are those that more matches can fulfil but not undo: counts, temporal ones and sums with
//!   nothing but `gt` and `gte`, a greatest value with these, a least value with `lt` and `lte`. They hold as soon as
//!   there is *any* interval of at most a `timespan` whose matches meet every bound, and are told at once.
//! - **The others** (`lt`, `lte`, `eq`, `neq`, averages, percentiles) would be meaningless over any interval: every
//!   single match is "fewer than three". They look at *full* windows only, those to which no neighbouring match can be
//!   added, and are told once no match can be added any more: when [`State::expire`] has passed the window's first match
//!   by a `timespan`. So `event_count` with `lt: 3` means one or two matches with a `timespan` of silence around them.
//!   A window without any match is none: `eq: 0` never holds.
//! - **What is counted.** `event_count` counts distinct references: a row that two of the rules match is one event, and so
//!   is one that is reported twice. `value_count` counts distinct tuples of its fields. `temporal` counts the rules that
//!   matched. `temporal_ordered` counts the most of them that matched in the order of `rules`, leaving out any; rows of
//!   the same time count as in order. Sums, averages and percentiles take one number from each reference (that of the
//!   first rule in order). Sums leave out numbers below zero, so that they only rise, and are exact to nine decimals;
//!   percentiles lie linearly between the neighbouring values.
//! - **Episodes.** Windows that hold and overlap are one episode, and one [`Found`]. It grows with every match that
//!   prolongs it, and is told again when it does. Its name follows from the correlation, the group and its first match
//!   alone, so that whoever computes it over the same matches names it the same. A late match that comes before the first
//!   one, or joins two episodes, gives another name: the former is then [`Withdrawn`] and says what took its place.
//! - **Correlations of correlations.** A correlation matches, for another one, at each moment at which it holds (the end
//!   of each window), with its group as fields and its episode as reference. So `temporal_ordered` over "many failures"
//!   and "a success" finds the success in the middle of an attack of hours as well as at its end, and `event_count` over
//!   a correlation counts its episodes.
//! - **`generate: false`** silences what a correlation refers to, unless another that refers to it says `true`. Silent
//!   correlations are computed and not told; for rules there is [`Correlator::silenced_rules`].
//!
//! What is found does not depend on the order of matches, on how they are split into calls, or on the state being kept as
//! bytes in between, as long as no match comes later than [`State::expire`] allowed and no limit is reached.
//!
//! # Inside
//!
//! [`plan`] makes correlations ready, [`state`] hands matches to groups, [`group`] keeps the matches of one, [`windows`]
//! slides over them with what [`measure`] counts, [`episode`] joins windows, [`compare`] tells what changed.

mod codec;
mod compare;
mod episode;
mod group;
mod identity;
mod measure;
mod plan;
mod report;
mod state;
mod windows;

pub use plan::{Correlator, Limits};
pub use report::{Found, LeftOut, Match, Report, Withdrawn};
pub use state::State;
