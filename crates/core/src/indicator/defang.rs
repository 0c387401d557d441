//! Defanged text: indicators are written so that nobody clicks on them by accident.

/// What stands for what; longer ones first.
const MARKS: [(&str, &str); 21] = [
    ("[://]", "://"),
    ("[:]//", "://"),
    ("[dot]", "."),
    ("(dot)", "."),
    ("{dot}", "."),
    ("[at]", "@"),
    ("(at)", "@"),
    ("{at}", "@"),
    ("[.]", "."),
    ("(.)", "."),
    ("{.}", "."),
    ("[.", "."),
    (".]", "."),
    ("[@]", "@"),
    ("(@)", "@"),
    ("{@}", "@"),
    ("[:]", ":"),
    ("(:)", ":"),
    ("[/]", "/"),
    ("\\.", "."),
    ("[/", "/"),
];

/// Text as it was before somebody defanged it: `hxxps://evil[.]example` is `https://evil.example`.
pub fn defanged(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match MARKS.iter().find(|(mark, _)| starts_with(rest, mark)) {
            Some((mark, meant)) => {
                plain.push_str(meant);
                rest = &rest[mark.len()..];
            }
            None => {
                plain.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    with_scheme(plain)
}

fn with_scheme(text: String) -> String {
    for (defanged, scheme) in [("hxxps://", "https://"), ("hxxp://", "http://"), ("fxp://", "ftp://")] {
        if starts_with(&text, defanged) {
            return format!("{scheme}{}", &text[defanged.len()..]);
        }
    }
    text
}

fn starts_with(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}
