//! The table of results, and the page that holds it.

use std::fmt::{self, Display};
use std::fs;

use super::case::Unit;
use crate::error::{Context, Error, Result};
use crate::process;

const PAGE: &str = "docs/reference/benchmarks.md";
const BEGIN: &str = "<!-- begin: written by `cargo xtask bench` -->\n";
const END: &str = "<!-- end -->";

/// One line of the table.
pub(super) struct Row {
    /// What was done.
    pub(super) what: &'static str,
    /// What the numbers are.
    pub(super) unit: Unit,
    /// millpond's number; `None`: not measured.
    pub(super) millpond: Option<f64>,
    /// DuckDB's number; `None`: not measured; `Some(None)`: it failed.
    pub(super) duckdb: Option<Option<f64>>,
}

impl Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millpond = self.millpond.map_or("-".to_owned(), number);
        let duckdb = self.duckdb.map_or("-".to_owned(), |value| value.map_or("fails".to_owned(), number));
        let ratio = match (self.millpond, self.duckdb.flatten()) {
            (Some(millpond), Some(duckdb)) if self.unit.is_cost() => number(duckdb / millpond),
            (Some(millpond), Some(duckdb)) => number(millpond / duckdb),
            _ => "-".to_owned(),
        };
        write!(formatter, "| {} | {millpond} | {duckdb} | {ratio} | {} |", self.what, self.unit.name())
    }
}

/// The table as Markdown, with the line about the machine above it.
pub(super) fn table(rows: &[Row], machine: &str) -> String {
    let head = "| what | millpond | DuckDB 2.0 | ratio | unit |\n|---|---:|---:|---:|---|";
    let rows: String = rows.iter().map(|row| format!("{row}\n")).collect();
    format!("{machine}\n\n{head}\n{rows}")
}

/// Puts the table between the page's markers.
///
/// # Errors
/// When the page has no markers or cannot be read or written.
pub(super) fn write(table: &str) -> Result {
    let path = process::root().join(PAGE);
    let page = fs::read_to_string(&path).context(|| format!("cannot read `{PAGE}`"))?;
    let page = replace(&page, table).ok_or_else(|| Error::new(format!("`{PAGE}` has no markers for the table")))?;
    fs::write(&path, page).context(|| format!("cannot write `{PAGE}`"))
}

fn replace(page: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

/// Three digits that count.
fn number(value: f64) -> String {
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
        let row = |unit| Row { what: "work", unit, millpond: Some(200.0), duckdb: Some(Some(50.0)) };
        assert_eq!(row(Unit::Throughput).to_string(), "| work | 200 | 50.0 | 4.00 | decompressed MB per CPU-second |");
        assert_eq!(row(Unit::Memory).to_string(), "| work | 200 | 50.0 | 0.25 | MB RSS, peak |");
    }

    #[test]
    fn a_table_replaces_the_one_before() {
        let page = format!("above\n{BEGIN}\nold\n{END}\nbelow\n");
        let once = replace(&page, "new\n").expect("markers");
        assert_eq!(once, format!("above\n{BEGIN}\nnew\n\n{END}\nbelow\n"));
        assert_eq!(replace(&once, "new\n"), Some(once.clone()));
        assert_eq!(replace("no markers", "new\n"), None);
    }
}
