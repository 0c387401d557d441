//! Mistakes of signals that plan and run, and find nothing, or everything, or the wrong rows.
//!
//! A rule says nothing where it cannot be sure: a warning that is wrong once is not read the second time. What can only
//! be a mistake is an error; what nearly always is one is a warning.

mod bounds;
mod case;
mod constant;
mod time;
mod written;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan};
use millpond_core::Error;
use millpond_core::config::Problems;
use millpond_core::source::Sql;

use crate::prepare::Prepared;
use crate::sql;

/// One thing that is wrong with a query.
#[derive(Debug)]
struct Finding {
    level: Level,
    /// From 1.
    line: usize,
    error: Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Error,
    Warning,
}

impl Finding {
    fn error(line: usize, message: impl Into<String>, hint: &str) -> Self {
        Self { level: Level::Error, line, error: Error::bad_config(message).hint(hint) }
    }

    fn warning(line: usize, message: impl Into<String>, hint: &str) -> Self {
        Self { level: Level::Warning, line, error: Error::bad_config(message).hint(hint) }
    }
}

/// A query, its plan as SQL says it, and what it reads.
struct Query<'a> {
    sql: &'a Sql,
    plan: &'a LogicalPlan,
    /// The plan behind the table `output`, where there is one.
    transform: Option<&'a LogicalPlan>,
}

impl Prepared {
    /// Looks for mistakes in the source's signals; none of them keeps the source from running.
    pub fn lint(&self, problems: &mut Problems) {
        for (signal, planned) in self.source.signals.iter().zip(&self.signals) {
            let query = Query { sql: &signal.sql, plan: &planned.logical, transform: self.transform.logical_plan() };
            lint_query(&self.state, &query, problems);
        }
    }
}

/// Looks for mistakes in a signal that runs over the lake; `plan` is what the session made of it.
pub fn lint_periodic(state: &SessionState, sql: &Sql, plan: &LogicalPlan, problems: &mut Problems) {
    lint_query(state, &Query { sql, plan, transform: None }, problems);
}

fn lint_query(state: &SessionState, query: &Query<'_>, problems: &mut Problems) {
    let mut findings = written::find(state, &query.sql.text);
    findings.extend(constant::find(state, query));
    findings.extend(case::find(query));
    findings.extend(time::find(query));
    findings.extend(find_unbounded(query));
    findings.sort_by_key(|finding| finding.line);
    for finding in findings {
        match finding.level {
            Level::Error => problems.add(&query.sql.file, finding.line, &finding.error),
            Level::Warning => problems.warn(&query.sql.file, finding.line, &finding.error),
        }
    }
}

/// A query that limits nothing makes a signal of every row.
fn find_unbounded(query: &Query<'_>) -> Option<Finding> {
    let mut is_bounded = false;
    let visited = query.plan.apply_with_subqueries(|node| {
        is_bounded |= matches!(
            node,
            LogicalPlan::Filter(_)
                | LogicalPlan::Aggregate(_)
                | LogicalPlan::Join(_)
                | LogicalPlan::Distinct(_)
                | LogicalPlan::Limit(_)
                | LogicalPlan::EmptyRelation(_)
        );
        Ok(TreeNodeRecursion::Continue)
    });
    if is_bounded || visited.is_err() {
        return None;
    }
    let message = "every row is a signal: the query has no `where`, `having`, `qualify`, `group by` or `join`";
    Some(Finding::warning(query.line_of_word("select"), message, "say which rows matter in a `where`"))
}

impl Query<'_> {
    /// Every condition of the query, with the node that it stands in.
    fn conditions(&self) -> Vec<(LogicalPlan, Expr)> {
        conditions(self.plan)
    }

    /// The line of an expression: that of its first column.
    fn line_of(&self, expr: &Expr) -> usize {
        let columns = columns_of(expr);
        let span = columns.iter().find_map(|column| column.spans().first());
        if let Some(span) = span.filter(|span| span.start.line > 0) {
            return span.start.line as usize;
        }
        let after = self.line_of_word("where").max(1);
        let is_named = |line: &str| columns.iter().any(|column| line.contains(&column.name));
        let mut lines = self.sql.text.lines().enumerate().skip(after - 1);
        // What an aggregate gives has no place of its own.
        let other = || ["having", "qualify"].map(|word| self.line_of_word(word)).into_iter().max().unwrap_or(1);
        lines.find(|(_, line)| is_named(line)).map_or_else(|| other().max(after), |(index, _)| index + 1)
    }

    /// The first line of the query itself in which a word of lower-case letters stands, in any case.
    fn line_of_word(&self, word: &str) -> usize {
        let is_it = |line: &str| {
            let line = line.split("--").next().unwrap_or_default().to_lowercase();
            line.split(|character: char| !character.is_alphanumeric() && character != '_').any(|found| found == word)
        };
        self.sql.text.lines().position(is_it).map_or(1, |index| index + 1)
    }
}

/// Every condition of a plan, with the node that it stands in; those of subqueries too.
fn conditions(plan: &LogicalPlan) -> Vec<(LogicalPlan, Expr)> {
    let mut found = Vec::new();
    // The closure gives no error, so neither does the walk.
    let _ = plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::Filter(filter) => found.push((node.clone(), filter.predicate.clone())),
            LogicalPlan::Join(join) => found.extend(join.filter.clone().map(|filter| (node.clone(), filter))),
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

/// The columns that an expression names, in its order.
fn columns_of(expr: &Expr) -> Vec<datafusion::common::Column> {
    let mut found = Vec::new();
    let _ = expr.apply(|part| {
        if let Expr::Column(column) = part {
            found.push(column.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

/// An expression as people write it: without the names of tables.
fn shown(expr: &Expr) -> String {
    let text = sql::text_of(expr).replace("count(Int64(1))", "count(*)");
    match text.chars().count() {
        0..=80 => text,
        _ => format!("{}…", text.chars().take(79).collect::<String>()),
    }
}
