//! What conditions on one column say together: `x = 1 and x = 2` is never true, `x <> 1 or x <> 2` is always.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::utils::split_binary;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

/// The truth of a chain of `and` or of `or` that its comparisons with constants decide, whatever the data. NULL counts
/// as neither.
pub(super) fn truth(expr: &Expr) -> Option<bool> {
    let Expr::BinaryExpr(BinaryExpr { op, .. }) = expr else { return None };
    let is_and = match op {
        Operator::And => true,
        Operator::Or => false,
        _ => return None,
    };
    let mut columns: BTreeMap<String, Vec<(Operator, ScalarValue)>> = BTreeMap::new();
    for part in split_binary(expr, *op) {
        if let Some((column, op, value)) = comparison(part) {
            // `a or b` is always true where `not a and not b` never is.
            let op = if is_and { Some(op) } else { op.negate() };
            columns.entry(column).or_default().extend(op.map(|op| (op, value)));
        }
    }
    columns.values().any(|bounds| is_impossible(bounds)).then_some(!is_and)
}

/// A comparison of a column with a constant, the column first.
fn comparison(expr: &Expr) -> Option<(String, Operator, ScalarValue)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return None };
    match (left.as_ref(), right.as_ref()) {
        (Expr::Column(column), Expr::Literal(value, _)) => Some((column.flat_name(), *op, value.clone())),
        (Expr::Literal(value, _), Expr::Column(column)) => Some((column.flat_name(), op.swap()?, value.clone())),
        _ => None,
    }
}

/// Whether no value is within all bounds.
fn is_impossible(bounds: &[(Operator, ScalarValue)]) -> bool {
    bounds.iter().enumerate().any(|(index, one)| bounds[index + 1..].iter().any(|other| excludes(one, other)))
}

/// Whether no value is within both bounds.
fn excludes((a_op, a): &(Operator, ScalarValue), (b_op, b): &(Operator, ScalarValue)) -> bool {
    use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    let Some(order) = a.partial_cmp(b) else { return false };
    match (a_op, b_op) {
        (Eq, Eq) => order != Ordering::Equal,
        (Eq, NotEq) | (NotEq, Eq) => order == Ordering::Equal,
        // Above one and below the other.
        (Gt | GtEq | Eq, Lt | LtEq | Eq) => match order {
            Ordering::Greater => true,
            Ordering::Equal => matches!(a_op, Gt) || matches!(b_op, Lt),
            Ordering::Less => false,
        },
        (Lt | LtEq, Gt | GtEq | Eq) => match order {
            Ordering::Less => true,
            Ordering::Equal => matches!(a_op, Lt) || matches!(b_op, Gt),
            Ordering::Greater => false,
        },
        _ => false,
    }
}
