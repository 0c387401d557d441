//! A time that limits one branch of an `or` and not the others: the others look at all rows.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::utils::split_binary;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};

use super::{Finding, Query, columns_of};

pub(super) fn find(query: &Query<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (node, condition) in query.conditions() {
        let _ = condition.apply(|part| {
            let Expr::BinaryExpr(BinaryExpr { op: Operator::Or, .. }) = part else {
                return Ok(TreeNodeRecursion::Continue);
            };
            let branches = split_binary(part, Operator::Or);
            let (timed, untimed): (Vec<_>, Vec<_>) = branches.into_iter().partition(|branch| names_time(branch, &node));
            if let (Some(timed), false) = (timed.first(), untimed.is_empty()) {
                let message = "the time limits one branch of an `or`; the others look at all times";
                let hint = "put the branches into parentheses: `time > … and (a or b)`";
                findings.push(Finding::warning(query.line_of(timed), message, hint));
            }
            Ok(TreeNodeRecursion::Jump)
        });
    }
    findings
}

/// Whether a branch says something of a time column by itself.
fn names_time(branch: &Expr, node: &LogicalPlan) -> bool {
    let mut is_found = false;
    let _ = branch.apply(|part| {
        is_found |= match part {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(*op) => {
                (is_time(left, node) && columns_of(right).is_empty())
                    || (is_time(right, node) && columns_of(left).is_empty())
            }
            Expr::Between(between) => is_time(&between.expr, node),
            Expr::IsNull(expr) | Expr::IsNotNull(expr) => is_time(expr, node),
            _ => false,
        };
        Ok(TreeNodeRecursion::Continue)
    });
    is_found
}

fn is_comparison(op: Operator) -> bool {
    matches!(op, Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
}

/// Whether an expression is a time that comes from the rows.
fn is_time(expr: &Expr, node: &LogicalPlan) -> bool {
    let is_time = |kind: DataType| matches!(kind, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64);
    !columns_of(expr).is_empty() && node.inputs().iter().any(|input| expr.get_type(input.schema()).is_ok_and(is_time))
}
