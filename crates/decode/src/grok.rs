//! Grok patterns, as regular expressions: `%{IP:client}` stands for the expression of the name `IP`, and what it matches
//! is the field `client`.
//!
//! Names and syntax are those of Logstash
//! (<https://www.elastic.co/docs/reference/logstash/plugins/plugins-filters-grok>); the expressions are written for
//! automata, which take linear time, so there is no look-around and there are no back-references. A pattern may match
//! anywhere in a record; `^` and `$` bind it to its ends.

use std::collections::HashMap;
use std::sync::OnceLock;

use millpond_core::{Error, Result};
use regex::bytes::Regex;

use crate::Records;
use crate::regex_lines;
use crate::rows::Rows;

/// The library: a name and its expression on each line.
const LIBRARY: &str = include_str!("grok_patterns.txt");
/// Patterns inside each other, at most; names that stand for themselves are found by it.
const DEPTH_MAX: usize = 32;
/// Bytes of an expression with everything filled in, at most.
const EXPRESSION_BYTES_MAX: usize = 1 << 20;

/// Opens the reader.
///
/// # Errors
/// `BadConfig` for a pattern that is none.
pub(crate) fn open(
    pattern: &str,
    definitions: &[(String, String)],
    start: Option<&str>,
    rows: &Rows,
) -> Result<Box<dyn Records>> {
    let grok = Grok::compile(pattern, definitions)?;
    regex_lines::open_groups(grok.regex, grok.fields, start, rows)
}

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Grok {
    regex: Regex,
    /// The fields with the numbers of their groups.
    fields: Vec<(String, Vec<usize>)>,
}

impl Grok {
    /// Compiles a pattern; `definitions` are patterns of the source's own, which come before those of the library.
    ///
    /// # Errors
    /// `BadConfig` for a name that nobody defines, names inside each other without end, or what is no expression.
    pub(crate) fn compile(pattern: &str, definitions: &[(String, String)]) -> Result<Self> {
        let mut expansion = Expansion {
            definitions: definitions.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect(),
            out: String::new(),
            groups: Vec::new(),
        };
        expansion.expand(pattern, 0)?;
        let regex = Regex::new(&expansion.out).map_err(|error| {
            Error::bad_config(format!("the grok pattern `{pattern}` is not a regular expression"))
                .because(error)
                .hint("look-around and back-references are not supported")
        })?;
        let mut fields: Vec<(String, Vec<usize>)> = Vec::new();
        for (group, name) in regex.capture_names().enumerate() {
            let index = name.and_then(|name| name.strip_prefix(GROUP)?.parse::<usize>().ok());
            let Some(field) = index.and_then(|index| expansion.groups.get(index)) else { continue };
            match fields.iter_mut().find(|(name, _)| name == field) {
                Some((_, groups)) => groups.push(group),
                None => fields.push((field.clone(), vec![group])),
            }
        }
        if fields.is_empty() {
            return Err(Error::bad_config(format!("the grok pattern `{pattern}` names no field"))
                .hint("write a field's name behind a pattern's, such as `%{IP:client}`"));
        }
        Ok(Self { regex, fields })
    }
}

/// What the names of groups start with: fields have names that expressions cannot have.
const GROUP: &str = "field";

/// A pattern as it is filled in.
struct Expansion<'a> {
    definitions: HashMap<&'a str, &'a str>,
    out: String,
    /// The field of each group, by its number.
    groups: Vec<String>,
}

impl<'a> Expansion<'a> {
    fn expand(&mut self, pattern: &str, depth: usize) -> Result<()> {
        if depth > DEPTH_MAX {
            return Err(Error::bad_config(format!("grok patterns are more than {DEPTH_MAX} deep inside each other"))
                .hint("look for a pattern under `patterns` that uses itself"));
        }
        let mut rest = pattern;
        let mut in_class = false;
        while let Some(character) = rest.chars().next() {
            if self.out.len() > EXPRESSION_BYTES_MAX {
                return Err(Error::bad_config(format!(
                    "the grok pattern is longer than {EXPRESSION_BYTES_MAX} bytes with all names filled in"
                )));
            }
            rest = match character {
                '\\' => self.copy(rest, 2),
                '[' => {
                    in_class = true;
                    self.copy(rest, 1)
                }
                ']' => {
                    in_class = false;
                    self.copy(rest, 1)
                }
                _ if in_class => self.copy(rest, 1),
                '%' if rest.starts_with("%{") => self.fill_in(rest, depth)?,
                '(' => self.open_group(rest),
                _ => self.copy(rest, 1),
            };
        }
        Ok(())
    }

    /// Copies characters; gives what follows them.
    fn copy<'p>(&mut self, pattern: &'p str, count: usize) -> &'p str {
        let end = pattern.char_indices().nth(count).map_or(pattern.len(), |(at, _)| at);
        self.out.push_str(&pattern[..end]);
        &pattern[end..]
    }

    /// `%{NAME}`, `%{NAME:field}` or `%{NAME:field:type}`; gives what follows. The type means nothing here.
    fn fill_in<'p>(&mut self, pattern: &'p str, depth: usize) -> Result<&'p str> {
        let Some((inner, rest)) = pattern[2..].split_once('}') else { return Ok(self.copy(pattern, 2)) };
        let mut parts = inner.splitn(3, ':');
        let name = parts.next().unwrap_or_default();
        let Some(definition) = self.definitions.get(name).copied().or_else(|| library().get(name).copied()) else {
            return Err(Error::bad_config(format!("`%{{{name}}}` is not a grok pattern")).hint(
                "define it under `patterns` in `[format]`; names are upper case, such as `WORD` or `GREEDYDATA`",
            ));
        };
        match parts.next().filter(|field| !field.is_empty()) {
            Some(field) => self.start_group(field),
            None => self.out.push_str("(?:"),
        }
        self.expand(definition, depth + 1)?;
        self.out.push(')');
        Ok(rest)
    }

    /// The start of a group; gives what follows it.
    fn open_group<'p>(&mut self, pattern: &'p str) -> &'p str {
        // An automaton never goes back, so a group that may not be gone back into is a group.
        if let Some(rest) = pattern.strip_prefix("(?>") {
            self.out.push_str("(?:");
            return rest;
        }
        let named = pattern.strip_prefix("(?<").or_else(|| pattern.strip_prefix("(?P<"));
        match named.and_then(|named| named.split_once('>')) {
            Some((name, rest)) if !name.starts_with(['=', '!']) => {
                self.start_group(name);
                rest
            }
            _ => self.copy(pattern, 1),
        }
    }

    fn start_group(&mut self, field: &str) {
        self.out.push_str(&format!("(?P<{GROUP}{}>", self.groups.len()));
        self.groups.push(field_name(field));
    }
}

/// `[http][status]` is `http.status`; any other name is itself.
fn field_name(field: &str) -> String {
    match field.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(inner) => inner.replace("][", "."),
        None => field.to_owned(),
    }
}

fn library() -> &'static HashMap<&'static str, &'static str> {
    static PATTERNS: OnceLock<HashMap<&'static str, &'static str>> = OnceLock::new();
    PATTERNS.get_or_init(|| {
        let lines = LIBRARY.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| line.split_once(' ')).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of a match as `name=value`, or the error.
    fn matched(pattern: &str, text: &str) -> String {
        let grok = match Grok::compile(pattern, &[("MINE".to_owned(), "<%{WORD:inner}>".to_owned())]) {
            Ok(grok) => grok,
            Err(error) => return format!("{error}"),
        };
        let Some(captures) = grok.regex.captures(text.as_bytes()) else { return "no match".to_owned() };
        let value = |groups: &[usize]| groups.iter().find_map(|group| captures.get(*group));
        let field = |(name, groups): &(String, Vec<usize>)| {
            format!("{name}={}", value(groups).map_or("-".into(), |value| String::from_utf8_lossy(value.as_bytes())))
        };
        grok.fields.iter().map(field).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_pattern_of_the_library_compiles() {
        for name in library().keys() {
            Grok::compile(&format!("%{{{name}:x}}"), &[]).expect(name);
        }
        assert!(library().len() > 70, "{}", library().len());
    }

    #[test]
    fn patterns_take_what_they_name() {
        for (name, whole, none) in [
            ("IPV4", &["10.0.0.1", "255.255.255.255"][..], &["256.1.1.1", "1.2.3"][..]),
            (
                "IPV6",
                &[
                    "::",
                    "::1",
                    "fe80::1",
                    "1:2:3:4:5:6:7:8",
                    "2001:db8::8a2e:370:7334",
                    "::ffff:10.0.0.1",
                    "64:ff9b::1.2.3.4",
                ],
                &["1:2", "host"],
            ),
            ("INT", &["12", "-3", "+4"], &["x"]),
            ("NUMBER", &["1.5", "-2", ".5"], &["x"]),
            ("BASE16NUM", &["0xff", "FF"], &["xyz"]),
            ("WORD", &["abc_1"], &["-"]),
            ("UUID", &["123e4567-e89b-12d3-a456-426614174000"], &["123e4567"]),
            ("MAC", &["00:11:22:aa:bb:CC", "00-11-22-aa-bb-cc", "0011.22aa.bbcc"], &["00:11"]),
            ("HOSTNAME", &["a", "web-1.example.com"], &["-"]),
            ("IPORHOST", &["10.0.0.1", "web-1.example.com", "::1"], &["/"]),
            ("HOSTPORT", &["10.0.0.1:80", "web:443"], &["web"]),
            ("EMAILADDRESS", &["a.b+c@example.com"], &["a.b"]),
            ("QUOTEDSTRING", &[r#""a \" b""#, "'x'", r#""""#], &["x"]),
            ("UNIXPATH", &["/", "/var/log/a b.log", "/x"], &["x"]),
            ("WINPATH", &[r"C:\Windows\x.exe", r"\\server\share"], &["x"]),
            ("URI", &["https://u@example.com:8080/a/b?c=d", "ftp://h"], &["example.com"]),
            (
                "TIMESTAMP_ISO8601",
                &["2023-07-10T11:45:12.5Z", "2023-07-10 11:45:12 +0200", "2023-07-10 11:45"],
                &["2023"],
            ),
            ("HTTPDATE", &["06/Feb/2019:00:00:38 +0000"], &["06/Feb"]),
            ("SYSLOGTIMESTAMP", &["Oct 11 22:14:15", "Mar  1 01:02:03"], &["11 Oct"]),
            ("DATE_US", &["07/10/2023", "7-10-23"], &["2023/7"]),
            ("LOGLEVEL", &["INFO", "warning", "Error"], &["xyz"]),
            ("MONTH", &["Feb", "February"], &["Fbr"]),
            ("DATESTAMP_RFC2822", &["Mon, 10 Jul 2023 11:45:12 +0000"], &["Mon"]),
        ] {
            for text in whole {
                assert_eq!(matched(&format!("^%{{{name}:x}}$"), text), format!("x={text}"), "{name}");
                assert_eq!(matched(&format!("%{{{name}:x}}"), text), format!("x={text}"), "{name}, not bound");
            }
            for text in none {
                assert_eq!(matched(&format!("^%{{{name}:x}}$"), text), "no match", "{name} {text}");
            }
        }
    }

    #[test]
    fn fields_can_have_any_name() {
        let cases = [
            ("%{WORD:[a][b]} %{INT:@n:int}", "x 1", "a.b=x @n=1"),
            (r"(?<a-b>\w+) (?P<c>\w+)", "x y", "a-b=x c=y"),
            ("(?:%{IP:who}|%{WORD:who})", "ann", "who=ann"),
            ("%{MINE} (?>%{WORD:b})", "<x> y", "inner=x b=y"),
            (r"\%{x} [(?<] %{WORD:a}", "%x ( y", "no match"),
            (r"[(?<] %{WORD:a}", "( y", "a=y"),
        ];
        for (pattern, text, expected) in cases {
            let pattern = if pattern.starts_with(r"\%") { r"%\{x\} [(?<] %{WORD:b}" } else { pattern };
            let expected = if expected == "no match" { "no match" } else { expected };
            assert_eq!(matched(pattern, text), expected, "{pattern}");
        }
    }

    #[test]
    fn web_servers_lines_are_read() {
        let line = r#"127.0.0.1 - ann [06/Feb/2019:00:00:38 +0000] "GET /a?b HTTP/1.1" 200 12 "-" "curl/8""#;
        assert_eq!(
            matched("%{COMBINEDAPACHELOG}", line),
            "clientip=127.0.0.1 ident=- auth=ann timestamp=06/Feb/2019:00:00:38 +0000 verb=GET request=/a?b \
             httpversion=1.1 rawrequest=- response=200 bytes=12 referrer=\"-\" agent=\"curl/8\""
        );
        assert_eq!(
            matched("%{SYSLOGBASE} %{GREEDYDATA:rest}", "Oct 11 22:14:15 web sshd[12]: hello"),
            "timestamp=Oct 11 22:14:15 facility=- priority=- logsource=web program=sshd pid=12 rest=hello"
        );
    }

    #[test]
    fn mistakes_are_told() {
        assert_eq!(matched("%{NOPE:x}", ""), "`%{NOPE}` is not a grok pattern");
        assert!(matched("%{WORD}", "").contains("names no field"));
        assert!(matched("%{WORD:a}(?=x)", "").contains("is not a regular expression"));
        let own = [("A".to_owned(), "%{A}".to_owned())];
        assert!(format!("{}", Grok::compile("%{A:x}", &own).expect_err("no end")).contains("32 deep"));
        let name = |index: usize| format!("N{index}");
        let own: Vec<_> = (0..30).map(|index| (name(index), format!("%{{N{}}}", index + 1).repeat(9))).collect();
        let own = [own, vec![("N30".to_owned(), "x".to_owned())]].concat();
        assert!(format!("{}", Grok::compile("%{N0:x}", &own).expect_err("too long")).contains("longer than"));
    }
}
