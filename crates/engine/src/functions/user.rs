//! `ocsf_user`: a user from the text by which a log names one.

use super::row::{Function, Kind, Value};
use super::{arn, said};

const FIELDS: [(&str, Kind); 4] =
    [("name", Kind::Text), ("domain", Kind::Text), ("email_addr", Kind::Text), ("uid", Kind::Text)];

pub(super) fn functions() -> Vec<Function> {
    vec![Function::object("ocsf_user", &FIELDS, |text| said(text).map(user))]
}

fn user(text: &str) -> [Value<'_>; 4] {
    if text.starts_with("arn:") {
        return of_arn(text);
    }
    if is_sid(text) {
        let known = WELL_KNOWN_SIDS.iter().find(|(sid, ..)| sid.eq_ignore_ascii_case(text));
        return match known {
            Some((_, domain, name)) => [(*name).into(), (*domain).into(), Value::Null, text.into()],
            None => [Value::Null, Value::Null, Value::Null, text.into()],
        };
    }
    if is_uuid(text) {
        return [Value::Null, Value::Null, Value::Null, text.into()];
    }
    match text.split_once('\\') {
        Some((domain, name)) => {
            let domain = said(domain).filter(|domain| *domain != ".");
            [said(name).into(), domain.into(), email(name).into(), Value::Null]
        }
        None => of_mail(text),
    }
}

/// `name@domain`, also in angles behind a display name; what has no `@` is a name.
fn of_mail(text: &str) -> [Value<'_>; 4] {
    let inner = text.strip_suffix('>').and_then(|text| text.rsplit_once('<')).map_or(text, |(_, mail)| mail.trim());
    match inner.rsplit_once('@') {
        Some((name, domain)) if !name.is_empty() && !domain.is_empty() && !domain.contains(' ') => {
            [name.into(), domain.into(), email(inner).into(), Value::Null]
        }
        _ => [text.into(), Value::Null, Value::Null, Value::Null],
    }
}

/// The ARN is the user's identifier; its name is the last part, of an assumed role `role/session`.
fn of_arn(text: &str) -> [Value<'_>; 4] {
    let name = arn::parse(text).map(|arn| match arn.resource_type {
        Some("user") => arn.resource.rsplit('/').next().unwrap_or(arn.resource),
        _ => arn.resource,
    });
    [name.into(), Value::Null, Value::Null, text.into()]
}

/// An address that mail can have: a domain with a dot, no blanks, no second `@` outside.
fn email(text: &str) -> Option<&str> {
    let (name, domain) = text.rsplit_once('@')?;
    let is_name = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || "/\\<>@,;:\"".contains(c));
    let is_domain = domain.contains('.')
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && domain.chars().all(|c| c.is_alphanumeric() || ".-".contains(c));
    (is_name && is_domain).then_some(text)
}

/// A Windows security identifier, `S-1-…`.
fn is_sid(text: &str) -> bool {
    let rest = text.strip_prefix("S-1-").or_else(|| text.strip_prefix("s-1-"));
    rest.is_some_and(|rest| rest.split('-').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())))
}

/// `8-4-4-4-12` hexadecimal digits.
fn is_uuid(text: &str) -> bool {
    let text = text.as_bytes();
    text.len() == 36
        && text.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Identifiers that are the same on every machine, with domain and name.
const WELL_KNOWN_SIDS: [(&str, &str, &str); 4] = [
    ("S-1-5-7", "NT AUTHORITY", "ANONYMOUS LOGON"),
    ("S-1-5-18", "NT AUTHORITY", "SYSTEM"),
    ("S-1-5-19", "NT AUTHORITY", "LOCAL SERVICE"),
    ("S-1-5-20", "NT AUTHORITY", "NETWORK SERVICE"),
];

#[cfg(test)]
mod tests {
    use crate::functions::testing::{gives, gives_nothing};

    #[test]
    fn names_in_all_notations() {
        let user = |name: &str, domain: &str, mail: &str, uid: &str| {
            format!("{{name: {name}, domain: {domain}, email_addr: {mail}, uid: {uid}}}")
        };
        let arn = "arn:aws:iam::111122223333:user/staff/jane";
        let role = "arn:aws:sts::111122223333:assumed-role/Admin/jane@example.com";
        let root = "arn:aws:iam::111122223333:root";
        for (text, expected) in [
            ("jane", user("jane", "NULL", "NULL", "NULL")),
            (" jane ", user("jane", "NULL", "NULL", "NULL")),
            ("CORP\\jane", user("jane", "CORP", "NULL", "NULL")),
            (".\\jane", user("jane", "NULL", "NULL", "NULL")),
            ("CORP\\PC-7$", user("PC-7$", "CORP", "NULL", "NULL")),
            ("AzureAD\\jane@example.com", user("jane@example.com", "AzureAD", "jane@example.com", "NULL")),
            ("jane@example.com", user("jane", "example.com", "jane@example.com", "NULL")),
            ("Jane Doe <jane@example.com>", user("jane", "example.com", "jane@example.com", "NULL")),
            ("host/pc@CORP.EXAMPLE", user("host/pc", "CORP.EXAMPLE", "NULL", "NULL")),
            ("krbtgt@CORP", user("krbtgt", "CORP", "NULL", "NULL")),
            ("a@b@example.com", user("a@b", "example.com", "NULL", "NULL")),
            ("@jane", user("@jane", "NULL", "NULL", "NULL")),
            ("jane@", user("jane@", "NULL", "NULL", "NULL")),
            ("S-1-5-21-1-2-3-1001", user("NULL", "NULL", "NULL", "S-1-5-21-1-2-3-1001")),
            ("S-1-5-18", user("SYSTEM", "NT AUTHORITY", "NULL", "S-1-5-18")),
            ("S-1-x", user("S-1-x", "NULL", "NULL", "NULL")),
            (
                "0f8fad5b-d9cb-469f-a165-70867728950e",
                user("NULL", "NULL", "NULL", "0f8fad5b-d9cb-469f-a165-70867728950e"),
            ),
            (arn, user("jane", "NULL", "NULL", arn)),
            (role, user("Admin/jane@example.com", "NULL", "NULL", role)),
            (root, user("root", "NULL", "NULL", root)),
            ("arn:x", user("NULL", "NULL", "NULL", "arn:x")),
            ("Jané Döe", user("Jané Döe", "NULL", "NULL", "NULL")),
            ("unknown", user("unknown", "NULL", "NULL", "NULL")),
            ("CORP\\", user("NULL", "CORP", "NULL", "NULL")),
            ("1000", user("1000", "NULL", "NULL", "NULL")),
        ] {
            gives("ocsf_user", &[(text, &expected)]);
        }
        gives_nothing("ocsf_user", &["", " ", "-", "N/A", "(null)", "\\", "-\\-"]);
    }
}
