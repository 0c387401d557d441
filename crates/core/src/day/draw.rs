//! What a simulated day is drawn from: arrivals, sources, sizes, and what jobs truly take.

use super::File;
use crate::predict::Work;

/// How sizes of files are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// A security team's: half are below 250 kB, one in a hundred is above 40 MB, the largest have hundreds.
    Talk,
    /// Kilobytes, as from services that flush every few seconds.
    Small,
    /// Tens of megabytes, as from hourly deliveries.
    Large,
}

impl Sizes {
    /// The names that can be written.
    pub const NAMES: [(&'static str, Self); 3] = [("talk", Self::Talk), ("small", Self::Small), ("large", Self::Large)];

    /// The median in bytes, and the spread of its logarithm.
    fn lognormal(self) -> (f64, f64) {
        match self {
            Self::Talk => (250e3, 2.2),
            Self::Small => (12e3, 1.2),
            Self::Large => (20e6, 1.0),
        }
    }
}

/// The largest file: what senders cut theirs at.
const STORED_BYTES_MAX: f64 = 800e6;
const DAY_US: f64 = 86_400e6;
/// How many times as popular as the next a source is, to this power of its rank.
const POPULARITY: f64 = 1.1;

/// Numbers that follow from a seed (splitmix64, <https://prng.di.unimi.it/splitmix64.c>).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 up to 1.
    fn part(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number of the normal distribution (Box and Muller).
    fn normal(&mut self) -> f64 {
        let (radius, angle) = (self.part().max(f64::MIN_POSITIVE), self.part());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    /// A factor around 1 whose logarithm has this spread.
    fn factor(&mut self, spread: f64) -> f64 {
        (self.normal() * spread).exp()
    }
}

/// The moments at which files arrive, in microseconds of the day, in order. The rate follows one wave over the day.
pub(super) fn arrivals(files: u64, swing: f64, dice: &mut Dice) -> impl Iterator<Item = u64> + use<> {
    // The wave goes from 1 to `swing`, on a logarithmic scale: a quiet night and a peak of some hours.
    let rate = |part: f64| swing.max(1.0).powf(0.5 - 0.5 * (std::f64::consts::TAU * part).cos());
    let mut arrivals: Vec<u64> = Vec::new();
    while (arrivals.len() as u64) < files {
        let part = dice.part();
        if dice.part() * swing.max(1.0) <= rate(part) {
            arrivals.push((part * DAY_US) as u64);
        }
    }
    arrivals.sort_unstable();
    arrivals.into_iter()
}

/// A source by its popularity.
pub(super) fn popular(sources: usize, dice: &mut Dice) -> usize {
    // The inverse of a power law over ranks.
    let part = dice.part();
    let rank = ((sources as f64 + 1.0).powf(1.0 - POPULARITY) * part + (1.0 - part)).powf(1.0 / (1.0 - POPULARITY));
    (rank as usize).saturating_sub(1).min(sources.saturating_sub(1))
}

/// What a source is truly like.
pub(super) struct SourceTruth {
    pub(super) name: String,
    pub(super) work: Work,
    /// Its files' sizes beside those of the day.
    size: f64,
    /// Decompressed bytes for each stored byte.
    expansion: f64,
    /// Its memory beside what rows of its kind take at most times.
    memory: f64,
    /// Decompressed bytes in a microsecond on one processor.
    bytes_per_us: f64,
}

impl SourceTruth {
    pub(super) fn draw(index: usize, dice: &mut Dice) -> Self {
        let work = match dice.part() {
            part if part < 0.70 => Work::Streaming,
            part if part < 0.92 => Work::Keys,
            part if part < 0.97 => Work::Spilling,
            _ => Work::Holding,
        };
        Self {
            name: format!("source-{index}"),
            work,
            size: dice.factor(0.8),
            expansion: 8.0 * dice.factor(0.4),
            memory: dice.factor(0.4),
            bytes_per_us: 150.0 * dice.factor(0.4),
        }
    }

    /// A file of it, and what its job takes.
    pub(super) fn file(&self, sizes: Sizes, dice: &mut Dice) -> File {
        let (median, spread) = sizes.lognormal();
        let stored = (median * self.size * dice.factor(spread)).clamp(200.0, STORED_BYTES_MAX);
        let decoded = stored * (self.expansion * dice.factor(0.15)).max(1.0);
        let held = match self.work {
            Work::Streaming => 0.0,
            Work::Keys => 0.08 * decoded,
            Work::Spilling => 0.5 * decoded,
            Work::Holding | Work::Outside => 0.8 * decoded,
        };
        let memory = 4e6 + (decoded.min(22e6) + held) * self.memory * dice.factor(0.08);
        File {
            stored_bytes: stored as u64,
            decoded_bytes: decoded as u64,
            memory_bytes: memory as u64,
            compute_us: (3_000.0 + decoded / self.bytes_per_us * dice.factor(0.1)) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_hour_has_many_times_the_files_of_the_quietest() {
        let mut hours = [0_u64; 24];
        for at in arrivals(200_000, 33.0, &mut Dice::new(1)) {
            hours[(at / 3_600_000_000) as usize] += 1;
        }
        let (most, least) = (*hours.iter().max().expect("hours"), *hours.iter().min().expect("hours"));
        assert!((20..=36).contains(&(most / least)), "{hours:?}");
    }

    #[test]
    fn sizes_have_a_heavy_tail() {
        let mut dice = Dice::new(1);
        let sources: Vec<SourceTruth> = (0..100).map(|index| SourceTruth::draw(index, &mut dice)).collect();
        let mut sizes: Vec<u64> =
            (0..100_000).map(|n| sources[n % 100].file(Sizes::Talk, &mut dice).stored_bytes).collect();
        sizes.sort_unstable();
        assert!((100_000..600_000).contains(&sizes[50_000]), "{}", sizes[50_000]);
        assert!((20_000_000..200_000_000).contains(&sizes[99_000]), "{}", sizes[99_000]);
        assert!(sizes[99_999] > 300_000_000, "{}", sizes[99_999]);
    }

    #[test]
    fn a_few_sources_send_most_files() {
        let mut dice = Dice::new(1);
        let mut counts = [0_u64; 100];
        (0..100_000).for_each(|_| counts[popular(100, &mut dice)] += 1);
        assert!(counts[..10].iter().sum::<u64>() > 40_000 && counts[99] > 0, "{counts:?}");
    }
}
