//! What a rule tests, with every modifier worked out.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::pattern::Pattern;

/// A boolean expression over tests of one event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Expr {
    /// True when all are; true when there are none.
    All(Vec<Expr>),
    /// True when any is; false when there are none.
    Any(Vec<Expr>),
    /// True when it is false.
    Not(Box<Expr>),
    /// One test.
    Test(Predicate),
}

impl Expr {
    /// True when all are, in as few steps as possible.
    pub fn all(members: Vec<Self>) -> Self {
        let flat = members.into_iter().flat_map(|member| match member {
            Self::All(inner) => inner,
            other => vec![other],
        });
        Self::only(flat.collect()).unwrap_or_else(Self::All)
    }

    /// True when any is, in as few steps as possible.
    pub fn any(members: Vec<Self>) -> Self {
        let flat = members.into_iter().flat_map(|member| match member {
            Self::Any(inner) => inner,
            other => vec![other],
        });
        Self::only(flat.collect()).unwrap_or_else(Self::Any)
    }

    /// The member, if there is exactly one.
    fn only(mut members: Vec<Self>) -> Result<Self, Vec<Self>> {
        match members.pop() {
            Some(member) if members.is_empty() => Ok(member),
            last => Err(members.into_iter().chain(last).collect()),
        }
    }

    /// How many expressions it consists of, itself among them.
    pub fn size(&self) -> usize {
        match self {
            Self::All(members) | Self::Any(members) => 1 + members.iter().map(Self::size).sum::<usize>(),
            Self::Not(inner) => 1 + inner.size(),
            Self::Test(_) => 1,
        }
    }
}

/// One test of one part of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Predicate {
    /// What is tested.
    pub subject: Subject,
    /// The test.
    pub test: Test,
}

/// What is tested.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Subject {
    /// A field by its name: as it is written, or a path of names with dots between. A list passes a test when any of its
    /// members does.
    Field(String),
    /// Every value of the event; any may pass.
    Anything,
}

/// A test of one value. Numbers and booleans are tested as the text that JSON writes for them. Every test but
/// [`Test::Null`] is false on a value that is not there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Test {
    /// The whole text is as the pattern says.
    Text {
        /// As written in the rule.
        pattern: Pattern,
        /// Whether case counts.
        cased: bool,
    },
    /// The expression is found somewhere in the text.
    Regex(RegexTest),
    /// The text is an address of this network.
    Cidr {
        /// The network's address.
        network: IpAddr,
        /// How many of its leading bits count.
        prefix: u8,
    },
    /// The field is absent, or null.
    Null,
    /// The field is there and not null.
    Exists,
    /// The value compares so with the value of another field; false where that is absent. Case does not count
    /// unless it is said to.
    OtherField {
        /// The other field.
        field: String,
        /// Where its value has to stand.
        placement: Placement,
        /// Whether case counts.
        cased: bool,
    },
    /// The text is a number that compares so.
    Number {
        /// How the value compares with the number.
        comparison: Comparison,
        /// The number.
        number: f64,
    },
    /// The text is a time (RFC 3339, or `YYYY-MM-DD HH:MM:SS`) and a part of it, in UTC, is this number.
    Time {
        /// Which part.
        part: TimePart,
        /// The number.
        number: i64,
    },
}

/// A regular expression and its flags.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RegexTest {
    /// As written in the rule; it compiles with the crate `regex`.
    pub pattern: String,
    /// `i`: case does not count.
    pub ignore_case: bool,
    /// `m`: `^` and `$` match at lines.
    pub multi_line: bool,
    /// `s`: `.` matches a newline.
    pub dot_all: bool,
}

/// Where the other text has to stand in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Placement {
    /// It is the whole text.
    Whole,
    /// Anywhere.
    Contains,
    /// At the start.
    Start,
    /// At the end.
    End,
}

/// How a number compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// Whether `left` compares so with `right`.
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

/// A part of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TimePart {
    /// 0 to 59.
    Minute,
    /// 0 to 23.
    Hour,
    /// Of the month, 1 to 31.
    Day,
    /// Of the year by ISO 8601, 1 to 53.
    Week,
    /// 1 to 12.
    Month,
    /// Such as 2026.
    Year,
}

impl TimePart {
    /// As the modifier is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}
