//! The table of results, and the page that holds it.

use std::fmt::{self, Display};
use std::fs;

use super::case::Unit;
use crate::error::{Context, Error, Result};
use crate::process;

const PAGE: &str = "docs/reference/benchmarks.md";
const END: &str = "<!-- end -->";

/// A part of the page that is written here: the marker in front of it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Table,
    Stages,
    Sigma,
    Engines,
    Packs,
}

impl Part {
    fn marker(self) -> &'static str {
        match self {
            Self::Table => "<!-- begin: written by `cargo xtask bench` -->\n",
            Self::Stages => "<!-- begin: stages, written by `cargo xtask bench` -->\n",
            Self::Sigma => "<!-- begin: sigma, written by `cargo xtask bench --sigma` -->\n",
            Self::Engines => "<!-- begin: engines, written by `cargo xtask bench --case engines` -->\n",
            Self::Packs => "<!-- begin: packs, written by `cargo xtask bench --case packs` -->\n",
        }
    }
}

/// One line of the table.
pub(super) struct Row {
    /// What was done.
    pub(super) what: &'static str,
    /// What the speeds are.
    pub(super) unit: Unit,
    /// millpond's side; `None`: not measured.
    pub(super) millpond: Option<Figures>,
    /// DuckDB's side; `None`: not measured; `Some(None)`: it failed.
    pub(super) duckdb: Option<Option<Figures>>,
}

/// What one side needed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figures {
    /// In the row's unit.
    pub(super) speed: f64,
    /// Peak resident memory.
    pub(super) rss_mb: f64,
}

impl Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [millpond, millpond_rss] = Figures::cells(self.millpond.map(Some));
        let [duckdb, duckdb_rss] = Figures::cells(self.duckdb);
        let ratio = match (self.millpond, self.duckdb.flatten()) {
            (Some(millpond), Some(duckdb)) if self.unit.is_cost() => number(duckdb.speed / millpond.speed),
            (Some(millpond), Some(duckdb)) => number(millpond.speed / duckdb.speed),
            _ => "-".to_owned(),
        };
        let (what, unit) = (self.what, self.unit.name());
        write!(formatter, "| {what} | {millpond} | {duckdb} | {ratio} | {unit} | {millpond_rss} | {duckdb_rss} |")
    }
}

impl Figures {
    /// Speed and memory of one side: a dash where it was not measured, `fails` where it failed.
    fn cells(side: Option<Option<Self>>) -> [String; 2] {
        match side {
            None => ["-", "-"].map(str::to_owned),
            Some(None) => ["fails", "fails"].map(str::to_owned),
            Some(Some(side)) => [side.speed, side.rss_mb].map(number),
        }
    }
}

/// The table as Markdown, with the line about the machine above it.
pub(super) fn table(rows: &[Row], machine: &str) -> String {
    let head = "| what | millpond | DuckDB 2.0 | ratio | unit | millpond, peak MB | DuckDB, peak MB |\n\
                |---|---:|---:|---:|---|---:|---:|";
    let rows: String = rows.iter().map(|row| format!("{row}\n")).collect();
    format!("{machine}\n\n{head}\n{rows}")
}

/// Puts text between the markers of its part of the page.
///
/// # Errors
/// When the page has no such markers or cannot be read or written.
pub(super) fn write(part: Part, text: &str) -> Result {
    let path = process::root().join(PAGE);
    let page = fs::read_to_string(&path).context(|| format!("cannot read `{PAGE}`"))?;
    let missing = || Error::new(format!("`{PAGE}` has no markers for {part:?}"));
    let page = replace(&page, part, text).ok_or_else(missing)?;
    fs::write(&path, page).context(|| format!("cannot write `{PAGE}`"))
}

fn replace(page: &str, part: Part, text: &str) -> Option<String> {
    let marker = part.marker();
    let (before, rest) = page.split_once(marker)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{marker}\n{text}\n{END}{after}"))
}

/// Three digits that count.
pub(super) fn number(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_above_one_means_that_millpond_is_better() {
        let side = |speed, rss_mb| Figures { speed, rss_mb };
        let row =
            |unit| Row { what: "work", unit, millpond: Some(side(200.0, 60.0)), duckdb: Some(Some(side(50.0, 90.0))) };
        assert_eq!(row(Unit::Throughput).to_string(), "| work | 200 | 50.0 | 4.00 | MB per CPU-second | 60.0 | 90.0 |");
        assert_eq!(row(Unit::Wall).to_string(), "| work | 200 | 50.0 | 0.25 | ms from start to exit | 60.0 | 90.0 |");
        let failed = Row { duckdb: Some(None), ..row(Unit::Files) };
        assert_eq!(failed.to_string(), "| work | 200 | fails | - | files per second | 60.0 | fails |");
    }

    #[test]
    fn a_part_replaces_the_one_before() {
        let (table, stages) = (Part::Table.marker(), Part::Stages.marker());
        let page = format!("above\n{table}\nold\n{END}\nbelow\n{stages}\n{END}\n");
        let once = replace(&page, Part::Table, "new\n").expect("markers");
        assert_eq!(once, format!("above\n{table}\nnew\n\n{END}\nbelow\n{stages}\n{END}\n"));
        assert_eq!(replace(&once, Part::Table, "new\n"), Some(once.clone()));
        assert!(replace(&once, Part::Stages, "stage\n").expect("markers").ends_with(&format!("\nstage\n\n{END}\n")));
        assert_eq!(replace("no markers", Part::Table, "new\n"), None);
    }
}
