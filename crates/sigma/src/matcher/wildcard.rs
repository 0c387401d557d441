//! Whole texts against patterns with wildcards.

use crate::pattern::{Pattern, Piece};

/// A pattern by the character.
#[derive(Debug)]
pub(crate) struct Wildcard(Vec<Token>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Char(char),
    One,
    Run,
}

impl Wildcard {
    pub(super) fn new(pattern: &Pattern) -> Self {
        let mut tokens = Vec::new();
        for piece in pattern.pieces() {
            match piece {
                Piece::Text(text) => tokens.extend(text.chars().map(Token::Char)),
                Piece::One => tokens.push(Token::One),
                Piece::Run => tokens.push(Token::Run),
            }
        }
        Self(tokens)
    }

    /// Whether the whole text is as the pattern says. Goes back to the last run only, which is enough: an earlier run
    /// could only take up what the last one can.
    pub(super) fn matches(&self, text: &str) -> bool {
        let (mut at, mut rest) = (0, text.chars());
        let mut last_run: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            let mut ahead = rest.clone();
            let next = ahead.next();
            match (self.0.get(at), next) {
                (None, None) => return true,
                (Some(Token::Run), _) => {
                    last_run = Some((at + 1, rest.clone()));
                    at += 1;
                }
                (Some(Token::One), Some(_)) => (at, rest) = (at + 1, ahead),
                (Some(Token::Char(wanted)), Some(found)) if *wanted == found => (at, rest) = (at + 1, ahead),
                _ => {
                    let Some((after, from)) = &mut last_run else { return false };
                    if from.next().is_none() {
                        return false;
                    }
                    (at, rest) = (*after, from.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Wildcard {
        let pieces = text.chars().map(|c| match c {
            '*' => Piece::Run,
            '?' => Piece::One,
            other => Piece::Text(other.to_string()),
        });
        Wildcard::new(&pieces.collect())
    }

    #[test]
    fn wildcards_take_runs_and_single_characters() {
        for (wanted, text) in [
            ("", ""),
            ("*", ""),
            ("a*c", "abbc"),
            ("a*c", "ac"),
            ("*ab*ab", "xabyabab"),
            ("?", "é"),
            ("a?c", "a\nc"),
            ("*.exe", "x.exe.exe"),
            ("??*", "ab"),
        ] {
            assert!(pattern(wanted).matches(text), "{wanted} {text}");
        }
        for (wanted, text) in [("?", ""), ("?", "ab"), ("a*c", "abcd"), ("*ab?", "ab"), ("", "a"), ("??*", "a")] {
            assert!(!pattern(wanted).matches(text), "{wanted} {text}");
        }
    }
}
