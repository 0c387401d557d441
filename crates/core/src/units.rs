//! Sizes and times as people write them in TOML and read them in tables.

use crate::error::{Error, Result};

const SIZE_UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

/// Parses a size such as `512 MiB`, `1.5 GB` or `4096 B` into bytes.
///
/// # Errors
/// [`Kind::BadConfig`](crate::Kind::BadConfig) when the text is not a number and a unit.
pub fn parse_bytes(text: &str) -> Result<u64> {
    let text = text.trim();
    let parsed = SIZE_UNITS.iter().find_map(|(unit, bytes)| {
        let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        (number.is_finite() && number >= 0.0).then_some((number * *bytes as f64) as u64)
    });
    parsed.ok_or_else(|| Error::bad_config(format!("`{text}` is not a size")).hint("write it as `512 MiB` or `1.5 GB`"))
}

/// Prints bytes with a binary unit: `0 B`, `44.0 KiB`, `1.2 GiB`.
pub fn format_bytes(bytes: u64) -> String {
    let unit = SIZE_UNITS[..4].iter().rev().find(|(_, size)| bytes >= *size);
    match unit {
        Some((name, size)) => format!("{:.1} {name}", bytes as f64 / *size as f64),
        None => format!("{bytes} B"),
    }
}

/// Parses a duration such as `500 ms`, `2 s`, `15 m`, `1 h` or `7 d` into milliseconds.
///
/// # Errors
/// [`Kind::BadConfig`](crate::Kind::BadConfig) when the text is not a number and a unit.
pub fn parse_ms(text: &str) -> Result<u64> {
    let text = text.trim();
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000_u64)];
    let parsed = units.iter().find_map(|(unit, ms)| {
        let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        number.checked_mul(*ms)
    });
    parsed.ok_or_else(|| {
        Error::bad_config(format!("`{text}` is not a duration")).hint("write it as `2 s`, `15 m` or `7 d`")
    })
}

/// Prints a count with groups of three digits: `1,234,567`.
pub fn format_count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Prints a duration in the unit that reads best: `850 µs`, `12.3 ms`, `4.20 s`, `3 m 05 s`.
pub fn format_us(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        1_000_000..60_000_000 => format!("{:.2} s", us as f64 / 1e6),
        _ => format!("{} m {:02} s", us / 60_000_000, us / 1_000_000 % 60),
    }
}

/// Prints a span of time as it is written in configuration, in whole seconds: `90s`, `15m`, `30d`.
pub fn format_span_us(us: i64) -> String {
    let seconds = us.div_euclid(1_000_000);
    let units = [("d", 86_400), ("h", 3_600), ("m", 60)];
    let unit = units.into_iter().find(|(_, length)| seconds != 0 && seconds % length == 0);
    unit.map_or_else(|| format!("{seconds}s"), |(name, length)| format!("{}{name}", seconds / length))
}

/// The name among `known` that `name` was most likely meant to be, if any is near enough to suggest.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance_max = (name.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (edit_distance(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= distance_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Characters put in, left out, changed, or swapped with their neighbour.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_parse_and_print() {
        assert_eq!(parse_bytes("512 MiB").expect("size"), 512 << 20);
        assert_eq!(parse_bytes("1.5GB").expect("size"), 1_500_000_000);
        assert_eq!(parse_bytes("7 B").expect("size"), 7);
        assert!(parse_bytes("lots").is_err() && parse_bytes("-1 MB").is_err() && parse_bytes("12").is_err());
        assert_eq!(format_bytes(45_056), "44.0 KiB");
        assert_eq!(format_bytes(999), "999 B");
    }

    #[test]
    fn durations_parse_and_print() {
        assert_eq!(parse_ms("15 m").expect("duration"), 900_000);
        assert_eq!(parse_ms("500ms").expect("duration"), 500);
        assert!(parse_ms("soon").is_err());
        assert_eq!(format_us(185_000_000), "3 m 05 s");
        let spans = [(90, "90s"), (900, "15m"), (7_200, "2h"), (30 * 86_400, "30d")];
        spans.iter().for_each(|(seconds, text)| assert_eq!(format_span_us(seconds * 1_000_000), *text));
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(format_count(1_234_567), "1,234,567");
        assert_eq!(format_count(999), "999");
    }

    #[test]
    fn nearest_suggests_only_what_is_near() {
        assert_eq!(nearest("formt", ["format", "columns"]), Some("format"));
        assert_eq!(nearest("titel", ["table", "title"]), Some("title"), "two letters swapped");
        assert_eq!(nearest("policies", ["format", "columns"]), None);
    }
}
