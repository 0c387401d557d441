//! Expressions as a person reads them: close to how a rule is written, on one line.

use std::fmt::{Display, Formatter, Result};

use crate::condition::{Comparison, Expr, Placement, Predicate, RegexTest, Subject, Test};

impl Display for Expr {
    /// Such as `Image: '*\cmd.exe' and not (User: 'SYSTEM' or User: null)`.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::All(members) => joined(members, "and", "true", f),
            Self::Any(members) => joined(members, "or", "false", f),
            Self::Not(inner) => {
                f.write_str("not ")?;
                member(inner, f)
            }
            Self::Test(predicate) => predicate.fmt(f),
        }
    }
}

fn joined(members: &[Expr], word: &str, empty: &str, f: &mut Formatter<'_>) -> Result {
    for (index, inner) in members.iter().enumerate() {
        if index > 0 {
            write!(f, " {word} ")?;
        }
        member(inner, f)?;
    }
    if members.is_empty() { f.write_str(empty) } else { Ok(()) }
}

/// Parentheses stand around whatever joins.
fn member(inner: &Expr, f: &mut Formatter<'_>) -> Result {
    match inner {
        Expr::All(_) | Expr::Any(_) => write!(f, "({inner})"),
        Expr::Not(_) | Expr::Test(_) => inner.fmt(f),
    }
}

impl Display for Predicate {
    /// Such as `Image|cased: '*\cmd.exe'`; keywords stand under `*`.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.subject {
            Subject::Field(name) => f.write_str(name)?,
            Subject::Anything => f.write_str("*")?,
        }
        self.test.fmt(f)
    }
}

impl Display for Test {
    /// The modifiers and the value.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Text { pattern, cased } => write!(f, "{}: '{pattern}'", cased_modifier(*cased)),
            Self::Regex(regex) => regex.fmt(f),
            Self::Cidr { network, prefix } => write!(f, "|cidr: {network}/{prefix}"),
            Self::Null => f.write_str(": null"),
            Self::Exists => f.write_str("|exists: true"),
            Self::OtherField { field, placement, cased } => {
                write!(f, "|fieldref{}{}: {field}", placement_modifier(*placement), cased_modifier(*cased))
            }
            Self::Number { comparison, number } => write!(f, "|{}: {number}", comparison.name()),
            Self::Time { part, number } => write!(f, "|{}: {number}", part.name()),
        }
    }
}

impl Display for RegexTest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let flags = [("|i", self.ignore_case), ("|m", self.multi_line), ("|s", self.dot_all)];
        let flags: String = flags.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag).collect();
        write!(f, "|re{flags}: '{}'", self.pattern)
    }
}

fn cased_modifier(cased: bool) -> &'static str {
    if cased { "|cased" } else { "" }
}

fn placement_modifier(placement: Placement) -> &'static str {
    match placement {
        Placement::Whole => "",
        Placement::Contains => "|contains",
        Placement::Start => "|startswith",
        Placement::End => "|endswith",
    }
}

impl Comparison {
    /// As rules and correlations write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equal => "eq",
            Self::NotEqual => "neq",
            Self::Less => "lt",
            Self::LessOrEqual => "lte",
            Self::Greater => "gt",
            Self::GreaterOrEqual => "gte",
        }
    }
}
