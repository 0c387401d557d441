//! Patterns: texts with wildcards.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A text with wildcards. No two texts stand side by side, no text is empty, and no two [`Piece::Run`] stand side by
/// side.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Pattern {
    pieces: Vec<Piece>,
}

/// A piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Piece {
    /// This text.
    Text(String),
    /// `*`: any run of characters, newlines among them; also none.
    Run,
    /// `?`: exactly one character.
    One,
}

impl Pattern {
    /// A pattern without wildcards.
    pub fn literal(text: &str) -> Self {
        [Piece::Text(text.to_owned())].into_iter().collect()
    }

    /// Reads what a rule writes: `*` and `?` are wildcards unless a backslash stands before them, two backslashes are one,
    /// and a backslash before anything else is itself.
    pub fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let wildcard = match character {
                '*' => Piece::Run,
                '?' => Piece::One,
                '\\' => {
                    literal.push(characters.next_if(|next| matches!(next, '*' | '?' | '\\')).unwrap_or('\\'));
                    continue;
                }
                other => {
                    literal.push(other);
                    continue;
                }
            };
            pieces.extend([Piece::Text(std::mem::take(&mut literal)), wildcard]);
        }
        pieces.push(Piece::Text(literal));
        pieces.into_iter().collect()
    }

    /// The pieces in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The same with any run of characters before and behind it.
    #[must_use]
    pub fn anywhere(self) -> Self {
        self.at_end().at_start()
    }

    /// The same with any run of characters behind it.
    #[must_use]
    pub fn at_start(self) -> Self {
        self.pieces.into_iter().chain([Piece::Run]).collect()
    }

    /// The same with any run of characters before it.
    #[must_use]
    pub fn at_end(self) -> Self {
        [Piece::Run].into_iter().chain(self.pieces).collect()
    }

    /// The same for texts whose case is folded.
    #[must_use]
    pub fn folded(&self) -> Self {
        let folded = |piece: &Piece| match piece {
            Piece::Text(text) => Piece::Text(fold(text)),
            other => other.clone(),
        };
        self.pieces.iter().map(folded).collect()
    }

    /// The text, where there are no wildcards.
    pub fn as_literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }
}

impl fmt::Display for Pattern {
    /// As a rule writes it, with no more backslashes than needed: [`Pattern::parse`] gives the same pattern again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.pieces.iter().flat_map(characters).peekable();
        while let Some((character, is_wildcard)) = characters.next() {
            let is_special = |character| matches!(character, '*' | '?' | '\\');
            let is_escaped = match character {
                '*' | '?' => !is_wildcard,
                '\\' => characters.peek().is_some_and(|(next, _)| is_special(*next)),
                _ => false,
            };
            write!(f, "{}{character}", if is_escaped { "\\" } else { "" })?;
        }
        Ok(())
    }
}

/// The characters of a piece, and whether each is a wildcard.
fn characters(piece: &Piece) -> Box<dyn Iterator<Item = (char, bool)> + '_> {
    match piece {
        Piece::Text(text) => Box::new(text.chars().map(|character| (character, false))),
        Piece::Run => Box::new(std::iter::once(('*', true))),
        Piece::One => Box::new(std::iter::once(('?', true))),
    }
}

impl FromIterator<Piece> for Pattern {
    fn from_iter<I: IntoIterator<Item = Piece>>(pieces: I) -> Self {
        let mut merged: Vec<Piece> = Vec::new();
        for piece in pieces {
            match (merged.last_mut(), piece) {
                (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
                (Some(Piece::Run), Piece::Run) => {}
                (_, Piece::Text(text)) if text.is_empty() => {}
                (_, piece) => merged.push(piece),
            }
        }
        Self { pieces: merged }
    }
}

/// Case folded away: every character in lower case by itself, so that folding a text folds each of its parts.
pub fn fold(text: &str) -> String {
    match text.is_ascii() {
        true => text.to_ascii_lowercase(),
        false => text.chars().flat_map(char::to_lowercase).collect(),
    }
}
