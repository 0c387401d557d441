//! When a pond that is in use is to be read again: a file of it changed, or its tables are to be refreshed.

use std::path::Path;

use millpond_core::config::PondConfig;

use crate::pond::Pond;

/// How long after a failure tables are read again, at most.
const RETRY_MS: u64 = 60_000;

/// What was read last, and when.
#[derive(Debug, Default)]
pub struct Freshness {
    stamp: Option<u64>,
    read_us: i64,
    has_failed: bool,
}

/// Why a pond is to be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// A file of it changed.
    Files,
    /// A table asks for it by `refresh`.
    Tables,
}

impl Freshness {
    /// That of the pond in `root`, which was read at `now_us`, microseconds since 1970.
    pub fn of(root: &Path, now_us: i64) -> Self {
        Self { stamp: Some(Pond::stamp(root)), read_us: now_us, has_failed: false }
    }

    /// The pond could not be read again: its tables are tried again soon.
    pub fn note_failure(&mut self) {
        self.has_failed = true;
    }

    /// Whether the pond in `root`, which was read with this configuration if it was read at all, is to be read again now.
    /// It is said once.
    pub fn stale(&mut self, root: &Path, config: Option<&PondConfig>, now_us: i64) -> Option<Stale> {
        let now = Self::of(root, now_us);
        let soon = |ms: u64| if self.has_failed { ms.min(RETRY_MS) } else { ms };
        let refresh_ms = config.and_then(PondConfig::refresh_ms).map(soon);
        let stale = match refresh_ms {
            _ if now.stamp != self.stamp => Stale::Files,
            Some(ms) if now_us >= self.read_us.saturating_add_unsigned(ms.saturating_mul(1_000)) => Stale::Tables,
            _ => return None,
        };
        *self = now;
        Some(stale)
    }
}

#[cfg(test)]
mod tests {
    use millpond_core::config::Problems;

    use super::*;

    #[test]
    fn files_and_the_shortest_refresh_decide() {
        let folder = tempfile::tempdir().expect("folder");
        let toml = "[[input]]\nurl = 'in'\n[enrich.a]\nurl = 'a.csv'\nrefresh = '2 s'\n[enrich.b]\nurl = 'b.csv'\nrefresh = '1 h'\n";
        let config = PondConfig::parse("millpond.toml", toml, 1 << 30, &mut Problems::default()).expect("config");
        let root = folder.path();
        let mut freshness = Freshness::default();
        let mut at = |now_us, config: &PondConfig| freshness.stale(root, Some(config), now_us);
        assert_eq!(at(0, &config), Some(Stale::Files), "it was never read");
        assert_eq!([at(0, &config), at(1_999_999, &config)], [None, None]);
        assert_eq!([at(2_000_000, &config), at(2_000_001, &config)], [Some(Stale::Tables), None]);
        freshness.note_failure();
        let hourly = PondConfig::parse("millpond.toml", &toml.replace("2 s", "2 h"), 1 << 30, &mut Problems::default());
        let hourly = hourly.expect("config");
        assert_eq!(freshness.stale(root, Some(&hourly), 61_999_999), None);
        assert_eq!(freshness.stale(root, Some(&hourly), 62_000_000), Some(Stale::Tables), "a minute after a failure");
        assert_eq!(freshness.stale(root, Some(&hourly), 200_000_000), None);
        freshness = Freshness { read_us: 2_000_000, ..freshness };
        let mut at = |now_us, config: &PondConfig| freshness.stale(root, Some(config), now_us);
        let plain = PondConfig::parse("millpond.toml", "[[input]]\nurl = 'in'\n", 1 << 30, &mut Problems::default());
        assert_eq!(at(i64::MAX, &plain.expect("config")), None);
        std::fs::write(root.join("millpond.toml"), toml).expect("file");
        assert_eq!([at(3_000_000, &config), at(3_000_000, &config)], [Some(Stale::Files), None]);
    }
}
