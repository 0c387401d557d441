//! What a transform does to its rows, read from its SQL: for engines whose operators do not tell.
//!
//! Such an engine gives two counts, rows in and rows out, and the difference has one fate: what the SQL says that it does
//! with rows. SQL that neither removes nor adds any must give as many as it was given, or the job does not balance.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, GroupByExpr, JoinOperator, Query, Select, SetOperator, Statement, TableFactor, Visit, Visitor,
};
use datafusion::sql::sqlparser::parser::Parser;
use millpond_core::balance::Balance;

use super::dialect::Dialect;
use crate::engine::Seen;

/// What a query may do to rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Shape {
    /// It folds rows into others.
    aggregates: bool,
    /// It leaves out rows that are like others.
    deduplicates: bool,
    /// It leaves out rows by a condition or a limit.
    filters: bool,
    /// It makes more rows of some.
    explodes: bool,
}

impl Shape {
    /// What nobody could read may do anything.
    const UNKNOWN: Self = Self { aggregates: false, deduplicates: false, filters: true, explodes: true };

    /// Reads a query. `aggregates` are the engine's functions that fold rows, in small letters.
    pub(super) fn of(dialect: &dyn Dialect, query: &str, aggregates: &BTreeSet<String>) -> Self {
        let Some(statement) = parse(dialect, query) else { return Self::UNKNOWN };
        let mut reading = Reading { shape: Self::default(), aggregates };
        let _: ControlFlow<()> = statement.visit(&mut reading);
        reading.shape
    }

    /// What became of the rows.
    pub(super) fn balance(&self, seen: &Seen) -> Balance {
        let Seen { records, rejected, delivered, rows_out } = *seen;
        let mut balance = Balance { rows_in: records, quarantined: rejected, rows_out, ..Balance::default() };
        let (removed, added) = (delivered.saturating_sub(rows_out), rows_out.saturating_sub(delivered));
        if self.aggregates {
            balance.aggregated = removed;
        } else if self.deduplicates {
            balance.deduplicated = removed;
        } else if self.filters {
            balance.filtered = removed;
        }
        // An aggregate over no rows gives one.
        if self.explodes || self.aggregates {
            balance.exploded = added;
        }
        balance
    }
}

/// A query that the parser understands.
pub(super) fn parse(dialect: &dyn Dialect, query: &str) -> Option<Statement> {
    let parsed = Parser::parse_sql(dialect.parser().as_ref(), query).ok()?;
    match <[Statement; 1]>::try_from(parsed) {
        Ok([statement @ Statement::Query(_)]) => Some(statement),
        _ => None,
    }
}

struct Reading<'a> {
    shape: Shape,
    aggregates: &'a BTreeSet<String>,
}

/// Functions that make several rows of one.
const EXPLODING: [&str; 5] = ["unnest", "arrayjoin", "generate_subscripts", "regexp_split_to_table", "json_each"];

impl Visitor for Reading<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.shape.filters |= query.limit_clause.is_some() || query.fetch.is_some();
        if let datafusion::sql::sqlparser::ast::SetExpr::SetOperation { op, .. } = query.body.as_ref() {
            self.shape.explodes |= *op == SetOperator::Union;
            self.shape.filters |= *op != SetOperator::Union;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        let is_grouped = match &select.group_by {
            GroupByExpr::All(_) => true,
            GroupByExpr::Expressions(by, modifiers) => !by.is_empty() || !modifiers.is_empty(),
        };
        let joins = || select.from.iter().flat_map(|from| &from.joins);
        let keeps_rows = |join: &JoinOperator| {
            matches!(
                join,
                JoinOperator::Left(_)
                    | JoinOperator::LeftOuter(_)
                    | JoinOperator::FullOuter(_)
                    | JoinOperator::CrossJoin(_)
            )
        };
        self.shape.aggregates |= is_grouped;
        self.shape.deduplicates |= select.distinct.is_some() || select.qualify.is_some();
        self.shape.filters |= select.selection.is_some()
            || select.having.is_some()
            || select.top.is_some()
            || select.prewhere.is_some()
            || joins().any(|join| !keeps_rows(&join.join_operator));
        self.shape.explodes |= select.from.len() > 1 || joins().next().is_some() || !select.lateral_views.is_empty();
        // A transform that does not read its input leaves it all out, and brings rows of its own.
        if select.from.is_empty() {
            self.shape.filters = true;
            self.shape.explodes = true;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let makes_rows = match factor {
            TableFactor::Table { args, .. } => args.is_some(),
            TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } => false,
            _ => true,
        };
        self.shape.explodes |= makes_rows;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            self.read_function(function);
        }
        ControlFlow::Continue(())
    }
}

impl Reading<'_> {
    fn read_function(&mut self, function: &Function) {
        let name = function.name.to_string().to_lowercase();
        self.shape.aggregates |= function.over.is_none() && self.aggregates.contains(&name);
        if EXPLODING.contains(&name.as_str()) {
            // A row without items gives none.
            self.shape.explodes = true;
            self.shape.filters = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::duckdb::DuckDb;
    use super::*;

    fn balance(query: &str, delivered: u64, rows_out: u64) -> Balance {
        let aggregates = ["count", "sum"].map(str::to_owned).into();
        let seen = Seen { records: delivered + 1, rejected: 1, delivered, rows_out };
        Shape::of(&DuckDb, query, &aggregates).balance(&seen)
    }

    #[test]
    fn the_difference_has_the_fate_that_the_query_names() {
        let all = Balance { rows_in: 11, quarantined: 1, rows_out: 4, ..Balance::default() };
        for (query, expected) in [
            ("select a from input where a > 1", Balance { filtered: 6, ..all }),
            ("select a from input limit 4", Balance { filtered: 6, ..all }),
            ("select distinct a from input", Balance { deduplicated: 6, ..all }),
            (
                "select a from input where b qualify row_number() over (partition by a) = 1",
                Balance { deduplicated: 6, ..all },
            ),
            ("select a, count(*) from input where b group by a", Balance { aggregated: 6, ..all }),
            ("select count(*) over () from input where a", Balance { filtered: 6, ..all }),
            ("select a from input join other using (a)", Balance { filtered: 6, ..all }),
            ("select unnest(tags) from input", Balance { filtered: 6, ..all }),
            ("this is no query", Balance { filtered: 6, ..all }),
        ] {
            let found = balance(query, 10, 4);
            assert_eq!(found, expected, "{query}");
            assert!(found.holds(), "{query}");
        }
    }

    #[test]
    fn rows_that_nothing_removes_or_adds_must_all_be_there() {
        for query in ["select a, lower(b) from input", "with i as (select * from input) select a from i order by a"] {
            assert!(balance(query, 10, 10).holds(), "{query}");
            assert_eq!(balance(query, 10, 9).difference(), 1, "{query}");
            assert_eq!(balance(query, 10, 11).difference(), -1, "{query}");
        }
        assert_eq!(balance("select count(*) from input", 0, 1).exploded, 1);
        assert_eq!(balance("select a from input union all select a from input", 10, 20).exploded, 10);
    }
}
