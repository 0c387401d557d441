//! Timestamps and dates, as microseconds and days since 1970 in UTC.

use chrono::format::{Item, Parsed, StrftimeItems};
use chrono::{FixedOffset, NaiveDate, NaiveTime, TimeZone};
use millpond_core::columns::{EpochUnit, TimeFormat};
use millpond_core::{Error, Result};

use super::values::Value;

/// A way to write timestamps, ready to be read.
pub(super) enum TimeReader {
    Iso,
    Epoch(EpochUnit),
    Pattern(Vec<Item<'static>>),
}

impl TimeReader {
    /// # Errors
    /// `BadConfig` for a pattern that `strftime` does not know.
    pub(super) fn new(format: &TimeFormat) -> Result<Self> {
        Ok(match format {
            TimeFormat::Iso => Self::Iso,
            TimeFormat::Epoch(unit) => Self::Epoch(*unit),
            TimeFormat::Pattern(pattern) => {
                let items = StrftimeItems::new(pattern).parse_to_owned().map_err(|error| {
                    Error::bad_config(format!("`{pattern}` is not a time pattern"))
                        .because(error)
                        .hint("patterns are those of strftime, such as `%d/%b/%Y:%H:%M:%S %z`")
                })?;
                Self::Pattern(items)
            }
        })
    }

    /// Microseconds since 1970 in UTC; `None` when the value is not written in this way.
    pub(super) fn read(&self, value: &Value<'_>) -> Option<i64> {
        match self {
            Self::Iso => parse_iso(value.plain_text()?.trim_ascii()),
            Self::Epoch(EpochUnit::Seconds) => value.as_scaled(6),
            Self::Epoch(EpochUnit::Milliseconds) => value.as_scaled(3),
            Self::Epoch(EpochUnit::Microseconds) => value.as_scaled(0),
            Self::Epoch(EpochUnit::Nanoseconds) => Some(value.as_scaled(0)?.div_euclid(1000)),
            Self::Pattern(items) => parse_pattern(std::str::from_utf8(value.plain_text()?).ok()?, items),
        }
    }
}

fn parse_pattern(text: &str, items: &[Item<'_>]) -> Option<i64> {
    let mut parsed = Parsed::new();
    chrono::format::parse(&mut parsed, text, items.iter()).ok()?;
    if parsed.offset().is_some() {
        return Some(parsed.to_datetime().ok()?.timestamp_micros());
    }
    if let Ok(time) = parsed.to_naive_datetime_with_offset(0) {
        return Some(time.and_utc().timestamp_micros());
    }
    let midnight = parsed.to_naive_date().ok()?.and_time(NaiveTime::MIN);
    Some(FixedOffset::east_opt(0)?.from_utc_datetime(&midnight).timestamp_micros())
}

/// `YYYY-MM-DD`, as days since 1970.
pub(super) fn parse_date(text: &[u8]) -> Option<i32> {
    let text = text.trim_ascii();
    (text.len() == 10).then_some(())?;
    i32::try_from(parse_day(text)?).ok()
}

/// Days since 1970 of the first ten bytes, `YYYY-MM-DD`.
fn parse_day(text: &[u8]) -> Option<i64> {
    let text = text.get(..10)?;
    if text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let (year, month, day) = (number(&text[..4])?, number(&text[5..7])?, number(&text[8..10])?);
    if !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    // 28 days are in every month; the calendar is asked for the others.
    if day > 28 {
        NaiveDate::from_ymd_opt(year as i32, month as u32, day as u32)?;
    }
    Some(days_from_civil(year, month, day))
}

/// Howard Hinnant's `days_from_civil`, <https://howardhinnant.github.io/date_algorithms.html>.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0i64, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

/// RFC 3339 and its usual relatives: `T` or a space, a fraction with `.` or `,`, a zone or none (UTC), a date alone.
#[inline]
pub(super) fn parse_iso(text: &[u8]) -> Option<i64> {
    match text {
        [.., b'Z'] => parse_usual_iso(&text[..text.len() - 1]).or_else(|| parse_any_iso(text)),
        _ => parse_any_iso(text),
    }
}

/// `YYYY-MM-DDThh:mm:ss` with or without a fraction of three digits: what nearly all logs write before their `Z`.
#[inline]
fn parse_usual_iso(text: &[u8]) -> Option<i64> {
    let (head, fraction) = text.split_first_chunk::<19>()?;
    let marks = [head[4], head[7], head[10], head[13], head[16]];
    let mut digits_alone = true;
    let mut two = |place: usize| {
        let (tens, ones) = (head[place].wrapping_sub(b'0'), head[place + 1].wrapping_sub(b'0'));
        digits_alone &= tens <= 9 && ones <= 9;
        i64::from(tens) * 10 + i64::from(ones)
    };
    let year = two(0) * 100 + two(2);
    let (month, day, hour, minute, second) = (two(5), two(8), two(11), two(14), two(17));
    let millis = match fraction {
        [] => 0,
        [b'.', digits @ ..] if digits.len() == 3 => number(digits)?,
        _ => return None,
    };
    let is_sound = digits_alone
        && marks == *b"--T::"
        && (1..=12).contains(&month)
        && (1..=28).contains(&day)
        && hour <= 23
        && minute <= 59
        && second <= 59;
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    is_sound.then_some(seconds * 1_000_000 + millis * 1000)
}

fn parse_any_iso(text: &[u8]) -> Option<i64> {
    let days = parse_day(text)?;
    let rest = &text[10..];
    if rest.is_empty() {
        return days.checked_mul(86_400_000_000);
    }
    if !matches!(rest[0], b'T' | b't' | b' ') || rest.len() < 6 || rest[3] != b':' {
        return None;
    }
    let (hour, minute) = (number(&rest[1..3])?, number(&rest[4..6])?);
    let mut rest = &rest[6..];
    let mut second = 0;
    let mut micros = 0;
    if rest.first() == Some(&b':') {
        second = number(rest.get(1..3)?)?;
        rest = &rest[3..];
        if matches!(rest.first(), Some(b'.' | b',')) {
            let digits = rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            micros = fraction_micros(&rest[1..=digits]);
            rest = &rest[1 + digits..];
        }
    }
    // 60 is a leap second; it becomes the next second, as in POSIX time.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - parse_zone(rest)?;
    Some(seconds * 1_000_000 + micros)
}

fn fraction_micros(digits: &[u8]) -> i64 {
    (0..6).fold(0, |value, place| value * 10 + digits.get(place).map_or(0, |digit| i64::from(digit - b'0')))
}

/// Seconds east of UTC: nothing, `Z`, `+hh:mm`, `+hhmm`, `+hh`, with or without a space before.
fn parse_zone(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii_start();
    let (sign, rest) = match text.split_first() {
        None => return Some(0),
        Some((b'Z' | b'z', [])) => return Some(0),
        Some((b'+', rest)) => (1, rest),
        Some((b'-', rest)) => (-1, rest),
        Some(_) => return (text == b"UTC").then_some(0),
    };
    let (hours, minutes) = match rest {
        [_, _] => (number(rest)?, 0),
        [_, _, _, _] => (number(&rest[..2])?, number(&rest[2..])?),
        [_, _, b':', _, _] => (number(&rest[..2])?, number(&rest[3..])?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_times_agree_with_chrono() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2023-07-10T11:45:12.087Z",
            "2023-07-31T11:45:12.087Z",
            "2023-07-10T11:45:12.08Z",
            "2023-07-10T11:45:12Z",
            "2024-02-29T23:59:59.123456789+05:30",
            "1969-12-31T23:59:59.5-08:00",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999Z",
        ] {
            let expected = chrono::DateTime::parse_from_rfc3339(text).expect(text).timestamp_micros();
            assert_eq!(parse_iso(text.as_bytes()), Some(expected), "{text}");
        }
    }

    #[test]
    fn relatives_of_iso_are_read() {
        let expected = parse_iso(b"2023-07-10T11:45:00Z");
        for text in [
            "2023-07-10 11:45:00",
            "2023-07-10T11:45Z",
            "2023-07-10T13:45:00+0200",
            "2023-07-10T13:45:00+02",
            "2023-07-10 11:45:00,000",
            "2023-07-10 11:45:00 UTC",
            "2023-07-10 11:45:00 +00:00",
        ] {
            assert_eq!(parse_iso(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn wrong_times_are_refused() {
        for text in [
            "",
            "2023",
            "2023-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-07-10T24:00:00Z",
            "2023-07-10T11:45:00.Z",
            "2023-07-10X11:45:00",
            "2023-07-10T11:45:00Q",
            "2023-07-10T11",
            "2023-07-1OT11:45:00Z",
            "2023-07-10T11:45:00.1x3Z",
            "2023/07-10T11:45:00Z",
            "2023-07-10T11:60:00Z",
            "2023-07-00T11:00:00Z",
        ] {
            assert_eq!(parse_iso(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn patterns_with_and_without_zone() {
        let read = |pattern: &str, text: &str| {
            let reader = TimeReader::new(&TimeFormat::Pattern(pattern.to_owned())).expect(pattern);
            reader.read(&Value::cell(text.as_bytes()))
        };
        let expected = parse_iso(b"2006-02-06T00:00:38Z");
        assert_eq!(read("%d/%b/%Y:%H:%M:%S %z", "06/Feb/2006:02:00:38 +0200"), expected);
        assert_eq!(read("%d/%b/%Y:%H:%M:%S", "06/Feb/2006:00:00:38"), expected);
        assert_eq!(read("%Y%m%d", "20060206"), parse_iso(b"2006-02-06"));
        assert_eq!(read("%Y%m%d", "2006"), None);
    }
}
