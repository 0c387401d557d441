//! `[health]`: what is watched of the sources themselves.

use super::section::{Problems, Section};

/// What is watched, by name: the name of its signal is `health_` and this.
pub const CHECKS: [&str; 7] = ["silent", "drift", "volume", "lag", "duplicates", "quarantine", "cost"];

/// How the sources are watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The length of a window in microseconds.
    pub every_us: i64,
    /// For every source that does not say otherwise.
    pub all: Watch,
    /// By the name of the source.
    pub sources: Vec<(String, Watch)>,
}

/// How one source is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// What is not watched, of [`CHECKS`].
    pub off: Vec<String>,
    /// A source is silent when nothing came for so many times its usual gap.
    pub silent: u64,
    /// A value is unusual when it is so many spreads away from the usual one.
    pub deviation: u64,
}

impl Default for Watch {
    fn default() -> Self {
        Self { off: Vec::new(), silent: 3, deviation: 4 }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self { every_us: 3_600_000_000, all: Watch::default(), sources: Vec::new() }
    }
}

impl Health {
    /// How a source is watched.
    pub fn of(&self, source: &str) -> &Watch {
        self.sources.iter().find(|(name, _)| name == source).map_or(&self.all, |(_, watch)| watch)
    }

    /// Reads `[health]`.
    pub(super) fn parse(mut section: Section<'_>, problems: &mut Problems) -> Self {
        let mut health = Self::default();
        if let Some(ms) = section.ms(problems, "every") {
            match i64::try_from(ms).ok().filter(|ms| (60_000..=86_400_000).contains(ms)) {
                Some(ms) => health.every_us = ms * 1_000,
                None => {
                    let error = crate::Error::bad_config("`every` must be between a minute and a day");
                    section.refuse(problems, "every", &error.hint("write `every = \"1h\"`"));
                }
            }
        }
        health.all = Watch::parse(&mut section, &Watch::default(), problems);
        for (name, mut below) in section.named_sections(problems, "sources") {
            health.sources.push((name, Watch::parse(&mut below, &health.all, problems)));
            below.finish(problems);
        }
        section.finish(problems);
        health
    }
}

impl Watch {
    fn parse(section: &mut Section<'_>, default: &Self, problems: &mut Problems) -> Self {
        let mut off = section.texts(problems, "off").unwrap_or_else(|| default.off.clone());
        if let Some(unknown) = off.iter().find(|name| !CHECKS.contains(&name.as_str())) {
            let error = crate::Error::bad_config(format!("`off` cannot be `{unknown}`"));
            let known = CHECKS.map(|name| format!("`{name}`")).join(", ");
            section.refuse(problems, "off", &error.hint(format!("it can be {known}")));
        }
        if section.boolean(problems, "enabled") == Some(false) {
            off = CHECKS.map(str::to_owned).to_vec();
        }
        Self {
            off,
            silent: section.count(problems, "silent").unwrap_or(default.silent),
            deviation: section.count(problems, "deviation").unwrap_or(default.deviation),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::PondConfig;
    use super::*;

    fn parse(text: &str) -> (Health, Vec<String>) {
        let mut problems = Problems::default();
        let config = PondConfig::parse("millpond.toml", text, 1 << 30, &mut problems).expect("config");
        (config.health, problems.found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_source_is_watched_as_it_says() {
        let (health, problems) = parse(
            "[health]\nevery = '15m'\noff = ['cost']\nsilent = 5\n[health.sources.app]\nsilent = 9\n\
             [health.sources.\"old-one\"]\nenabled = false\n",
        );
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(
            (health.every_us, health.all.silent, health.of("other").off.join(" ")),
            (900_000_000, 5, "cost".into())
        );
        assert_eq!((health.of("app").silent, health.of("app").off.join(" ")), (9, "cost".into()));
        assert_eq!(health.of("old-one").off.len(), CHECKS.len());
    }

    #[test]
    fn mistakes_have_lines() {
        let (_, problems) = parse("[health]\nevery = '2d'\noff = 'costs'\nslient = 3\n");
        let starts = [
            "millpond.toml:2: `every` must be",
            "millpond.toml:3: `off` cannot be `costs`",
            "millpond.toml:4: unknown key `slient`",
        ];
        assert!(problems.iter().zip(starts).all(|(told, start)| told.starts_with(start)), "{problems:?}");
        assert_eq!(problems.len(), 3, "{problems:?}");
    }
}
