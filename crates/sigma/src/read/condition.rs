//! Conditions: a small language over selections. From loose to tight: `or`, `and`, `not`, `1 of`, parentheses.

use super::context::Context;
use super::detection::Selection;
use super::fault::{Result, fault, fault_with_hint, hint_of_names};
use crate::condition::Expr;

/// How deep parentheses and `not` may lie in each other.
const DEPTH_MAX: usize = 64;
/// How many characters of a condition a message shows.
const SHOWN_MAX: usize = 200;
/// What to do instead of counting in a condition.
const CORRELATION_HINT: &str = "write a correlation: a document with `correlation`, which counts the matches of rules";

/// Works out a condition over the selections.
pub(crate) fn condition(text: &str, line: u32, selections: &[Selection], context: &Context) -> Result<Expr> {
    let shown = shown(text);
    let mut parser = Parser { text: &shown, line, tokens: tokens(text), at: 0, selections, context };
    let expr = parser.any_of(0)?;
    let text = &shown;
    match parser.peek() {
        None => Ok(expr),
        Some(Token { text: "|", .. }) => fault_with_hint(
            line,
            format!("the condition `{text}` counts with `|`, which Sigma no longer has"),
            CORRELATION_HINT,
        ),
        Some(Token { text: ")", at }) => {
            fault(line, format!("the condition `{text}` closes a parenthesis at {at} that none opens"))
        }
        Some(Token { text: word, .. }) if word.eq_ignore_ascii_case("near") => fault_with_hint(
            line,
            format!("the condition `{text}` has `near`, which Sigma no longer has"),
            CORRELATION_HINT,
        ),
        Some(Token { text: word, at }) => {
            fault(line, format!("the condition `{text}` has `{word}` at {at} where `and` or `or` belongs"))
        }
    }
}

/// The condition for messages, cut where it is very long.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A word or sign of a condition.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Token<'t> {
    text: &'t str,
    /// The character that it starts with, from 1.
    at: usize,
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut word: Option<(usize, usize)> = None;
    for (number, (at, character)) in text.char_indices().enumerate() {
        let is_sign = matches!(character, '(' | ')' | '|');
        if is_sign || character.is_whitespace() {
            tokens.extend(word.take().map(|(start, first)| Token { text: &text[start..at], at: first }));
        } else {
            word.get_or_insert((at, number + 1));
        }
        if is_sign {
            tokens.push(Token { text: &text[at..at + 1], at: number + 1 });
        }
    }
    tokens.extend(word.map(|(start, first)| Token { text: &text[start..], at: first }));
    tokens
}

struct Parser<'t> {
    text: &'t str,
    line: u32,
    tokens: Vec<Token<'t>>,
    at: usize,
    selections: &'t [Selection],
    context: &'t Context<'t>,
}

impl<'t> Parser<'t> {
    fn any_of(&mut self, depth: usize) -> Result<Expr> {
        let mut members = vec![self.all_of(depth)?];
        while self.take("or") {
            members.push(self.all_of(depth)?);
        }
        Ok(Expr::any(members))
    }

    fn all_of(&mut self, depth: usize) -> Result<Expr> {
        let mut members = vec![self.one(depth)?];
        while self.take("and") {
            members.push(self.one(depth)?);
        }
        Ok(Expr::all(members))
    }

    fn one(&mut self, depth: usize) -> Result<Expr> {
        if depth > DEPTH_MAX {
            let message = format!("a condition has parentheses and `not` more than {DEPTH_MAX} deep in each other");
            return fault(self.line, message);
        }
        if self.take("not") {
            return Ok(Expr::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.take("(") {
            let inner = self.any_of(depth + 1)?;
            return if self.take(")") { Ok(inner) } else { self.misplaced("`)`") };
        }
        match self.peek() {
            Some(first) if self.is_word(1, "of") => self.quantified(first),
            Some(name) if is_name(name.text) => self.named(name),
            _ => self.misplaced("a selection"),
        }
    }

    /// `1 of x*`, `all of them`.
    fn quantified(&mut self, quantifier: Token<'t>) -> Result<Expr> {
        let quantity = quantifier.text.to_ascii_lowercase();
        if !["1", "any", "all"].contains(&quantity.as_str()) {
            let message = format!("the condition `{}` has `{} of`", self.text, quantifier.text);
            let hint = format!("only `1 of`, `any of` and `all of` can be used; to count, {CORRELATION_HINT}");
            return fault_with_hint(self.line, message, hint);
        }
        self.at += 2;
        let Some(pattern) = self.peek().filter(|token| is_name(token.text)) else {
            return self.misplaced("`them` or the name of selections");
        };
        self.at += 1;
        let members = self.matching(pattern)?;
        Ok(if quantity == "all" { Expr::all(members) } else { Expr::any(members) })
    }

    /// The selections that a pattern names.
    fn matching(&mut self, pattern: Token<'t>) -> Result<Vec<Expr>> {
        let is_them = pattern.text.eq_ignore_ascii_case("them");
        let is_meant = |name: &str| match is_them {
            true => !name.starts_with('_'),
            false => fits(pattern.text, name),
        };
        let meant: Vec<&Selection> = self.selections.iter().filter(|selection| is_meant(&selection.name)).collect();
        if meant.is_empty() {
            return self.unknown(pattern);
        }
        meant.into_iter().map(|selection| self.spend(selection)).collect()
    }

    fn named(&mut self, name: Token<'t>) -> Result<Expr> {
        self.at += 1;
        match self.selections.iter().find(|selection| selection.name == name.text) {
            Some(selection) => self.spend(selection),
            None => self.unknown(name),
        }
    }

    fn spend(&mut self, selection: &Selection) -> Result<Expr> {
        self.context.spend(selection.size, self.line)?;
        Ok(selection.expr.clone())
    }

    fn unknown<T>(&self, name: Token<'t>) -> Result<T> {
        let message =
            format!("the condition `{}` has `{}` at {}, which is no selection", self.text, name.text, name.at);
        let hint = hint_of_names(name.text, self.selections.iter().map(|selection| selection.name.as_str()));
        fault_with_hint(self.line, message, hint)
    }

    fn misplaced<T>(&self, wanted: &str) -> Result<T> {
        let text = self.text;
        match self.peek() {
            Some(found) => {
                let message =
                    format!("the condition `{text}` has `{}` at {} where {wanted} belongs", found.text, found.at);
                fault(self.line, message)
            }
            None => fault(self.line, format!("the condition `{text}` ends where {wanted} belongs")),
        }
    }

    fn peek(&self) -> Option<Token<'t>> {
        self.tokens.get(self.at).copied()
    }

    fn is_word(&self, ahead: usize, word: &str) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|token| token.text.eq_ignore_ascii_case(word))
    }

    fn take(&mut self, word: &str) -> bool {
        let is_next = self.is_word(0, word);
        self.at += usize::from(is_next);
        is_next
    }
}

fn is_name(text: &str) -> bool {
    !matches!(text, "(" | ")" | "|") && !["and", "or", "not", "of"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether a name fits a pattern in which `*` stands for any run of characters.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}
