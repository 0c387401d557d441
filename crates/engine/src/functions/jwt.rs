//! `parse_jwt`: what a JSON web token says. Its signature is not looked at.

use serde_json::Value as Json;

use super::row::{Function, Kind, Value};
use super::said;
use super::text::bytes_of_base64;

const FIELDS: [(&str, Kind); 5] = [
    ("header", Kind::Text),
    ("payload", Kind::Text),
    ("issuer", Kind::Text),
    ("subject", Kind::Text),
    ("expires_at", Kind::Time),
];
/// Bytes of a token that are read: sixteen times what a server takes as a header.
const TOKEN_BYTES_MAX: usize = 256 << 10;

pub(super) fn functions() -> Vec<Function> {
    vec![Function::object("parse_jwt", &FIELDS, token)]
}

/// An encrypted token (five parts) has a header alone.
fn token(text: &str) -> Option<[Value<'_>; 5]> {
    let text = said(text).filter(|text| text.len() <= TOKEN_BYTES_MAX)?;
    let text = match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => text,
    };
    let parts: Vec<&str> = text.split('.').collect();
    let (header, _) = object(parts.first()?)?;
    if parts.len() == 5 {
        return Some([header.into(), Value::Null, Value::Null, Value::Null, Value::Null]);
    }
    let [_, payload, _] = parts[..] else { return None };
    let (payload, claims) = object(payload)?;
    let claim = |name: &str| claims.get(name).and_then(Json::as_str).map(str::to_owned);
    let expires_at = claims.get("exp").and_then(Json::as_f64).and_then(micros);
    Some([header.into(), payload.into(), claim("iss").into(), claim("sub").into(), expires_at.into()])
}

/// The text and the members of a JSON object in base64.
fn object(part: &str) -> Option<(String, Json)> {
    let text = String::from_utf8(bytes_of_base64(part)?).ok()?;
    let json: Json = serde_json::from_str(&text).ok()?;
    json.is_object().then_some((text, json))
}

/// A date as tokens write it, seconds since 1970, before the year 10000.
fn micros(seconds: f64) -> Option<Value<'static>> {
    (seconds.abs() < 253_402_300_800.0).then(|| Value::Time((seconds * 1e6).round() as i64))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use crate::functions::testing::{gives, gives_nothing};

    fn part(text: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(text)
    }

    #[test]
    fn tokens() {
        let header = r#"{"alg":"none"}"#;
        let payload = r#"{"iss":"https://id.example.com","sub":"jane","exp":1704164645}"#;
        let token = format!("{}.{}.", part(header), part(payload));
        let expected = format!(
            "{{header: {header}, payload: {payload}, issuer: https://id.example.com, subject: jane, \
             expires_at: 2024-01-02T03:04:05Z}}"
        );
        for text in [token.clone(), format!("{token}c2ln"), format!("Bearer {token}x"), format!("bearer  {token}x ")] {
            gives("parse_jwt", &[(&text, &expected)]);
        }
        let bare = r#"{"sub":7,"exp":"soon"}"#;
        let expected = format!("{{header: {header}, payload: {bare}, issuer: NULL, subject: NULL, expires_at: NULL}}");
        gives("parse_jwt", &[(&format!("{}.{}.x", part(header), part(bare)), &expected)]);
        let encrypted = format!("{}.a.b.c.d", part(header));
        let expected = format!("{{header: {header}, payload: NULL, issuer: NULL, subject: NULL, expires_at: NULL}}");
        gives("parse_jwt", &[(&encrypted, &expected)]);
    }

    #[test]
    fn what_is_no_token_is_null() {
        let header = part(r#"{"alg":"none"}"#);
        let list = part("[1]");
        let texts = [
            String::new(),
            "-".into(),
            "a.b.c".into(),
            "..".into(),
            header.clone(),
            format!("{header}.{list}.x"),
            format!("{list}.{header}.x"),
            format!("{header}.{header}"),
            "Basic dTpw".into(),
            "é.é.é".into(),
        ];
        gives_nothing("parse_jwt", &texts);
    }
}
