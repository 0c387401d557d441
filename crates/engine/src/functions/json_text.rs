//! `json_text`: one field of JSON text, found without building the rest.

use std::borrow::Cow;

use arrow::datatypes::DataType;

use super::row::Function;

pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::new("json_text", 2..=2, DataType::Utf8, |rows| match rows.constant(1) {
            Some(path) => {
                let path = parse(path);
                rows.texts(|row| find(rows.get(0, row)?, path.as_ref()?))
            }
            None => rows.texts(|row| find(rows.get(0, row)?, &parse(rows.get(1, row)?)?)),
        })
        .checking(1, |path| {
            parse(path).is_none().then(|| format!("'{path}' is no path such as 'a.b[0].c' or 'a[\"b.c\"]'"))
        }),
    ]
}

/// A step of a path.
#[derive(Debug, PartialEq)]
enum Step {
    Member(String),
    Item(usize),
}

/// `a.b[0].c`, `$.a`, `[0]`, `a["b.c"]`, `a['b']`; `None` for what is no path.
fn parse(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.trim().strip_prefix('$').unwrap_or(path.trim());
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (step, after) = bracketed(inner)?;
            steps.push(step);
            rest = after;
            continue;
        }
        let is_first = steps.is_empty() && rest.len() == path.trim().len();
        let inner = if is_first { rest } else { rest.strip_prefix('.')? };
        let end = inner.find(['.', '[']).unwrap_or(inner.len());
        if end == 0 {
            return None;
        }
        steps.push(Step::Member(inner[..end].to_owned()));
        rest = &inner[end..];
    }
    Some(steps)
}

/// What stands in brackets, and what follows them.
fn bracketed(inner: &str) -> Option<(Step, &str)> {
    let quote = inner.chars().next().filter(|quote| matches!(quote, '"' | '\''));
    if let Some(quote) = quote {
        let (name, rest) = inner[1..].split_once(quote)?;
        return Some((Step::Member(name.to_owned()), rest.strip_prefix(']')?));
    }
    let (number, rest) = inner.split_once(']')?;
    Some((Step::Item(number.parse().ok()?), rest))
}

/// The text of a value: of a string what it says, of others how they are written. `None` where there is none, or `null`.
fn find<'a>(json: &'a str, path: &[Step]) -> Option<Cow<'a, str>> {
    let mut scan = Scan { text: json, at: 0 };
    for step in path {
        match step {
            Step::Member(name) => scan.enter_member(name)?,
            Step::Item(index) => scan.enter_item(*index)?,
        }
    }
    let value = scan.value()?;
    match value.as_bytes().first()? {
        b'"' => unquoted(value),
        b'n' => None,
        b'-' | b'0'..=b'9' => value.parse::<f64>().is_ok().then_some(Cow::Borrowed(value)),
        _ => Some(Cow::Borrowed(value)),
    }
}

/// What a string says, quotes included in `text`.
fn unquoted(text: &str) -> Option<Cow<'_, str>> {
    let inner = text.get(1..text.len().checked_sub(1)?)?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<String>(text).ok().map(Cow::Owned)
}

/// A place in JSON text. Every way to move gives `None` where the text is no JSON.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    /// The next byte that is no blank.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        self.at += rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))?;
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// To the value of a member of the object here.
    fn enter_member(&mut self, name: &str) -> Option<()> {
        self.take(b'{')?;
        while self.peek()? == b'"' {
            let key = self.value()?;
            self.take(b':')?;
            if &key[1..key.len() - 1] == name || (key.contains('\\') && unquoted(key)? == name) {
                return Some(());
            }
            self.value()?;
            self.take(b',')?;
        }
        None
    }

    /// To an item of the list here.
    fn enter_item(&mut self, index: usize) -> Option<()> {
        self.take(b'[')?;
        for _ in 0..index {
            self.value()?;
            self.take(b',')?;
        }
        (self.peek()? != b']').then_some(())
    }

    /// The text of the value here, and on behind it.
    fn value(&mut self) -> Option<&'a str> {
        let first = self.peek()?;
        let start = self.at;
        match first {
            b'"' => self.skip_string()?,
            b'{' | b'[' => self.skip_container()?,
            _ => self.skip_plain()?,
        }
        self.text.get(start..self.at)
    }

    fn skip_string(&mut self) -> Option<()> {
        let bytes = self.text.as_bytes();
        let mut at = self.at + 1;
        loop {
            at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
            if bytes[at] == b'"' {
                self.at = at + 1;
                return Some(());
            }
            at += 2;
        }
    }

    /// To where the brackets balance; the inside is not looked at further.
    fn skip_container(&mut self) -> Option<()> {
        let mut depth = 0usize;
        loop {
            let rest = self.text.as_bytes().get(self.at..)?;
            self.at += rest.iter().position(|byte| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']'))?;
            match self.text.as_bytes()[self.at] {
                b'"' => {
                    self.skip_string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                _ => depth -= 1,
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// A number, `true`, `false` or `null`. Whether a number is one is asked where it is the field that is wanted.
    fn skip_plain(&mut self) -> Option<()> {
        let rest = &self.text.as_bytes()[self.at..];
        let is_inside = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let end = rest.iter().position(|byte| !is_inside(byte)).unwrap_or(rest.len());
        let may_be_number = matches!(rest.first()?, b'-' | b'0'..=b'9');
        (may_be_number || matches!(&rest[..end], b"true" | b"false" | b"null")).then(|| self.at += end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::printed;

    const JSON: &str = r#" {"a": {"b": [ {"c":"x"}, 2, [3]], "d.e": true, "é":"ü", "q\"":1}, "n": null, "s":"\u00e4\n\"",
        "big": 123456789012345678901234567890, "f": 1.50, "e": {}, "t": "}]{[\\", "z": "" }"#;

    fn at(path: &str) -> Option<String> {
        find(JSON, &parse(path).expect(path)).map(Cow::into_owned)
    }

    #[test]
    fn fields_by_path() {
        for (path, expected) in [
            ("a.b[0].c", "x"),
            ("$.a.b[0].c", "x"),
            ("$['a']['b'][0]['c']", "x"),
            ("a.b[1]", "2"),
            ("a.b[2]", "[3]"),
            ("a.b[2][0]", "3"),
            ("a[\"d.e\"]", "true"),
            ("a.é", "ü"),
            ("a[\"q\\\"\"]", "none"),
            ("a['q\"']", "1"),
            ("s", "ä\n\""),
            ("big", "123456789012345678901234567890"),
            ("f", "1.50"),
            ("e", "{}"),
            ("t", "}]{[\\"),
            ("z", ""),
        ] {
            if expected == "none" {
                assert_eq!(parse(path), None, "{path}");
            } else {
                assert_eq!(at(path).as_deref(), Some(expected), "{path}");
            }
        }
        assert_eq!(at("$").as_deref(), Some(JSON.trim()));
    }

    #[test]
    fn what_is_not_there_is_null() {
        for path in ["x", "a.x", "a.b[3]", "a.b[0].c.d", "n", "n.x", "a[0]", "a.b.c", "e.x", "z.x"] {
            assert_eq!(at(path), None, "{path}");
        }
        for json in [
            "",
            " ",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":\"",
            "{\"a\":\"\\",
            "{a:1}",
            "[",
            "x",
            "{\"a\":x}",
            "{\"a\":[1",
            "{\"a\":{\"b\":1",
            "{\"a\":1e}",
            "\"a\"",
            "5",
            "{'a':1}",
            "{\"a\" 1}",
            "{\"b\":1 \"a\":2}",
            "é",
        ] {
            assert_eq!(find(json, &parse("a").expect("path")), None, "{json}");
        }
    }

    #[test]
    fn paths_that_are_none() {
        for path in ["a..b", ".a", "a.", "a[", "a[]", "a[x]", "a[-1]", "a['b]", "a['b'", "[0]a", "$a"] {
            assert_eq!(parse(path), None, "{path}");
        }
        assert_eq!(parse(" a.b "), parse("a.b"));
    }

    #[test]
    fn in_sql() {
        assert_eq!(printed(r#"json_text('{"a":[1,{"b":"x"}]}', 'a[1].b')"#), "x");
        assert_eq!(printed(r#"json_text('{"a":[1,{"b":"x"}]}', 'a')"#), r#"[1,{"b":"x"}]"#);
        assert_eq!(printed("json_text(NULL, 'a')"), "NULL");
        assert_eq!(printed("json_text('{}', NULL)"), "NULL");
        let paths =
            r#"(select array_agg(json_text('{"a":1,"b":2}', p)) from (values ('a'), ('b'), ('.'), ('c')) t(p))"#;
        assert_eq!(printed(paths), "[1, 2, NULL, NULL]");
    }

    #[test]
    #[should_panic(expected = "is no path")]
    fn a_constant_that_is_no_path_is_told_while_planning() {
        printed("json_text('{}', 'a..b')");
    }
}
