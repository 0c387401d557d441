//! Glob patterns over object keys: `*` stays within one segment, `**` crosses `/`, `**/` is any number of whole segments
//! or none, `?` is one character, `{a,b}` is either, and everything else is itself. Keys are compared by character and by case, as object stores do.

use crate::error::{Error, Result};

/// A compiled pattern: one alternative for each way through its braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    alternatives: Vec<Vec<Token>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(char),
    /// `?`: one character but `/`.
    One,
    /// `*`: any run without `/`.
    Segment,
    /// `**`: any run.
    Any,
}

/// Alternatives of one pattern, at most: braces multiply.
const ALTERNATIVES_MAX: usize = 64;

impl Glob {
    /// Compiles `prefix`, taken literally, followed by `pattern`.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](crate::Kind::BadConfig) for a brace without its partner or too many alternatives.
    pub fn new(prefix: &str, pattern: &str) -> Result<Self> {
        let alternatives = expand_folders(expand_braces(pattern)?)
            .iter()
            .map(|alternative| prefix.chars().map(Token::Literal).chain(tokens(alternative)).collect())
            .collect();
        Ok(Self { alternatives })
    }

    /// Whether the whole key matches.
    pub fn matches(&self, key: &str) -> bool {
        let key: Vec<char> = key.chars().collect();
        self.alternatives.iter().any(|tokens| matches(tokens, &key))
    }

    /// Whether a way through the braces of one is a way through those of the other.
    pub fn shares(&self, other: &Self) -> bool {
        self.alternatives.iter().any(|alternative| other.alternatives.contains(alternative))
    }

    /// How specific the pattern is: characters before the first wildcard, then literal characters in all.
    pub fn specificity(&self) -> (usize, usize) {
        let of = |tokens: &Vec<Token>| {
            let is_literal = |token: &&Token| matches!(token, Token::Literal(_));
            (tokens.iter().take_while(is_literal).count(), tokens.iter().filter(is_literal).count())
        };
        self.alternatives.iter().map(of).min().unwrap_or_default()
    }
}

fn expand_braces(pattern: &str) -> Result<Vec<String>> {
    let unbalanced = || Error::bad_config(format!("glob `{pattern}` has a brace without its partner"));
    let mut done = Vec::new();
    let mut open = vec![pattern.to_owned()];
    while let Some(next) = open.pop() {
        let Some(start) = next.find('{') else {
            if next.contains('}') {
                return Err(unbalanced());
            }
            done.push(next);
            continue;
        };
        let end = start + next[start..].find('}').ok_or_else(unbalanced)?;
        let choices = &next[start + 1..end];
        if choices.contains('{') || done.len() + open.len() > ALTERNATIVES_MAX {
            return Err(Error::bad_config(format!(
                "glob `{pattern}` has nested braces or more than {ALTERNATIVES_MAX} alternatives"
            )));
        }
        for choice in choices.split(',').rev() {
            open.push(format!("{}{choice}{}", &next[..start], &next[end + 1..]));
        }
    }
    Ok(done)
}

/// `**/` stands for no segment too, so that `**/a` finds `a` at the top: one alternative with it, one without.
fn expand_folders(mut open: Vec<String>) -> Vec<String> {
    let mut done = Vec::new();
    while let Some(next) = open.pop() {
        // What was expanded already carries a mark that no key has.
        let folder = next.match_indices("**/").find(|(at, _)| *at == 0 || next[..*at].ends_with('/'));
        match folder {
            Some((at, _)) if done.len() + open.len() < ALTERNATIVES_MAX => {
                open.push(format!("{}{}", &next[..at], &next[at + 3..]));
                open.push(format!("{}**\0{}", &next[..at], &next[at + 3..]));
            }
            _ => done.push(next.replace('\0', "/")),
        }
    }
    done
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for character in pattern.chars() {
        match (character, tokens.last()) {
            ('*', Some(Token::Segment)) => {
                tokens.pop();
                tokens.push(Token::Any);
            }
            ('*', Some(Token::Any)) => {}
            ('*', _) => tokens.push(Token::Segment),
            ('?', _) => tokens.push(Token::One),
            (other, _) => tokens.push(Token::Literal(other)),
        }
    }
    tokens
}

/// States after reading each character: the positions in `tokens` that are reachable.
fn matches(tokens: &[Token], key: &[char]) -> bool {
    let mut states = closure(tokens, vec![false; tokens.len() + 1], 0);
    for character in key {
        let mut next = vec![false; tokens.len() + 1];
        for (position, token) in tokens.iter().enumerate().filter(|(position, _)| states[*position]) {
            match token {
                Token::Literal(literal) if literal == character => next = closure(tokens, next, position + 1),
                Token::One if *character != '/' => next = closure(tokens, next, position + 1),
                Token::Segment if *character != '/' => next = closure(tokens, next, position),
                Token::Any => next = closure(tokens, next, position),
                _ => {}
            }
        }
        states = next;
    }
    states[tokens.len()]
}

fn closure(tokens: &[Token], mut states: Vec<bool>, mut position: usize) -> Vec<bool> {
    states[position] = true;
    while let Some(Token::Segment | Token::Any) = tokens.get(position) {
        position += 1;
        states[position] = true;
    }
    states
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(pattern: &str) -> Glob {
        Glob::new("", pattern).expect(pattern)
    }

    #[test]
    fn patterns_match_keys() {
        for (pattern, key, expected) in [
            ("**", "a/b/c.json", true),
            ("*.json", "a.json", true),
            ("*.json", "a/b.json", false),
            ("**/*.json", "b.json", true),
            ("**/*.json", "a/b/c.json", true),
            ("**/conn.*", "disconn.log", false),
            ("**/conn.*", "x/conn.log", true),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a/**/b", "a/xb", false),
            ("AWSLogs/*/CloudTrail/**", "AWSLogs/123/CloudTrail/us-east-1/x.gz", true),
            ("AWSLogs/*/CloudTrail/**", "AWSLogs/1/2/CloudTrail/x.gz", false),
            ("conn.{log,log.gz}", "conn.log.gz", true),
            ("conn.{log,log.gz}", "conn.gz", false),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("Ä*", "Äb", true),
        ] {
            assert_eq!(glob(pattern).matches(key), expected, "{pattern} on {key}");
        }
        assert!(Glob::new("raw/[x]", "*.gz").expect("glob").matches("raw/[x]a.gz"), "a prefix is literal");
    }

    #[test]
    fn broken_braces_are_refused() {
        assert!(Glob::new("", "a{b").is_err());
        assert!(Glob::new("", "a}b").is_err());
        assert!(Glob::new("", "{a,{b,c}}").is_err());
    }
}
