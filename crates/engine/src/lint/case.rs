//! Text that was brought to lower case is compared with a text that has capital letters, or the other way round.

use datafusion::common::Column;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{BinaryExpr, Expr, Like, LogicalPlan, Operator};

use super::{Finding, Query, columns_of};
use crate::prepare::OUTPUT;

/// The case that text was brought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Lower,
    Upper,
}

impl Case {
    /// Whether text of this case can have the letters of another text.
    fn can_equal(self, text: &str) -> bool {
        match self {
            Self::Lower => !text.chars().any(char::is_uppercase),
            Self::Upper => !text.chars().any(char::is_lowercase),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Upper => "upper",
        }
    }
}

pub(super) fn find(query: &Query<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (node, condition) in query.conditions() {
        // A condition stands over the rows of its node's inputs.
        let inputs = node.inputs();
        let case = |expr: &Expr| inputs.iter().find_map(|input| case_of(expr, input, query.transform));
        let _ = condition.apply(|part| {
            for (side, text) in compared(part) {
                if let Some(case) = case(side).filter(|case| !case.can_equal(text)) {
                    findings.push(tell(query, side, text, case));
                }
            }
            Ok(TreeNodeRecursion::Continue)
        });
    }
    findings
}

fn tell(query: &Query<'_>, side: &Expr, text: &str, case: Case) -> Finding {
    let column = columns_of(side).first().map(|column| column.name.clone()).unwrap_or_default();
    let message = format!("`{column}` was brought to {} case and is never `{text}`", case.name());
    Finding::error(query.line_of(side), message, &format!("write the text in {} case", case.name()))
}

/// What an expression compares with texts.
fn compared(expr: &Expr) -> Vec<(&Expr, &str)> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq | Operator::NotEq, right }) => {
            let sides = [(left, right), (right, left)];
            sides.into_iter().filter_map(|(side, other)| Some((side.as_ref(), text_of(other)?))).collect()
        }
        Expr::Like(Like { expr, pattern, case_insensitive: false, .. }) => {
            text_of(pattern).map(|text| (expr.as_ref(), text)).into_iter().collect()
        }
        Expr::InList(list) => list.list.iter().filter_map(|item| Some((list.expr.as_ref(), text_of(item)?))).collect(),
        _ => Vec::new(),
    }
}

fn text_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}

/// The case that an expression over the rows of a plan was brought to.
fn case_of(expr: &Expr, plan: &LogicalPlan, transform: Option<&LogicalPlan>) -> Option<Case> {
    match expr {
        Expr::ScalarFunction(function) => match function.name() {
            "lower" => Some(Case::Lower),
            "upper" => Some(Case::Upper),
            "trim" | "btrim" | "ltrim" | "rtrim" => case_of(function.args.first()?, plan, transform),
            _ => None,
        },
        Expr::Alias(alias) => case_of(&alias.expr, plan, transform),
        Expr::Column(column) => case_of_column(column, plan, transform),
        _ => None,
    }
}

/// As [`case_of`], for a column: it is followed to the expression that made it.
fn case_of_column(column: &Column, plan: &LogicalPlan, transform: Option<&LogicalPlan>) -> Option<Case> {
    case_at(plan.schema().maybe_index_of_column(column)?, plan, transform)
}

fn case_at(index: usize, plan: &LogicalPlan, transform: Option<&LogicalPlan>) -> Option<Case> {
    match plan {
        LogicalPlan::Projection(projection) => case_of(projection.expr.get(index)?, &projection.input, transform),
        LogicalPlan::Aggregate(aggregate) => case_of(aggregate.group_expr.get(index)?, &aggregate.input, transform),
        LogicalPlan::SubqueryAlias(alias) => case_at(index, &alias.input, transform),
        LogicalPlan::Filter(filter) => case_at(index, &filter.input, transform),
        LogicalPlan::Sort(sort) => case_at(index, &sort.input, transform),
        LogicalPlan::Limit(limit) => case_at(index, &limit.input, transform),
        LogicalPlan::Window(window) if index < window.input.schema().fields().len() => {
            case_at(index, &window.input, transform)
        }
        LogicalPlan::Join(join) => {
            let left = join.left.schema().fields().len();
            match index < left {
                true => case_at(index, &join.left, transform),
                false => case_at(index - left, &join.right, transform),
            }
        }
        LogicalPlan::TableScan(scan) if scan.table_name.table() == OUTPUT => {
            let transform = transform?;
            let name = plan.schema().field(index).name();
            case_at(transform.schema().index_of_column_by_name(None, name)?, transform, None)
        }
        _ => None,
    }
}
