//! Timestamps and dates, as microseconds and days since 1970 in UTC.

use chrono::format::{Item, Parsed, StrftimeItems};
use chrono::{Datelike, FixedOffset, NaiveDate, NaiveTime, TimeZone};
use millpond_core::columns::{EpochUnit, TimeFormat};
use millpond_core::{Error, Result};

use super::syslog::header::month;
use super::values::Value;

/// A way to write timestamps, ready to be read.
pub(super) enum TimeReader {
    Iso,
    Epoch(EpochUnit),
    /// With the time that years follow from.
    Syslog(Option<i64>),
    Pattern(Vec<Item<'static>>),
}

impl TimeReader {
    /// `modified_us` is when the file was last changed, where that is known.
    ///
    /// # Errors
    /// `BadConfig` for a pattern that `strftime` does not know.
    pub(super) fn new(format: &TimeFormat, modified_us: Option<i64>) -> Result<Self> {
        Ok(match format {
            TimeFormat::Iso => Self::Iso,
            TimeFormat::Epoch(unit) => Self::Epoch(*unit),
            TimeFormat::Syslog => Self::Syslog(modified_us),
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
            Self::Syslog(modified_us) => {
                let text = value.plain_text()?.trim_ascii();
                parse_iso(text).or_else(|| parse_bsd(text, *modified_us))
            }
            Self::Pattern(items) => parse_pattern(std::str::from_utf8(value.plain_text()?).ok()?, items),
        }
    }
}

/// A time of a file's last change may lie this much before times in it, for clocks and zones that differ.
const CLOCK_SLACK_US: i64 = 86_400_000_000;

/// `[2023 ]Oct 11 [2023 ]22:14:15[.123][ 2023]` in UTC. A missing year is the last one in which the time is not after
/// the file's last change (and a day); without that it is not known, and the text is no time.
fn parse_bsd(text: &[u8], modified_us: Option<i64>) -> Option<i64> {
    let mut words = text.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).peekable();
    let mut year = None;
    let mut take_year = |words: &mut std::iter::Peekable<_>| {
        if let Some(word) = words.next_if(|word: &&[u8]| word.len() == 4 && number(word).is_some()) {
            year = number(word);
        }
    };
    take_year(&mut words);
    let month = i64::from(month(words.next()?)?);
    let day = number(words.next().filter(|word| word.len() <= 2)?)?;
    take_year(&mut words);
    let micros = parse_clock(words.next()?)?;
    take_year(&mut words);
    if words.next().is_some() {
        return None;
    }
    let at = |year: i64| Some(midnight_micros(year, month, day)? + micros);
    match year {
        Some(year) => at(year),
        None => in_last_year(modified_us?, at),
    }
}

/// The time that `at` gives for the last year in which it is not after `seen_us` and a day: how a year is found that was
/// not written.
pub fn in_last_year(seen_us: i64, at: impl Fn(i64) -> Option<i64>) -> Option<i64> {
    let latest = seen_us.checked_add(CLOCK_SLACK_US)?;
    let last = i64::from(chrono::DateTime::from_timestamp_micros(latest)?.year());
    // A 29 February can be eight years back.
    (last - 8..=last).rev().find_map(|year| at(year).filter(|time| *time <= latest))
}

/// The start of a day in microseconds since 1970; `None` for a day that the calendar does not have.
pub fn midnight_micros(year: i64, month: i64, day: i64) -> Option<i64> {
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?;
    days_from_civil(year, month, day).checked_mul(86_400_000_000)
}

/// `hh:mm:ss` with or without a fraction, in microseconds since midnight.
pub fn parse_clock(text: &[u8]) -> Option<i64> {
    let [h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = text else { return None };
    let (hour, minute, second) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?, number(&[*s1, *s2])?);
    let micros = match rest {
        [] => 0,
        [b'.' | b',', digits @ ..] if !digits.is_empty() && number(&digits[..digits.len().min(9)]).is_some() => {
            fraction_micros(digits)
        }
        _ => return None,
    };
    (hour <= 23 && minute <= 59 && second <= 60).then_some((hour * 3600 + minute * 60 + second) * 1_000_000 + micros)
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

/// RFC 3339 and its usual relatives: `T` or a space, a fraction with `.` or `,`, a zone or none (UTC), a date alone. Gives
/// microseconds since 1970.
#[inline]
pub fn parse_iso(text: &[u8]) -> Option<i64> {
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
pub fn parse_zone(text: &[u8]) -> Option<i64> {
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
            let reader = TimeReader::new(&TimeFormat::Pattern(pattern.to_owned()), None).expect(pattern);
            reader.read(&Value::cell(text.as_bytes()))
        };
        let expected = parse_iso(b"2006-02-06T00:00:38Z");
        assert_eq!(read("%d/%b/%Y:%H:%M:%S %z", "06/Feb/2006:02:00:38 +0200"), expected);
        assert_eq!(read("%d/%b/%Y:%H:%M:%S", "06/Feb/2006:00:00:38"), expected);
        assert_eq!(read("%Y%m%d", "20060206"), parse_iso(b"2006-02-06"));
        assert_eq!(read("%Y%m%d", "2006"), None);
    }

    #[test]
    fn syslog_times_take_their_year_from_the_file() {
        let read = |text: &str, modified: &str| {
            let reader = TimeReader::new(&TimeFormat::Syslog, parse_iso(modified.as_bytes())).expect("no pattern");
            reader.read(&Value::cell(text.as_bytes()))
        };
        for (text, modified, expected) in [
            ("Oct 11 22:14:15", "2023-10-12T00:00:00Z", "2023-10-11T22:14:15Z"),
            ("Oct 11 22:14:15.5", "2023-10-11T00:00:00Z", "2023-10-11T22:14:15.5Z"),
            ("Dec 31 23:59:59", "2024-01-01T00:10:00Z", "2023-12-31T23:59:59Z"),
            ("Jan  1 00:00:01", "2023-12-31T23:59:59Z", "2024-01-01T00:00:01Z"),
            ("Feb 29 01:00:00", "2023-06-01T00:00:00Z", "2020-02-29T01:00:00Z"),
            ("Oct 11 2019 22:14:15", "2023-10-12T00:00:00Z", "2019-10-11T22:14:15Z"),
            ("2019 Oct 11 22:14:15", "2023-10-12T00:00:00Z", "2019-10-11T22:14:15Z"),
            ("Oct 11 22:14:15 2019", "", "2019-10-11T22:14:15Z"),
            ("2023-07-10T13:45:00.000001+02:00", "", "2023-07-10T11:45:00.000001Z"),
        ] {
            assert_eq!(read(text, modified), parse_iso(expected.as_bytes()), "{text}");
        }
        for text in ["Oct 11 22:14:15", "Oct 32 22:14:15 2019", "Oct 11 24:14:15 2019", "Okt 11 22:14:15 2019", "Oct"] {
            assert_eq!(read(text, ""), None, "{text}");
        }
        assert_eq!(read("Feb 30 01:00:00", "2023-06-01T00:00:00Z"), None);
    }
}
