//! `parse_time`: a time in any of the usual notations.

use chrono::Utc;
use millpond_decode::times::{in_last_year, midnight_micros, parse_clock, parse_iso, parse_zone};

use super::row::{Function, time_type};
use super::said;

pub(super) fn functions() -> Vec<Function> {
    vec![Function::new("parse_time", 1..=2, time_type(), |rows| {
        let seen_us = rows.modified_us().unwrap_or_else(|| Utc::now().timestamp_micros());
        rows.times(|row| {
            let text = rows.get(0, row)?;
            parse_iso(text.as_bytes()).or_else(|| {
                let reference = rows.get(1, row).and_then(|text| parse(text, seen_us));
                parse(text, reference.unwrap_or(seen_us))
            })
        })
    })]
}

const DAY_US: i64 = 86_400_000_000;

/// Microseconds since 1970 in UTC. `seen_us` is when the text was there already: a year that it does not have follows.
fn parse(text: &str, seen_us: i64) -> Option<i64> {
    let text = said(text)?.trim_matches(['"', '\'', '[', ']']).trim();
    parse_iso(text.as_bytes()).or_else(|| digits_alone(text)).or_else(|| epoch(text)).or_else(|| words(text, seen_us))
}

/// `20240102`, `20240102030405`, `20240102T030405[.fff][Z|±hhmm]`.
fn digits_alone(text: &str) -> Option<i64> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (date, rest) = (text.get(..8)?, text.get(8..)?);
    let (clock, rest) = match length {
        8 if rest.is_empty() => ("", ""),
        8 => rest.strip_prefix(['T', 't'])?.split_at_checked(6)?,
        14 => rest.split_at_checked(6)?,
        _ => return None,
    };
    let year: i64 = date[..4].parse().ok().filter(|year| (1900..2100).contains(year))?;
    let midnight = midnight_micros(year, date[4..6].parse().ok()?, date[6..].parse().ok()?)?;
    if clock.is_empty() {
        return Some(midnight);
    }
    let zone = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let fraction = &rest[..rest.len() - zone.len()];
    let clock = format!("{}:{}:{}{fraction}", clock.get(..2)?, clock.get(2..4)?, clock.get(4..)?);
    Some(midnight + parse_clock(clock.as_bytes())? - parse_zone(zone.as_bytes())? * 1_000_000)
}

/// A number of seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by its size.
fn epoch(text: &str) -> Option<i64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if !is_number || text.len() > 40 {
        return None;
    }
    let Ok(whole) = text.parse::<i64>() else {
        let number = text.parse::<f64>().ok()?;
        let micros = match number.abs() {
            size if size < 1e11 => number * 1e6,
            size if size < 1e14 => number * 1e3,
            size if size < 1e17 => number,
            size if size < 9e18 => number / 1e3,
            _ => return None,
        };
        return Some(micros.round() as i64);
    };
    match whole.unsigned_abs() {
        ..100_000_000_000 => Some(whole * 1_000_000),
        100_000_000_000..100_000_000_000_000 => Some(whole * 1_000),
        100_000_000_000_000..100_000_000_000_000_000 => Some(whole),
        _ => Some(whole.div_euclid(1_000)),
    }
}

/// What words of a time said so far.
#[derive(Default)]
struct Said {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    clock_us: Option<i64>,
    zone_s: Option<i64>,
    is_afternoon: Option<bool>,
}

/// Words of a time, at most: `Tue Jan 2 03:04:05.6 PM GMT 2024`, and one to spare.
const WORDS_MAX: usize = 8;

/// Times with the month's name, after RFC 2822, RFC 3164, `ctime`, the common log format and their relatives, and
/// `1/2/2024 3:04:05 PM`, `2024/01/02 03:04:05`.
fn words(text: &str, seen_us: i64) -> Option<i64> {
    let text = text.split_once(" (").map_or(text, |(time, _)| time).trim_end_matches(':');
    let mut said = Said::default();
    let words = text.split([' ', ',', '\t', '\u{a0}', '\u{202f}']).filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index == WORDS_MAX {
            return None;
        }
        said.add(word)?;
    }
    said.micros(seen_us)
}

/// Puts a value where none is; `None` where one is already.
fn put<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.is_none().then(|| *place = Some(value))
}

impl Said {
    /// Takes one word; `None` for one that is no part of a time.
    fn add(&mut self, word: &str) -> Option<()> {
        let bytes = word.as_bytes();
        let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
        match (bytes[0], digits) {
            (_, length) if length == bytes.len() => self.add_number(word),
            (b'0'..=b'9', 1..=4) if matches!(bytes[digits], b'/' | b'-') => self.add_date(word),
            (b'0'..=b'9', 1 | 2) => self.add_clock(word),
            (b'+' | b'-', _) => put(&mut self.zone_s, parse_zone(bytes)?),
            _ => self.add_name(word),
        }
    }

    fn add_number(&mut self, word: &str) -> Option<()> {
        let number: i64 = word.parse().ok()?;
        match word.len() {
            4 => put(&mut self.year, number),
            1 | 2 => put(&mut self.day, number),
            _ => None,
        }
    }

    /// `02/Jan/2024`, also with `:03:04:05` behind it, `02-Jan-24`, `2024/01/02`, `1/2/2024` (month first).
    fn add_date(&mut self, word: &str) -> Option<()> {
        let (date, clock) = word.split_once(':').map_or((word, None), |(date, clock)| (date, Some(clock)));
        let parts: Vec<&str> = date.split(['/', '-']).collect();
        let [first, second, third] = parts[..] else { return None };
        let (year, month, day) = match month_named(second) {
            Some(month) => (third, month, first),
            None if first.len() == 4 => (first, second.parse().ok()?, third),
            None if third.len() == 4 => (third, first.parse().ok()?, second),
            None => return None,
        };
        let year = match (year.len(), year.parse::<i64>().ok()?) {
            (4, year) => year,
            (2, year @ 70..) => 1900 + year,
            (2, year) => 2000 + year,
            _ => return None,
        };
        put(&mut self.year, year)?;
        put(&mut self.month, month)?;
        put(&mut self.day, day.parse().ok().filter(|_| day.len() <= 2)?)?;
        clock.map_or(Some(()), |clock| self.add_clock(clock))
    }

    /// `3:04`, `03:04:05`, `03:04:05.678Z`, `03:04:05+0100`, `3:04PM`.
    fn add_clock(&mut self, word: &str) -> Option<()> {
        let word = word.strip_suffix(':').unwrap_or(word);
        let zone = word.find(|c: char| !c.is_ascii_digit() && !":.,".contains(c)).unwrap_or(word.len());
        let (clock, zone) = word.split_at(zone);
        let clock = if clock.find(':') == Some(1) { format!("0{clock}") } else { clock.to_owned() };
        let clock = if clock.len() == 5 { clock + ":00" } else { clock };
        put(&mut self.clock_us, parse_clock(clock.as_bytes())?)?;
        match zone {
            "" => Some(()),
            _ if zone.starts_with(['+', '-']) => put(&mut self.zone_s, parse_zone(zone.as_bytes())?),
            _ => self.add_name(zone),
        }
    }

    /// Names of days, months, zones and halves of the day.
    fn add_name(&mut self, word: &str) -> Option<()> {
        let word = word.trim_end_matches('.');
        if let Some(month) = month_named(word) {
            return put(&mut self.month, month);
        }
        let is = |name: &str| word.eq_ignore_ascii_case(name);
        let days = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
        if days.iter().any(|day| is(day) || is(&day[..3])) {
            return Some(());
        }
        if is("am") || is("pm") {
            return put(&mut self.is_afternoon, is("pm"));
        }
        // The names that RFC 2822 fixes; others mean several zones.
        let zones = [("z", 0), ("utc", 0), ("gmt", 0), ("ut", 0), ("est", -5), ("edt", -4), ("cst", -6), ("cdt", -5)];
        let more = [("mst", -7), ("mdt", -6), ("pst", -8), ("pdt", -7), ("cet", 1), ("cest", 2)];
        let hours = zones.iter().chain(&more).find(|(name, _)| is(name)).map(|(_, hours)| *hours)?;
        put(&mut self.zone_s, hours * 3_600)
    }

    fn micros(&self, seen_us: i64) -> Option<i64> {
        let (month, day) = (self.month?, self.day?);
        let clock_us = match (self.clock_us?, self.is_afternoon) {
            (clock_us, None) => clock_us,
            // 12 AM is midnight, 12 PM is noon.
            (clock_us, Some(is_afternoon)) => {
                let hour = clock_us / 3_600_000_000;
                let half = if is_afternoon { DAY_US / 2 } else { 0 };
                (1..=12).contains(&hour).then(|| clock_us % (DAY_US / 2) + half)?
            }
        };
        let in_day_us = clock_us - self.zone_s.unwrap_or(0) * 1_000_000;
        let at = |year: i64| Some(midnight_micros(year, month, day)? + in_day_us);
        match self.year {
            Some(year) => at(year),
            None => in_last_year(seen_us, at),
        }
    }
}

/// 1 to 12 for a month's English name or its first three letters.
fn month_named(word: &str) -> Option<i64> {
    let names = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let is = |name: &&str| word.eq_ignore_ascii_case(name) || word.eq_ignore_ascii_case(&name[..3]);
    let place = names.iter().position(is).or_else(|| word.eq_ignore_ascii_case("sept").then_some(8))?;
    Some(place as i64 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::{gives_nothing, printed};

    #[test]
    fn one_moment_in_all_notations() {
        let expected = parse_iso(b"2024-01-02T03:04:05Z");
        for text in [
            "2024-01-02T03:04:05Z",
            " 2024-01-02 03:04:05 ",
            "2024-01-02T04:04:05+01:00",
            "2024-01-02 03:04:05 UTC",
            "\"2024-01-02T03:04:05.000Z\"",
            "2024/01/02 03:04:05",
            "20240102030405",
            "20240102T030405Z",
            "20240102T030405",
            "20240102T040405+0100",
            "20240102T030405.000Z",
            "1704164645",
            "1704164645000",
            "1704164645000000",
            "1704164645000000000",
            "1704164645.0",
            "1.704164645e9",
            "Tue, 02 Jan 2024 03:04:05 +0000",
            "Tue, 2 Jan 2024 03:04:05 GMT",
            "2 Jan 2024 03:04:05",
            "Mon, 01 Jan 2024 22:04:05 EST",
            "Tuesday, 02-Jan-24 03:04:05 GMT",
            "Tue Jan  2 03:04:05 2024",
            "Tue Jan  2 03:04:05 UTC 2024",
            "Tue, 02 Jan 2024 04:04:05 +0100 (CET)",
            "[02/Jan/2024:03:04:05 +0000]",
            "02/Jan/2024:04:04:05 +0100",
            "02-Jan-2024 03:04:05.000",
            "Jan 2 2024 03:04:05: ",
            "Jan  2 2024 03:04:05",
            "2024 Jan  2 03:04:05",
            "January 2, 2024 3:04:05 AM",
            "1/2/2024 3:04:05 AM",
            "01/02/2024 03:04:05",
            "Jan  2 03:04:05",
            "Jan 2 03:04:05 UTC",
            "Jan 02 03:04:05.000",
        ] {
            assert_eq!(parse(text, parse_iso(b"2024-03-01").expect("a day")), expected, "{text}");
        }
    }

    #[test]
    fn fractions_days_and_noon() {
        let read = |text: &str| parse(text, 0);
        assert_eq!(read("1704164645.123"), parse_iso(b"2024-01-02T03:04:05.123Z"));
        assert_eq!(read("1704164645123"), parse_iso(b"2024-01-02T03:04:05.123Z"));
        assert_eq!(read("-1"), parse_iso(b"1969-12-31T23:59:59Z"));
        assert_eq!(read("0"), Some(0));
        assert_eq!(read("20240102"), parse_iso(b"2024-01-02"));
        assert_eq!(read("1/2/2024 12:04:05 PM"), parse_iso(b"2024-01-02T12:04:05Z"));
        assert_eq!(read("1/2/2024 12:04 AM"), parse_iso(b"2024-01-02T00:04:00Z"));
        assert_eq!(read("Jan 2, 2024 3:04:05.678 PM"), parse_iso(b"2024-01-02T15:04:05.678Z"));
    }

    #[test]
    fn a_year_that_is_not_written_is_the_last_one() {
        let read = |text: &str, seen: &str| parse(text, parse_iso(seen.as_bytes()).expect(seen));
        assert_eq!(read("Dec 31 23:59:59", "2024-01-01"), parse_iso(b"2023-12-31T23:59:59Z"));
        assert_eq!(read("Jan  1 00:00:01", "2023-12-31T23:59:59"), parse_iso(b"2024-01-01T00:00:01Z"));
        assert_eq!(read("Feb 29 00:00:00", "2023-12-31"), parse_iso(b"2020-02-29"));
        assert_eq!(printed("parse_time('Dec 31 23:59:59', '2024-01-01')"), "2023-12-31T23:59:59Z");
        assert!(printed("parse_time('Dec 31 23:59:59')").ends_with("-12-31T23:59:59Z"));
    }

    #[test]
    fn what_is_no_time_is_null() {
        let texts = [
            "",
            " ",
            "-",
            "never",
            "yesterday",
            "2024-13-01",
            "2024-02-30T00:00:00",
            "Jan 32 2024 00:00:00",
            "Feb 30 00:00:00",
            "2 Jan 2024 25:00:00",
            "13/13/2024 3:04:05 PM",
            "3:04:05",
            "1/2/2024 13:04:05 PM",
            "Jan Feb 2 2024 03:04:05",
            "Tue, 02 Jan 2024 03:04:05 XYZ",
            "1e400",
            "nan",
            "12:34:56:78",
            "::",
            "+",
            "-",
            "+-",
            "é",
            "20240102T",
            "20240102é30405",
            "0é/Jan/2024:03:04:05",
            "1/é/2024",
        ];
        gives_nothing("parse_time", &texts);
        assert_eq!(printed("parse_time(NULL)"), "NULL");
    }

    #[test]
    fn numbers_and_times_are_taken_as_they_are() {
        for expression in [
            "parse_time(1704164645)",
            "parse_time(cast(1704164645 as int))",
            "parse_time(1704164645.0)",
            "parse_time(cast(1704164645000 as double))",
            "parse_time(cast('2024-01-02T03:04:05Z' as timestamp))",
            "parse_time(parse_time('2024-01-02T03:04:05Z'))",
            "parse_time(arrow_cast('1704164645', 'LargeUtf8'))",
            "parse_time(arrow_cast('1704164645', 'Utf8View'))",
        ] {
            assert_eq!(printed(expression), "2024-01-02T03:04:05Z", "{expression}");
        }
        assert_eq!(printed("parse_time(cast('2024-01-02' as date))"), "2024-01-02T00:00:00Z");
        assert_eq!(printed("parse_time(true)"), "NULL");
    }
}
