//! Days and times of the calendar that everybody uses, in UTC.

const DAY_US: i64 = 86_400_000_000;

/// Days since 1970 of a day of the calendar: Howard Hinnant's `days_from_civil`,
/// <https://howardhinnant.github.io/date_algorithms.html>.
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a number of days since 1970: the same page's `civil_from_days`.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Days since 1970 of a day written `YYYY-MM-DD`; `None` for anything else, such as the 30th of February.
pub fn parse_day(text: &str) -> Option<i64> {
    let numbers: Vec<i64> = text.splitn(3, '-').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [year, month, day] = numbers[..] else { return None };
    let days = days_from_civil(year, month, day);
    (day_text(days) == text).then_some(days)
}

/// A day as it is written, `YYYY-MM-DD`. `days` is counted from 1970.
pub fn day_text(days: i64) -> String {
    let (year, month, day) = civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// A time as RFC 3339 writes it, in UTC, with as many decimals as it has. `us` is microseconds since 1970.
pub fn time_text(us: i64) -> String {
    let (day, us) = (day_text(us.div_euclid(DAY_US)), us.rem_euclid(DAY_US));
    let (second, us) = (us / 1_000_000, us % 1_000_000);
    let decimals = match us {
        0 => String::new(),
        us if us % 1_000 == 0 => format!(".{:03}", us / 1_000),
        us => format!(".{us:06}"),
    };
    format!("{day}T{:02}:{:02}:{:02}{decimals}Z", second / 3_600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_as_they_are_written() {
        for (text, days) in [("1970-01-01", 0), ("2024-02-29", 19_782), ("2026-12-31", 20_818), ("1969-12-31", -1)] {
            assert_eq!((parse_day(text), day_text(days)), (Some(days), text.to_owned()));
        }
        for text in ["2023-02-29", "2023-13-01", "2023-1-1", "soon", "", "2026-12-31T00:00:00Z"] {
            assert_eq!(parse_day(text), None, "{text}");
        }
    }

    #[test]
    fn times_have_the_decimals_that_they_need() {
        assert_eq!(time_text(1_795_365_776_860_000), "2026-11-22T16:42:56.860Z");
        assert_eq!(time_text(1_795_365_776_000_000), "2026-11-22T16:42:56Z");
        assert_eq!(time_text(-1), "1969-12-31T23:59:59.999999Z");
    }
}
