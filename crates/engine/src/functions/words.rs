//! Vendors' words as OCSF's numbers: `ocsf_status_id`, `ocsf_severity_id`, `ocsf_http_activity_id`.

use super::row::Function;
use super::said;

pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::int("ocsf_status_id", |text| said(text).map(status)),
        Function::int("ocsf_severity_id", |text| severity(said(text)?)),
        Function::int("ocsf_http_activity_id", |text| said(text).map(http_activity)),
    ]
}

const UNKNOWN: i32 = 0;
const SUCCESS: i32 = 1;
const FAILURE: i32 = 2;
const OTHER: i32 = 99;

/// A word of failure anywhere is a failure, else a word of success is a success: `Audit Failure`, `AccessDenied`,
/// `SUCCESS_WITH_INFO`. Codes are those of HTTP (`404`), of Windows (`0xc000006d`), and 0 for success.
fn status(text: &str) -> i32 {
    if let Some(code) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let is_code = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_zero = code.bytes().all(|byte| byte == b'0');
        return if !is_code { OTHER } else { if is_zero { SUCCESS } else { FAILURE } };
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.parse::<u32>() {
            Ok(0 | 100..400) => SUCCESS,
            Ok(400..600) => FAILURE,
            _ => OTHER,
        };
    }
    let words = words(text);
    let has = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    match () {
        () if matches!(words.as_slice(), [no, error] if no == "no" && error.starts_with("error")) => SUCCESS,
        () if has(FAILURES) => FAILURE,
        () if has(SUCCESSES) => {
            if has(&["not", "no", "non"]) {
                FAILURE
            } else {
                SUCCESS
            }
        }
        () if has(&["unknown", "undefined", "undetermined"]) => UNKNOWN,
        () => OTHER,
    }
}

/// The words of a text in lower case: letters that belong together, also in camel case.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for letter in text.chars() {
        let starts = was_small && letter.is_uppercase();
        let is_letter = letter.is_alphabetic();
        if (starts || !is_letter) && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if is_letter && let Some(word) = words.last_mut() {
            word.extend(letter.to_lowercase());
        }
        was_small = letter.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

const SUCCESSES: &[&str] = &[
    "success",
    "successes",
    "succeeded",
    "succeed",
    "successful",
    "successfully",
    "ok",
    "okay",
    "pass",
    "passed",
    "allow",
    "allowed",
    "allows",
    "accept",
    "accepted",
    "permit",
    "permitted",
    "grant",
    "granted",
    "approve",
    "approved",
    "complete",
    "completed",
    "true",
    "yes",
    "y",
    "valid",
    "established",
    "delivered",
    "noerror",
    "authenticated",
];
const FAILURES: &[&str] = &[
    "fail",
    "failed",
    "fails",
    "failure",
    "failures",
    "failing",
    "error",
    "errors",
    "unsuccessful",
    "unsuccessfully",
    "deny",
    "denied",
    "denies",
    "reject",
    "rejected",
    "refuse",
    "refused",
    "block",
    "blocked",
    "drop",
    "dropped",
    "forbidden",
    "unauthorized",
    "unauthorised",
    "invalid",
    "incomplete",
    "false",
    "no",
    "n",
    "timeout",
    "aborted",
    "nxdomain",
    "servfail",
    "prevented",
    "disallowed",
    "exception",
];

/// 1 informational, 2 low, 3 medium, 4 high, 5 critical, 6 fatal; those of syslog among them.
fn severity(text: &str) -> Option<i32> {
    let word = text.to_ascii_lowercase();
    Some(match word.as_str() {
        "info" | "information" | "informational" | "informative" | "debug" | "trace" | "verbose" | "none" | "ok" => 1,
        "low" | "notice" | "minor" => 2,
        "medium" | "med" | "moderate" | "warning" | "warn" => 3,
        "high" | "error" | "err" | "major" | "important" => 4,
        "critical" | "crit" | "severe" | "alert" | "very high" | "very-high" | "very_high" | "veryhigh" => 5,
        "fatal" | "emergency" | "emerg" | "panic" | "disaster" => 6,
        _ => return None,
    })
}

/// The activity of `http_activity` for a request's method.
fn http_activity(method: &str) -> i32 {
    let methods = ["connect", "delete", "get", "head", "options", "post", "put", "trace", "patch"].iter().zip(1..);
    methods.into_iter().find(|(name, _)| method.eq_ignore_ascii_case(name)).map_or(OTHER, |(_, id)| id)
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{gives, gives_nothing, printed};

    #[test]
    fn statuses() {
        for (id, texts) in [
            (
                "1",
                &[
                    "success",
                    "SUCCESS",
                    " Success ",
                    "Succeeded",
                    "ok",
                    "OK",
                    "Audit Success",
                    "SUCCESS_WITH_INFO",
                    "SignInSuccess",
                    "allowed",
                    "ALLOW",
                    "accept",
                    "Accepted password",
                    "pass",
                    "true",
                    "Yes",
                    "granted",
                    "200",
                    "302",
                    "0",
                    "0x0",
                    "0x00000000",
                    "no error",
                    "NOERROR",
                    "No errors",
                ][..],
            ),
            (
                "2",
                &[
                    "failure",
                    "FAILED",
                    "Fail",
                    "Audit Failure",
                    "error",
                    "AccessDenied",
                    "Client.UnauthorizedOperation",
                    "deny",
                    "DENIED",
                    "blocked",
                    "REJECT",
                    "dropped",
                    "false",
                    "no",
                    "unsuccessful",
                    "not allowed",
                    "404",
                    "500",
                    "0xC000006D",
                    "success: false",
                    "InvalidParameter",
                    "NXDOMAIN",
                ],
            ),
            (
                "99",
                &["skipped", "challenge", "pending", "42", "600", "99999999999", "0xyz", "0x", "é", "?", "successor"],
            ),
            ("0", &["unknown", "UNDEFINED"]),
        ] {
            for text in texts {
                gives("ocsf_status_id", &[(text, id)]);
            }
        }
        assert_eq!(printed("ocsf_status_id(true)"), "1");
        assert_eq!(printed("ocsf_status_id(403)"), "2");
        gives_nothing("ocsf_status_id", &["", "-", "N/A"]);
    }

    #[test]
    fn severities() {
        for (id, texts) in [
            ("1", &["info", "Informational", "INFORMATION", "debug", "none"][..]),
            ("2", &["low", "notice", "Minor"]),
            ("3", &["medium", "Moderate", "warning", "WARN"]),
            ("4", &["high", "error", "err", "major"]),
            ("5", &["critical", "CRIT", "severe", "alert", "Very-High"]),
            ("6", &["fatal", "emergency", "panic", " EMERG "]),
        ] {
            for text in texts {
                gives("ocsf_severity_id", &[(text, id)]);
            }
        }
        gives_nothing("ocsf_severity_id", &["", "-", "unknown", "5", "highest", "é"]);
    }

    #[test]
    fn methods() {
        gives(
            "ocsf_http_activity_id",
            &[
                ("CONNECT", "1"),
                ("DELETE", "2"),
                ("get", "3"),
                ("HEAD", "4"),
                ("OPTIONS", "5"),
                ("POST", "6"),
                (" Put ", "7"),
                ("TRACE", "8"),
                ("PATCH", "9"),
                ("PROPFIND", "99"),
                ("\\x16\\x03", "99"),
            ],
        );
        gives_nothing("ocsf_http_activity_id", &["", "-"]);
    }
}
