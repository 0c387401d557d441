//! What a query asks of chDB besides its tables, read from the engine's own parse of it.
//!
//! `readonly` keeps a query from writing and from most sources outside, but not from the functions that read files of the
//! machine, from the tables of the server, or from those of other jobs.

use millpond_core::{Error, Result};

/// Table functions that make rows of nothing but their arguments.
const MAKING_ROWS: [&str; 6] = ["numbers", "zeros", "generateseries", "generate_series", "values", "null"];
/// Beginnings of the functions that reach files, dictionaries, other tables, the network or the server's state.
const REACHING_OUT: [&str; 9] =
    ["file", "dict", "joinget", "catboost", "getserver", "getclienthttp", "serveruuid", "hostname", "ai"];
/// Functions that begin like those and reach nothing.
const HARMLESS: [&str; 1] = ["air"];
/// Databases that are none of a transform's.
const FOREIGN: [&str; 4] = ["system.", "information_schema.", "default.", super::DATABASE];

/// Refuses what a query may not have. `lines` are the tree that `explain ast` gives, `tables` those of the session.
pub(super) fn check(lines: &[String], tables: &[String]) -> Result<()> {
    let mut before = "";
    for line in lines {
        let node = line.trim_start();
        let (kind, rest) = node.split_once(' ').unwrap_or((node, ""));
        let name = rest.split(" (").next().unwrap_or(rest);
        match kind {
            "Set" => return Err(refused("`settings`", "a transform runs under the settings that millpond gives")),
            "Function" if before.starts_with("TableExpression") => check_table_function(name)?,
            "Function" => check_function(name)?,
            "TableIdentifier" => check_table(name, tables)?,
            "Identifier" => check_identifier(name)?,
            _ => {}
        }
        before = node;
    }
    Ok(())
}

fn check_table_function(name: &str) -> Result<()> {
    if MAKING_ROWS.contains(&name.to_lowercase().as_str()) {
        return Ok(());
    }
    Err(refused(
        &format!("table function `{name}`"),
        "tables come from `enrich/` and from quoted locations that `[tables]` `allow` names",
    ))
}

fn check_function(name: &str) -> Result<()> {
    let lower = name.to_lowercase();
    let begins = |names: &[&str]| names.iter().any(|begin| lower.starts_with(begin));
    if begins(&REACHING_OUT) && !begins(&HARMLESS) {
        return Err(refused(&format!("function `{name}`"), "a transform sees its input and the pond's tables alone"));
    }
    Ok(())
}

fn check_table(name: &str, tables: &[String]) -> Result<()> {
    let is_known = tables.iter().any(|table| table == name);
    if is_known || !name.contains('.') {
        return Ok(());
    }
    Err(refused(&format!("table `{name}`"), "a transform sees its input and the pond's tables alone"))
}

/// A table is named like a column where it is what `in` looks into.
fn check_identifier(name: &str) -> Result<()> {
    let lower = name.to_lowercase();
    if FOREIGN.iter().any(|foreign| lower.starts_with(foreign)) {
        return Err(refused(&format!("`{name}`"), "a transform sees its input and the pond's tables alone"));
    }
    Ok(())
}

fn refused(what: &str, hint: &str) -> Error {
    Error::bad_config(format!("a transform may not use {what} of `chdb`")).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(tree: &[&str]) -> Result<(), String> {
        let lines: Vec<String> = tree.iter().map(|line| (*line).to_owned()).collect();
        check(&lines, &["input".to_owned(), "s3://intel/bad.csv".to_owned()]).map_err(|error| error.to_string())
    }

    #[test]
    fn what_reaches_out_is_refused() {
        for (tree, named) in [
            (&["   Function file (alias a) (children 1)"][..], "function `file`"),
            (&["Function dictGetString (children 1)"], "function `dictGetString`"),
            (&["Function aiGenerate (children 1)"], "function `aiGenerate`"),
            (&[" TableExpression (children 1)", "  Function url (alias u) (children 1)"], "table function `url`"),
            (&[" TableIdentifier system.tables (alias t)"], "table `system.tables`"),
            (&[" TableIdentifier millpond_1.input"], "table `millpond_1.input`"),
            (&["  Identifier system.one"], "`system.one`"),
            (&["  Set"], "`settings`"),
        ] {
            let error = verdict(tree).expect_err(named);
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn tables_and_functions_of_plain_sql_are_allowed() {
        let tree = [
            " Function lower (children 1)",
            " Identifier actor.name",
            " TableExpression (children 1)",
            "  TableIdentifier input (alias i)",
            " TableIdentifier s3://intel/bad.csv",
            " TableExpression (children 1)",
            "  Function numbers (alias u) (children 1)",
        ];
        assert_eq!(verdict(&tree), Ok(()));
    }
}
