//! Times as senders write them: RFC 3339, with any number of decimals.

use crate::date::days_from_civil;

/// Microseconds since 1970 in UTC; what is finer is cut off. `None` for anything but a time with its zone.
pub(super) fn parse(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once('T')?;
    let (clock, zone) = rest.split_at(rest.find(['Z', '+', '-'])?);
    let (clock, decimals) = clock.split_once('.').unwrap_or((clock, "0"));
    let [year, month, day] = fields(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = fields(clock, ':', [2, 2, 2])?;
    // 60: a leap second is the first of the next minute.
    if !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let month_days = days_from_civil(year + month / 12, month % 12 + 1, 1) - days_from_civil(year, month, 1);
    if !(1..=month_days).contains(&day) {
        return None;
    }
    let minutes = days_from_civil(year, month, day) * 1440 + hour * 60 + minute - offset_minutes(zone)?;
    Some((minutes * 60 + second) * 1_000_000 + micros(decimals)?)
}

/// Minutes east of UTC of `Z` or `+hh:mm`.
fn offset_minutes(zone: &str) -> Option<i64> {
    let (sign, offset) = match zone.split_at(1) {
        ("Z", "") => return Some(0),
        ("+", offset) => (1, offset),
        ("-", offset) => (-1, offset),
        _ => return None,
    };
    let [hours, minutes] = fields(offset, ':', [2, 2])?;
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
}

fn micros(decimals: &str) -> Option<i64> {
    let first_six = format!("{decimals:0<6}");
    (!decimals.is_empty() && is_digits(decimals)).then(|| number(&first_six[..6], 6))?
}

/// Numbers of so many digits with `separator` between them.
fn fields<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (value, digits) in numbers.iter_mut().zip(digits) {
        *value = number(parts.next()?, digits)?;
    }
    parts.next().is_none().then_some(numbers)
}

fn number(text: &str, digits: usize) -> Option<i64> {
    if text.len() == digits && is_digits(text) { text.parse().ok() } else { None }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_microseconds() {
        for (text, expected) in [
            ("1970-01-01T00:00:00.123Z", Some(123_000)),
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1969-12-31T23:59:59.999999Z", Some(-1)),
            ("2026-11-22T16:42:56.860Z", Some(1_795_365_776_860_000)),
            ("2017-06-26T18:41:00.9584103Z", Some(1_498_502_460_958_410)),
            ("1970-01-01T00:00:00.12345678901234567890123Z", Some(123_456)),
            ("2024-02-29T23:59:60Z", Some(1_709_251_200_000_000)),
            ("2026-05-12T13:45:00.5+02:30", Some(1_778_584_500_500_000)),
            ("1970-01-01T00:00:00-00:01", Some(60_000_000)),
            ("2023-02-29T00:00:00Z", None),
            ("2023-13-01T00:00:00Z", None),
            ("2023-12-32T00:00:00Z", None),
            ("2023-01-01T24:00:00Z", None),
            ("2023-01-01T00:00:00", None),
            ("2023-01-01T00:00:00.Z", None),
            ("2023-01-01T00:00:00.1x3Z", None),
            ("2023-01-01T00:00:00.é23456Z", None),
            ("2023-01-01T00:00:00Z01:00", None),
            ("2023-01-01T00:00:00+0100", None),
            ("2023-01-01 00:00:00Z", None),
            ("+023-01-01T00:00:00Z", None),
            ("T+", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
