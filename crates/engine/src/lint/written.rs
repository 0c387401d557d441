//! What can be seen in the text of a query: `and` and `or` without parentheses, comparisons with NULL, `_` in `like`, and
//! `not in` over what may be NULL.

use std::ops::ControlFlow;

use datafusion::execution::session_state::SessionState;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArguments, Query, SelectItem, SetExpr, Spanned, UnaryOperator, Value, Visit, Visitor,
};

use super::Finding;
use crate::sql;

pub(super) fn find(state: &SessionState, text: &str) -> Vec<Finding> {
    let mut written = Written(Vec::new());
    if let Ok(Statement::Statement(ast)) = sql::parse_query(state, text) {
        let _: ControlFlow<()> = ast.visit(&mut written);
    }
    written.0.dedup_by(|a, b| (a.line, a.error.to_string()) == (b.line, b.error.to_string()));
    written.0
}

struct Written(Vec<Finding>);

impl Visitor for Written {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let line = (expr.span().start.line as usize).max(1);
        match expr {
            Expr::BinaryOp { left, op: BinaryOperator::Or, right } if is_and(left) || is_and(right) => {
                let hint = "write the parentheses: `(a and b) or c`, or `a and (b or c)`";
                self.0.push(Finding::warning(line, "`and` and `or` are mixed without parentheses", hint));
            }
            Expr::BinaryOp { left, op, right } if is_comparison(op) && (is_null(left) || is_null(right)) => {
                let message = format!("a comparison with NULL by `{op}` is never true");
                self.0.push(Finding::error(line, message, "write `is null` or `is not null`"));
            }
            Expr::Like { pattern, escape_char: None, .. } | Expr::ILike { pattern, escape_char: None, .. } => {
                if let Some(pattern) = text_of(pattern).filter(|pattern| has_bare_underscore(pattern)) {
                    let message = format!("`_` in the pattern `{pattern}` stands for any one character");
                    self.0.push(Finding::warning(line, message, "write `\\_` for the character itself"));
                }
            }
            Expr::InSubquery { subquery, negated: true, .. } if may_be_null(subquery) => {
                let message = "`not in` is never true once the subquery gives a NULL";
                let hint = "add `where … is not null` to the subquery, or write `not exists (…)`";
                self.0.push(Finding::warning(line, message, hint));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn is_and(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryOp { op, .. } => *op == BinaryOperator::And,
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => is_and(expr),
        _ => false,
    }
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

fn is_null(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => value.value == Value::Null,
        Expr::Nested(inner) => is_null(inner),
        _ => false,
    }
}

fn text_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a pattern looks like a file name and has `_` between letters or digits: one that is meant.
fn has_bare_underscore(pattern: &str) -> bool {
    let bytes = pattern.as_bytes();
    let is_word = |index: Option<usize>| {
        index.and_then(|index| bytes.get(index)).is_some_and(|byte| byte.is_ascii_alphanumeric())
    };
    let has_bare = bytes
        .iter()
        .enumerate()
        .any(|(index, byte)| *byte == b'_' && is_word(index.checked_sub(1)) && is_word(Some(index + 1)));
    has_bare && looks_like_file(pattern)
}

/// Whether a pattern has a path's separator, or ends in an extension such as `.exe` or `.json%`.
fn looks_like_file(pattern: &str) -> bool {
    let extension = pattern.trim_end_matches('%').rsplit_once('.').map(|(_, extension)| extension);
    let has_extension = extension.is_some_and(|text| {
        (1..=5).contains(&text.len()) && text.chars().all(|character| character.is_ascii_alphanumeric())
    });
    has_extension || pattern.contains(['/', '\\'])
}

/// Whether the first column of a query may be NULL, as far as its text tells.
fn may_be_null(query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    let Some(SelectItem::UnnamedExpr(given) | SelectItem::ExprWithAlias { expr: given, .. }) =
        select.projection.first()
    else {
        return false;
    };
    if !is_column(given) {
        return false;
    }
    let conditions = [&select.selection, &select.having, &select.qualify];
    !conditions.into_iter().flatten().any(|condition| excludes_null(condition, given))
}

/// Whether an expression names a column; `user` is a function without arguments to the parser.
fn is_column(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => true,
        Expr::Function(function) => function.args == FunctionArguments::None,
        _ => false,
    }
}

/// Whether a condition is not true where an expression is NULL.
fn excludes_null(condition: &Expr, given: &Expr) -> bool {
    let is_given = |expr: &Expr| expr.to_string() == given.to_string();
    match condition {
        Expr::IsNotNull(expr) => is_given(expr),
        Expr::Nested(inner) => excludes_null(inner, given),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            excludes_null(left, given) || excludes_null(right, given)
        }
        Expr::BinaryOp { left, op, right } => is_comparison(op) && (is_given(left) || is_given(right)),
        Expr::InList { expr, .. } | Expr::Like { expr, .. } | Expr::ILike { expr, .. } | Expr::Between { expr, .. } => {
            is_given(expr)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_file_names_have_an_underscore_that_is_meant() {
        for pattern in ["%my_tool.exe", "C:\\a_b\\%", "%/etc/cron_d/%", "report_2024.json%"] {
            assert!(has_bare_underscore(pattern), "{pattern}");
        }
        for pattern in ["%my\\_tool.exe", "user_%", "a_b", "_.exe", "%Access_Key%", "%tool.exe"] {
            assert!(!has_bare_underscore(pattern), "{pattern}");
        }
    }
}
