//! Numbers that look random and follow from a seed alone.

/// One stream of numbers (splitmix64, <https://prng.di.unimi.it/splitmix64.c>).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(mix(seed ^ 0x6d69_6c6c_706f_6e64))
    }

    /// A stream for one concern: what is drawn from it changes no other stream.
    pub(crate) fn fork(&self, concern: &str) -> Self {
        Self(hash(self.0, &[concern]))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number from 0 up to and without `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// A number from `first` to `last`.
    pub(crate) fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    /// True `count` times in a thousand.
    pub(crate) fn permille(&mut self, count: u64) -> bool {
        self.below(1_000) < count
    }
}

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// One number from a seed and texts.
pub(crate) fn hash(seed: u64, parts: &[&str]) -> u64 {
    let mut bits = mix(seed.wrapping_add(1));
    for part in parts {
        for byte in part.bytes() {
            bits = (bits ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        bits = mix(bits.wrapping_add(part.len() as u64 + 1));
    }
    bits
}
