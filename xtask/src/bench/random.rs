//! Numbers that look random and are the same in every run.

/// A SplitMix64 generator.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// A generator that always gives the same numbers for the same seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not zero.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    /// One of `items`, which are not empty.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Adds `length` characters of `alphabet` to `out`.
    pub(super) fn text(&mut self, out: &mut String, alphabet: &str, length: usize) {
        let letters = alphabet.as_bytes();
        out.extend((0..length).map(|_| char::from(letters[self.below(letters.len())])));
    }

    /// Adds a UUID to `out`.
    pub(super) fn uuid(&mut self, out: &mut String) {
        for (index, length) in [8, 4, 4, 4, 12].into_iter().enumerate() {
            if index > 0 {
                out.push('-');
            }
            self.text(out, HEX, length);
        }
    }
}

/// Lower case hexadecimal digits.
pub(super) const HEX: &str = "0123456789abcdef";
/// Decimal digits.
pub(super) const DIGITS: &str = "0123456789";
/// What AWS makes identifiers of.
pub(super) const CAPITALS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// The letters of base64.
pub(super) const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
