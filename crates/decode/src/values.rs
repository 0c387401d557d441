//! One value as it is written in the data, and its reading as a number, a boolean or a decimal.

use super::kinds;

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// No value.
    Null,
    True,
    False,
    /// A JSON number; the bytes are the number.
    Number,
    /// A JSON string without escapes; the bytes are what lies between the quotes.
    Text,
    /// A JSON string with escapes; the bytes are what lies between the quotes, still escaped.
    Escaped,
    /// A JSON object, braces included.
    Object,
    /// A JSON array, brackets included.
    List,
    /// A cell of a text format, as it is.
    Cell,
}

/// One value as it is written in the data.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a> {
    pub(super) kind: Kind,
    pub(super) bytes: &'a [u8],
}

/// A value by its place in a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) kind: Kind,
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    pub(super) const NULL: Self = Self { kind: Kind::Null, start: 0, end: 0 };

    pub(super) fn of<'a>(&self, record: &'a [u8]) -> Value<'a> {
        Value { kind: self.kind, bytes: &record[self.start as usize..self.end as usize] }
    }
}

impl Kind {
    /// The bit of [`kinds`] for the summary.
    pub(super) fn bit(self) -> u8 {
        match self {
            Self::Null => kinds::NULL,
            Self::True | Self::False => kinds::BOOLEAN,
            Self::Number => kinds::NUMBER,
            Self::Text | Self::Escaped | Self::Cell => kinds::TEXT,
            Self::Object => kinds::OBJECT,
            Self::List => kinds::LIST,
        }
    }
}

impl<'a> Value<'a> {
    pub(super) const NULL: Self = Self { kind: Kind::Null, bytes: b"" };

    pub(super) fn cell(bytes: &'a [u8]) -> Self {
        Self { kind: Kind::Cell, bytes }
    }

    /// The bytes of a number, or of a string or cell that may spell one.
    fn numeral(&self) -> Option<&'a [u8]> {
        match self.kind {
            Kind::Number => Some(self.bytes),
            Kind::Text | Kind::Cell => Some(self.bytes.trim_ascii()),
            _ => None,
        }
    }

    /// The characters of a string or cell without escapes.
    pub(super) fn plain_text(&self) -> Option<&'a [u8]> {
        matches!(self.kind, Kind::Text | Kind::Cell).then_some(self.bytes)
    }

    pub(super) fn as_int(&self) -> Option<i64> {
        parse_int(self.numeral()?)
    }

    pub(super) fn as_float(&self) -> Option<f64> {
        let numeral = self.numeral()?;
        if !is_number(numeral) {
            return None;
        }
        std::str::from_utf8(numeral).ok()?.parse().ok().filter(|float: &f64| float.is_finite())
    }

    pub(super) fn as_boolean(&self) -> Option<bool> {
        match self.kind {
            Kind::True => Some(true),
            Kind::False => Some(false),
            Kind::Text | Kind::Cell => match self.bytes.trim_ascii() {
                text if text.eq_ignore_ascii_case(b"true") || text.eq_ignore_ascii_case(b"t") => Some(true),
                text if text.eq_ignore_ascii_case(b"false") || text.eq_ignore_ascii_case(b"f") => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn as_decimal(&self, precision: u8, scale: i8) -> Option<i128> {
        parse_decimal(self.numeral()?, precision, u32::try_from(scale).ok()?)
    }

    /// The number as units of 10^-`digits`; digits beyond are cut off.
    pub(super) fn as_scaled(&self, digits: u32) -> Option<i64> {
        let numeral = self.numeral()?;
        if digits <= 6
            && let Some(value) = scaled_quickly(numeral, digits)
        {
            return Some(value);
        }
        let number = Numeral::parse(numeral)?;
        if number.exponent != 0 {
            let float = self.as_float()? * 10f64.powi(i32::try_from(digits).ok()?);
            return (float.abs() < 9.2e18).then_some(float as i64);
        }
        let mut value = number.whole()?;
        for place in 0..digits as usize {
            let digit = number.fraction.get(place).map_or(0, |digit| i64::from(digit - b'0'));
            value = value.checked_mul(10)?.checked_add(digit)?;
        }
        Some(if number.negative { -value } else { value })
    }
}

/// A number of seconds as logs write it: up to 12 digits and, behind a point, any number of them. Nothing overflows.
fn scaled_quickly(bytes: &[u8], digits: u32) -> Option<i64> {
    let mut value = 0i64;
    let mut point = None;
    for (place, byte) in bytes.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        match point {
            None if digit <= 9 && place < 12 => value = value * 10 + i64::from(digit),
            None if *byte == b'.' && place > 0 => point = Some(place),
            Some(point) if digit <= 9 => {
                if place - point <= digits as usize {
                    value = value * 10 + i64::from(digit);
                }
            }
            _ => return None,
        }
    }
    let read = point.map_or(0, |point| (bytes.len() - point - 1).min(digits as usize));
    (!bytes.is_empty()).then(|| value * 10i64.pow(digits - read as u32))
}

/// A number taken apart: `-12.50e3`.
struct Numeral<'a> {
    negative: bool,
    integer: &'a [u8],
    fraction: &'a [u8],
    exponent: i32,
}

impl<'a> Numeral<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (negative, rest) = match bytes.split_first()? {
            (b'-', rest) => (true, rest),
            (b'+', rest) => (false, rest),
            _ => (false, bytes),
        };
        let (integer, rest) = split_digits(rest);
        let (fraction, rest) = match rest.split_first() {
            Some((b'.', rest)) => split_digits(rest),
            _ => (&rest[..0], rest),
        };
        let exponent = match rest.split_first() {
            None => 0,
            Some((b'e' | b'E', rest)) => std::str::from_utf8(rest).ok()?.parse().ok()?,
            Some(_) => return None,
        };
        let any_digit = !integer.is_empty() || !fraction.is_empty();
        any_digit.then_some(Self { negative, integer, fraction, exponent })
    }

    fn whole(&self) -> Option<i64> {
        self.integer.iter().try_fold(0i64, |value, digit| value.checked_mul(10)?.checked_add(i64::from(digit - b'0')))
    }
}

fn split_digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

fn is_number(bytes: &[u8]) -> bool {
    Numeral::parse(bytes).is_some()
}

/// Whole numbers exactly; a fraction of zeros is let pass.
fn parse_int(bytes: &[u8]) -> Option<i64> {
    // Up to 18 digits cannot overflow: the common case, without checks.
    let (negative, digits) = match bytes.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, bytes),
    };
    if !digits.is_empty() && digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit) {
        let value = digits.iter().fold(0i64, |value, digit| value * 10 + i64::from(digit - b'0'));
        return Some(if negative { -value } else { value });
    }
    parse_int_slowly(bytes)
}

fn parse_int_slowly(bytes: &[u8]) -> Option<i64> {
    let number = Numeral::parse(bytes)?;
    if number.exponent != 0 {
        let float: f64 = std::str::from_utf8(bytes).ok()?.parse().ok()?;
        // Beyond 2^53 a double does not hold every whole number.
        return (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0).then_some(float as i64);
    }
    if number.integer.is_empty() || number.fraction.iter().any(|digit| *digit != b'0') {
        return None;
    }
    let sign = if number.negative { -1i64 } else { 1 };
    number
        .integer
        .iter()
        .try_fold(0i64, |value, digit| value.checked_mul(10)?.checked_add(sign * i64::from(digit - b'0')))
}

/// A decimal exactly: digits that the scale cannot hold do not fit, unless they are zeros.
fn parse_decimal(bytes: &[u8], precision: u8, scale: u32) -> Option<i128> {
    let number = Numeral::parse(bytes)?;
    if number.exponent.unsigned_abs() > 100 {
        return None;
    }
    let mut value: i128 = 0;
    for digit in number.integer.iter().chain(number.fraction) {
        value = value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    let shift = i64::from(scale) + i64::from(number.exponent) - number.fraction.len() as i64;
    for _ in 0..shift {
        value = value.checked_mul(10)?;
    }
    for _ in shift..0 {
        if value % 10 != 0 {
            return None;
        }
        value /= 10;
    }
    (value < 10i128.pow(u32::from(precision))).then_some(if number.negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Value<'_> {
        Value { kind: Kind::Number, bytes: text.as_bytes() }
    }

    #[test]
    fn ints_are_exact() {
        assert_eq!(number("9223372036854775807").as_int(), Some(i64::MAX));
        assert_eq!(number("-9223372036854775808").as_int(), Some(i64::MIN));
        assert_eq!(number("9223372036854775808").as_int(), None);
        assert_eq!(number("443.0").as_int(), Some(443));
        assert_eq!(number("443.5").as_int(), None);
        assert_eq!(number("1e3").as_int(), Some(1000));
        assert_eq!(Value::cell(b" 80 ").as_int(), Some(80));
        assert_eq!(Value::cell(b"").as_int(), None);
        assert_eq!(Value::cell(b"-").as_int(), None);
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(number("12.5").as_decimal(10, 2), Some(1250));
        assert_eq!(number("-12.500").as_decimal(10, 2), Some(-1250));
        assert_eq!(number("12.505").as_decimal(10, 2), None);
        assert_eq!(number("1234").as_decimal(4, 1), None);
        assert_eq!(number("1.2e2").as_decimal(5, 0), Some(120));
    }

    #[test]
    fn floats_are_finite_numbers() {
        assert_eq!(number("0.25").as_float(), Some(0.25));
        assert_eq!(number("1e999").as_float(), None);
        assert_eq!(Value::cell(b"nan").as_float(), None);
    }

    #[test]
    fn scaled_numbers_keep_every_digit() {
        assert_eq!(number("1379288667.631940").as_scaled(6), Some(1_379_288_667_631_940));
        assert_eq!(number("1379288667.6319409").as_scaled(6), Some(1_379_288_667_631_940));
        assert_eq!(number("1379288667.6").as_scaled(3), Some(1_379_288_667_600));
        assert_eq!(number("1379288667").as_scaled(3), Some(1_379_288_667_000));
        assert_eq!(number("137928866700.5").as_scaled(0), Some(137_928_866_700));
        assert_eq!(number("9223372036854775807").as_scaled(0), Some(i64::MAX));
        assert_eq!(number("9223372036854775807").as_scaled(3), None);
        assert_eq!(number("1.2.3").as_scaled(3), None);
        assert_eq!(Value::cell(b"").as_scaled(3), None);
        assert_eq!(Value::cell(b".5").as_scaled(3), Some(500));
        assert_eq!(Value::cell(b"5.").as_scaled(3), Some(5000));
        assert_eq!(number("-1.5").as_scaled(3), Some(-1500));
        assert_eq!(number("1.5e3").as_scaled(3), Some(1_500_000));
    }
}
