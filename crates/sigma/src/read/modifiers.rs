//! Modifiers: what stands behind a field's name, read into a plan and checked before any value is.

use super::fault::{Result, fault, fault_with_hint, hint_of_names};
use crate::condition::{Comparison, Placement, Subject, TimePart};

/// A field with its modifiers, as a key of a selection says it.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) subject: Subject,
    /// Of the key, from 1.
    pub(crate) line: u32,
    /// What the values are.
    pub(crate) kind: Kind,
    /// What happens to the values first, in order.
    pub(crate) steps: Vec<Step>,
    /// Where the value has to stand; the whole where nothing is said.
    pub(crate) placement: Option<Placement>,
    pub(crate) is_cased: bool,
    pub(crate) is_all: bool,
    pub(crate) is_negated: bool,
    /// As written, for messages.
    pub(crate) key: String,
}

/// What the values of an item are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Text,
    Regex { ignore_case: bool, multi_line: bool, dot_all: bool },
    Cidr,
    OtherField,
    Exists,
    Number(Comparison),
    Time(TimePart),
}

/// What is made of a value before it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Expand,
    Windash,
    Utf16 { little: bool, mark: bool },
    Base64,
    Base64Offset,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Modifier {
    Placement(Placement),
    Kind(Kind),
    Step(Step),
    Flag(char),
    Cased,
    All,
    Negated,
}

const REGEX: Kind = Kind::Regex { ignore_case: false, multi_line: false, dot_all: false };
const WIDE: Step = Step::Utf16 { little: true, mark: false };

/// Every modifier of the specification, by name.
const MODIFIERS: [(&str, Modifier); 34] = [
    ("contains", Modifier::Placement(Placement::Contains)),
    ("startswith", Modifier::Placement(Placement::Start)),
    ("endswith", Modifier::Placement(Placement::End)),
    ("all", Modifier::All),
    ("cased", Modifier::Cased),
    ("neq", Modifier::Negated),
    ("re", Modifier::Kind(REGEX)),
    ("i", Modifier::Flag('i')),
    ("ignorecase", Modifier::Flag('i')),
    ("m", Modifier::Flag('m')),
    ("multiline", Modifier::Flag('m')),
    ("s", Modifier::Flag('s')),
    ("dotall", Modifier::Flag('s')),
    ("windash", Modifier::Step(Step::Windash)),
    ("expand", Modifier::Step(Step::Expand)),
    ("base64", Modifier::Step(Step::Base64)),
    ("base64offset", Modifier::Step(Step::Base64Offset)),
    ("wide", Modifier::Step(WIDE)),
    ("utf16le", Modifier::Step(WIDE)),
    ("utf16be", Modifier::Step(Step::Utf16 { little: false, mark: false })),
    ("utf16", Modifier::Step(Step::Utf16 { little: true, mark: true })),
    ("cidr", Modifier::Kind(Kind::Cidr)),
    ("fieldref", Modifier::Kind(Kind::OtherField)),
    ("exists", Modifier::Kind(Kind::Exists)),
    ("lt", Modifier::Kind(Kind::Number(Comparison::Less))),
    ("lte", Modifier::Kind(Kind::Number(Comparison::LessOrEqual))),
    ("gt", Modifier::Kind(Kind::Number(Comparison::Greater))),
    ("gte", Modifier::Kind(Kind::Number(Comparison::GreaterOrEqual))),
    ("minute", Modifier::Kind(Kind::Time(TimePart::Minute))),
    ("hour", Modifier::Kind(Kind::Time(TimePart::Hour))),
    ("day", Modifier::Kind(Kind::Time(TimePart::Day))),
    ("week", Modifier::Kind(Kind::Time(TimePart::Week))),
    ("month", Modifier::Kind(Kind::Time(TimePart::Month))),
    ("year", Modifier::Kind(Kind::Time(TimePart::Year))),
];

/// Reads a key such as `CommandLine|contains|all`.
pub(crate) fn item(key: &str, line: u32) -> Result<Item> {
    let (field, modifiers) = key.split_once('|').unwrap_or((key, ""));
    let subject = match field {
        "" => Subject::Anything,
        name => Subject::Field(name.to_owned()),
    };
    let mut item = Item {
        subject,
        line,
        kind: Kind::Text,
        steps: Vec::new(),
        placement: None,
        is_cased: false,
        is_all: false,
        is_negated: false,
        key: key.to_owned(),
    };
    for name in modifiers.split('|').filter(|_| key.contains('|')) {
        item.add(name)?;
    }
    item.check()?;
    Ok(item)
}

impl Item {
    fn add(&mut self, name: &str) -> Result<()> {
        let Some((_, modifier)) = MODIFIERS.iter().find(|(known, _)| *known == name) else {
            let hint = hint_of_names(name, MODIFIERS.iter().map(|(known, _)| *known));
            return fault_with_hint(self.line, format!("there is no modifier `{name}` (in `{}`)", self.key), hint);
        };
        match *modifier {
            Modifier::Placement(placement) => match self.placement.replace(placement) {
                Some(before) if before != placement => self.clash("says in two ways where the value has to stand"),
                _ => Ok(()),
            },
            Modifier::Kind(_) if self.kind != Kind::Text => self.clash("says in two ways what its values are"),
            Modifier::Kind(kind) => {
                self.kind = kind;
                Ok(())
            }
            Modifier::Step(step) => {
                self.steps.push(step);
                Ok(())
            }
            Modifier::Flag(flag) => self.add_flag(flag),
            Modifier::Cased => set(&mut self.is_cased),
            Modifier::All => set(&mut self.is_all),
            Modifier::Negated => set(&mut self.is_negated),
        }
    }

    fn add_flag(&mut self, flag: char) -> Result<()> {
        let Kind::Regex { ignore_case, multi_line, dot_all } = &mut self.kind else {
            return fault_with_hint(
                self.line,
                format!("`{flag}` of `{}` is a flag of regular expressions", self.key),
                format!("write `re|{flag}`"),
            );
        };
        match flag {
            'i' => *ignore_case = true,
            'm' => *multi_line = true,
            _ => *dot_all = true,
        }
        Ok(())
    }

    /// Refuses what cannot be meant.
    fn check(&self) -> Result<()> {
        let is_text = self.kind == Kind::Text;
        if self.subject == Subject::Anything && !(is_text || matches!(self.kind, Kind::Regex { .. } | Kind::Cidr)) {
            return self.clash("needs the name of a field");
        }
        if self.placement.is_some() && matches!(self.kind, Kind::Regex { .. }) {
            let hint = "a regular expression is searched anywhere; `^` and `$` tie it to the start and the end";
            return fault_with_hint(self.line, format!("`{}` cannot take `re` together with a place", self.key), hint);
        }
        if self.placement.is_some() && !is_text && self.kind != Kind::OtherField {
            return self.clash("takes a place where only texts have one");
        }
        if !self.steps.is_empty() && !is_text {
            return self.clash("transforms values that are not texts");
        }
        if self.is_cased && !is_text && self.kind != Kind::OtherField {
            return self.clash("takes `cased`, which is for texts");
        }
        self.check_steps()
    }

    /// Placeholders come first, then dashes, then bytes, then Base64; each at most once.
    fn check_steps(&self) -> Result<()> {
        let rank = |step: &Step| match step {
            Step::Expand => 0,
            Step::Windash => 1,
            Step::Utf16 { .. } => 2,
            Step::Base64 | Step::Base64Offset => 3,
        };
        if self.steps.is_sorted_by(|before, after| rank(before) < rank(after)) {
            return Ok(());
        }
        let hint =
            "their order is `expand`, `windash`, `wide` or `utf16…`, `base64` or `base64offset`, each at most once";
        fault_with_hint(self.line, format!("the modifiers of `{}` cannot be applied in their order", self.key), hint)
    }

    fn clash(&self, what: &str) -> Result<()> {
        fault(self.line, format!("`{}` {what}", self.key))
    }
}

fn set(flag: &mut bool) -> Result<()> {
    *flag = true;
    Ok(())
}
