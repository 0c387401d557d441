//! The section `detection`: named selections and the condition that joins them.

use super::condition::condition;
use super::context::Context;
use super::fault::{Result, fault, fault_with_hint, hint_of_names};
use super::modifiers::item;
use super::values::item_tests;
use super::yaml::{Entry, Node, Value};
use crate::condition::Expr;

/// How many selections a rule may have. The public rule with the most has 35.
const SELECTIONS_MAX: usize = 1_000;

/// A selection by its name.
pub(crate) struct Selection {
    pub(crate) name: String,
    pub(crate) expr: Expr,
    pub(crate) size: usize,
}

/// Reads selections and the condition over them. `others` are keys that are no selections.
pub(crate) fn detection(section: &Node, others: &[&str], context: &Context) -> Result<Expr> {
    let entries = section.entries();
    if entries.is_empty() {
        return fault(section.line, format!("the selections are {}, not a map", section.kind()));
    }
    if entries.len() > SELECTIONS_MAX {
        return fault(section.line, format!("there are {} selections, and may be {SELECTIONS_MAX}", entries.len()));
    }
    let is_selection = |entry: &&Entry| entry.key != "condition" && !others.contains(&entry.key.as_str());
    let selections: Vec<Selection> =
        entries.iter().filter(is_selection).map(|entry| selection(entry, context)).collect::<Result<_>>()?;
    let Some(wanted) = section.get("condition") else {
        let hint = hint_of_names("condition", entries.iter().map(|entry| entry.key.as_str()));
        return fault_with_hint(section.line, "there is no `condition`", hint);
    };
    let alternatives = wanted.members().iter().map(|text| one_condition(text, &selections, context));
    let alternatives = alternatives.collect::<Result<Vec<Expr>>>()?;
    if alternatives.is_empty() {
        fault(wanted.line, "`condition` is an empty list")
    } else {
        Ok(Expr::any(alternatives))
    }
}

fn one_condition(node: &Node, selections: &[Selection], context: &Context) -> Result<Expr> {
    match &node.value {
        Value::Text(text) => condition(text, node.line, selections, context),
        _ => fault(node.line, format!("`condition` is {}, not a text", node.kind())),
    }
}

fn selection(entry: &Entry, context: &Context) -> Result<Selection> {
    let expr = match &entry.node.value {
        Value::List(members) if members.is_empty() => {
            return fault(entry.line, format!("the selection `{}` is an empty list", entry.key));
        }
        Value::List(members) => {
            Expr::any(members.iter().map(|member| part(member, entry, context)).collect::<Result<_>>()?)
        }
        _ => part(&entry.node, entry, context)?,
    };
    let size = expr.size();
    Ok(Selection { name: entry.key.clone(), expr, size })
}

/// A map of fields, all of which have to fit, or a keyword.
fn part(node: &Node, entry: &Entry, context: &Context) -> Result<Expr> {
    match &node.value {
        Value::Map(fields) if fields.is_empty() => {
            fault(node.line, format!("the selection `{}` has an empty map", entry.key))
        }
        Value::Map(fields) => {
            let tests = fields.iter().map(|field| item_tests(&item(&field.key, field.line)?, &field.node, context));
            Ok(Expr::all(tests.collect::<Result<_>>()?))
        }
        Value::Null if std::ptr::eq(node, &entry.node) => {
            fault(node.line, format!("the selection `{}` is empty", entry.key))
        }
        Value::List(_) => fault(node.line, format!("the selection `{}` has a list within a list", entry.key)),
        _ => item_tests(&item("", node.line)?, node, context),
    }
}
