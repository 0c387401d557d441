//! Conditions that are true of every row, or of none.

use std::sync::Arc;

use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

use super::{Finding, Level, Query, bounds, columns_of, conditions, shown};

pub(super) fn find(state: &SessionState, query: &Query<'_>) -> Vec<Finding> {
    let options = state.config_options();
    // The analyzer gives both sides of a comparison one type.
    let Ok(plan) = state.analyzer().execute_and_check(query.plan.clone(), options, |_, _| {}) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for (node, condition) in conditions(&plan) {
        let schema = schema_of(&node);
        let simplifier = ExprSimplifier::new(SimplifyContext::builder().with_schema(schema).build());
        visit(query, &simplifier, &condition, &mut findings);
    }
    if findings.is_empty() {
        findings.extend(find_empty(state, query, &plan));
    }
    findings
}

/// The columns that a node's condition can name.
fn schema_of(node: &LogicalPlan) -> Arc<DFSchema> {
    match node {
        LogicalPlan::Filter(filter) => Arc::clone(filter.input.schema()),
        other => Arc::clone(other.schema()),
    }
}

/// Tells of the largest parts of a condition whose truth is known.
fn visit(query: &Query<'_>, simplifier: &ExprSimplifier, expr: &Expr, findings: &mut Vec<Finding>) {
    if is_about_null(expr) {
        return;
    }
    if let Some(is_true) = truth(simplifier, expr) {
        findings.push(tell(query, expr, is_true));
        return;
    }
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => {
            visit(query, simplifier, left, findings);
            visit(query, simplifier, right, findings);
        }
        Expr::Not(inner) => visit(query, simplifier, inner, findings),
        _ => {}
    }
}

/// A comparison with NULL is told of as such, where it is written.
fn is_about_null(expr: &Expr) -> bool {
    let is_null = |expr: &Expr| match expr {
        Expr::Literal(value, _) => value.is_null(),
        Expr::Cast(cast) => matches!(cast.expr.as_ref(), Expr::Literal(value, _) if value.is_null()),
        _ => false,
    };
    matches!(expr, Expr::BinaryExpr(BinaryExpr { left, right, .. }) if is_null(left) || is_null(right))
}

fn truth(simplifier: &ExprSimplifier, expr: &Expr) -> Option<bool> {
    match simplifier.simplify(expr.clone()) {
        Ok(Expr::Literal(ScalarValue::Boolean(value), _)) => Some(value.unwrap_or(false)),
        Ok(simple) => bounds::truth(expr).or_else(|| bounds::truth(&simple)),
        Err(_) => None,
    }
}

fn tell(query: &Query<'_>, expr: &Expr, is_true: bool) -> Finding {
    let line = match columns_of(expr).is_empty() {
        true => query.line_of_word("where"),
        false => query.line_of(expr),
    };
    let text = shown(expr);
    match is_true {
        true => Finding::error(line, format!("`{text}` is true of every row"), "leave it out, or say what was meant"),
        false => Finding::error(line, format!("`{text}` is true of no row"), "say what was meant: `or`, `in (…)`?"),
    }
}

/// A query that the optimizer finds to be empty for another reason.
fn find_empty(state: &SessionState, query: &Query<'_>, plan: &LogicalPlan) -> Option<Finding> {
    let is_empty = |plan: &LogicalPlan| matches!(plan, LogicalPlan::EmptyRelation(empty) if !empty.produce_one_row);
    if is_empty(plan) || !is_empty(&state.optimize(plan).ok()?) {
        return None;
    }
    let line = query.line_of_word("where");
    let error = millpond_core::Error::bad_config("the query can never give a row: its conditions exclude each other");
    Some(Finding { level: Level::Error, line, error })
}
