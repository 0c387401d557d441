//! Reading a source's SQL: one SELECT, its tables, and the small rewrites that make `*` and `string_agg` work as people
//! expect.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::common::config::Dialect;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DataFusionError};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::Expr as PlanExpr;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    ExceptSelectItem, ExcludeSelectItem, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName,
    Select, SelectItem, Statement as Ast, TableFactor, Value, Visit, VisitMut, Visitor, VisitorMut,
    WildcardAdditionalOptions,
};
use millpond_core::source::Sql;
use millpond_core::{Error, Result};

/// Parses one SELECT.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) for a syntax error and for anything that is not one query.
pub fn parse_query(state: &SessionState, text: &str) -> Result<Statement> {
    let statement = state.sql_to_statement(text, &Dialect::Generic).map_err(|error| {
        Error::bad_config(root_message(&error)).hint("a statement is one SELECT, without `;` inside")
    })?;
    match &statement {
        Statement::Statement(ast) if matches!(**ast, Ast::Query(_)) => Ok(statement),
        _ => Err(Error::bad_config("only a SELECT is allowed here").hint("write one SELECT over `input`")),
    }
}

/// The quoted locations that a query reads, such as `s3://intel/bad.parquet` in `join 's3://intel/bad.parquet'`.
///
/// # Errors
/// As [`parse_query`].
pub fn locations(state: &SessionState, text: &str) -> Result<BTreeSet<String>> {
    let statement = parse_query(state, text)?;
    let mut found = BTreeSet::new();
    if let Statement::Statement(ast) = &statement {
        let _: ControlFlow<()> = ast.visit(&mut Relations(|name: &ObjectName| found.extend(location(name))));
    }
    Ok(found)
}

/// The names of the tables that a query reads, those that it defines in `with` among them: parts as they are between
/// points.
///
/// # Errors
/// As [`parse_query`].
pub fn relations(state: &SessionState, text: &str) -> Result<BTreeSet<Vec<String>>> {
    let statement = parse_query(state, text)?;
    let mut found = BTreeSet::new();
    if let Statement::Statement(ast) = &statement {
        let name = |name: &ObjectName| {
            let parts = name.0.iter().map(|part| part.as_ident().map(|ident| ident.value.clone()));
            parts.collect::<Option<Vec<String>>>()
        };
        let _: ControlFlow<()> = ast.visit(&mut Relations(|relation: &ObjectName| found.extend(name(relation))));
    }
    Ok(found)
}

/// The line, from 1, on which a query first calls one of these functions.
pub fn line_of_call(state: &SessionState, text: &str, names: &[&str]) -> Option<usize> {
    let statement = parse_query(state, text).ok()?;
    let Statement::Statement(ast) = &statement else { return None };
    let mut calls = Calls { names, found: None };
    let _: ControlFlow<()> = ast.visit(&mut calls);
    calls.found.map(|name| line_naming(text, &name).unwrap_or(1))
}

struct Calls<'a> {
    names: &'a [&'a str],
    found: Option<String>,
}

impl Visitor for Calls<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            let name = function.name.to_string();
            if self.names.iter().any(|known| name.eq_ignore_ascii_case(known)) {
                self.found = Some(name);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

/// A quoted table name that looks like a path or URL.
fn location(name: &ObjectName) -> Option<String> {
    let [part] = name.0.as_slice() else { return None };
    let ident = part.as_ident()?;
    let looks_like_one = ident.value.contains(['/', '.', '\\']);
    (ident.quote_style.is_some() && looks_like_one).then(|| ident.value.clone())
}

struct Relations<F>(F);

impl<F: FnMut(&ObjectName)> Visitor for Relations<F> {
    type Break = ();

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        (self.0)(name);
        ControlFlow::Continue(())
    }
}

/// Names by which a query refers to `input`: the name itself and its aliases.
pub(crate) fn input_aliases(statement: &Statement) -> BTreeSet<String> {
    match statement {
        Statement::Statement(ast) => aliases_of(ast),
        _ => BTreeSet::from(["input".to_owned()]),
    }
}

/// The same of a statement as the parser gives it.
pub(crate) fn aliases_of(ast: &Ast) -> BTreeSet<String> {
    struct Aliases(BTreeSet<String>);
    impl Visitor for Aliases {
        type Break = ();
        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            if let TableFactor::Table { name, alias: Some(alias), .. } = factor
                && is_input(name)
            {
                self.0.insert(alias.name.value.clone());
            }
            ControlFlow::Continue(())
        }
    }
    let mut aliases = Aliases(BTreeSet::from(["input".to_owned()]));
    let _: ControlFlow<()> = ast.visit(&mut aliases);
    aliases.0
}

fn is_input(name: &ObjectName) -> bool {
    matches!(name.0.as_slice(), [part] if part.as_ident().is_some_and(|ident| ident.value == "input"))
}

/// Makes `*` over `input` stand for its declared columns alone, and gives `string_agg(x)` its usual comma.
pub(crate) fn rewrite(statement: &mut Statement, undeclared: &[String]) {
    if let Statement::Statement(ast) = statement {
        let _: ControlFlow<()> = ast.visit(&mut Rewrite { undeclared });
    }
}

/// The text of a query whose `*` over `input` would give columns that are hidden, without them; `None` where the text is
/// right as it is written. `excludes`: the engine says `exclude` where others say `except`.
pub(crate) fn narrow_stars(ast: &mut Ast, hidden: &[String], excludes: bool) -> Option<String> {
    let mut narrow = NarrowStars { hidden, excludes, found: false };
    let _: ControlFlow<()> = ast.visit(&mut narrow);
    narrow.found.then(|| ast.to_string())
}

struct NarrowStars<'a> {
    hidden: &'a [String],
    excludes: bool,
    found: bool,
}

impl VisitorMut for NarrowStars<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        if !reads_input(select) {
            return ControlFlow::Continue(());
        }
        for item in &mut select.projection {
            let (SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options)) = item else { continue };
            let names = || self.hidden.iter().map(|name| Ident::with_quote('"', name));
            let is_plain = options.opt_except.is_none() && options.opt_exclude.is_none();
            let Some(first_element) = names().next().filter(|_| is_plain) else { continue };
            self.found = true;
            if self.excludes {
                let names = names().map(|name| ObjectName::from(vec![name])).collect();
                options.opt_exclude = Some(ExcludeSelectItem::Multiple(names));
            } else {
                let additional_elements = names().skip(1).collect();
                options.opt_except = Some(ExceptSelectItem { first_element, additional_elements });
            }
        }
        ControlFlow::Continue(())
    }
}

struct Rewrite<'a> {
    undeclared: &'a [String],
}

fn reads_input(select: &Select) -> bool {
    select.from.iter().any(|from| {
        let tables = std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation));
        tables.into_iter().any(|factor| matches!(factor, TableFactor::Table { name, .. } if is_input(name)))
    })
}

impl VisitorMut for Rewrite<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        if reads_input(select) {
            for item in &mut select.projection {
                if let SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) = item {
                    self.narrow(options);
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && function.name.to_string().eq_ignore_ascii_case("string_agg")
            && let FunctionArguments::List(list) = &mut function.args
            && list.args.len() == 1
        {
            let comma = Expr::value(Value::SingleQuotedString(",".to_owned()));
            list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(comma)));
        }
        ControlFlow::Continue(())
    }
}

impl Rewrite<'_> {
    fn narrow(&self, options: &mut WildcardAdditionalOptions) {
        let mut idents = self.undeclared.iter().map(|name| Ident::with_quote('"', name));
        if options.opt_except.is_none()
            && options.opt_exclude.is_none()
            && let Some(first_element) = idents.next()
        {
            options.opt_except = Some(ExceptSelectItem { first_element, additional_elements: idents.collect() });
        }
    }
}

/// A condition of a plan as SQL, without the names of tables.
pub(crate) fn text_of(expr: &datafusion::logical_expr::Expr) -> String {
    let plain = expr.clone().transform(|part| {
        Ok(match part {
            PlanExpr::Column(column) => Transformed::yes(PlanExpr::Column(Column::from_name(column.name))),
            PlanExpr::Cast(cast) => Transformed::yes(*cast.expr),
            // The engine shows text without its quotes.
            PlanExpr::Literal(value, meta) => match value.try_as_str().flatten() {
                Some(text) => Transformed::yes(PlanExpr::Column(Column::from_name(format!("'{text}'")))),
                None => Transformed::no(PlanExpr::Literal(value, meta)),
            },
            other => Transformed::no(other),
        })
    });
    plain.map_or_else(|_| expr.to_string(), |plain| plain.data.human_display().to_string())
}

/// The message of an error without the wrappers that the planner adds.
pub fn root_message(error: &DataFusionError) -> String {
    let text = error.strip_backtrace();
    let mut text = text.as_str();
    for prefix in ["SQL error: ", "Error during planning: ", "Schema error: ", "This feature is not implemented: "] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    match text.strip_prefix("ParserError(\"").and_then(|rest| rest.strip_suffix("\")")) {
        Some(inner) => inner.replace("\\\"", "\"").replace("\\'", "'"),
        None => text.to_owned(),
    }
}

/// The line that an error is about: the planner's own position where it has one, else the first line that names what
/// the message quotes.
pub fn line_of(sql: &Sql, error: &DataFusionError) -> usize {
    let mut next = Some(error);
    while let Some(error) = next {
        next = match error {
            DataFusionError::Diagnostic(diagnostic, _) if diagnostic.span.is_some() => {
                return diagnostic.span.map_or(1, |span| span.start.line.max(1) as usize);
            }
            DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => Some(inner),
            DataFusionError::Collection(errors) => errors.first(),
            _ => None,
        };
    }
    line_in_message(&sql.text, &root_message(error))
}

/// The line named in `… at Line: 3, Column: 5`, or the first line of the text with a word that the message quotes.
pub fn line_in_message(text: &str, message: &str) -> usize {
    let told = message.split_once("Line: ").and_then(|(_, rest)| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    told.unwrap_or_else(|| {
        let quoted = message.split(['\'', '`', '"']).skip(1).step_by(2).flat_map(|name| name.rsplit('.').next());
        quoted.filter(|name| !name.is_empty()).find_map(|name| line_naming(text, name)).unwrap_or(1)
    })
}

/// The first line, from 1, in which `name` stands.
pub(crate) fn line_naming(text: &str, name: &str) -> Option<usize> {
    text.lines().position(|line| line.contains(name)).map(|index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session;

    fn rewritten(text: &str, undeclared: &[&str]) -> String {
        let state = session::state(session::config(1, 1024));
        let mut statement = parse_query(&state, text).expect("query");
        let undeclared: Vec<String> = undeclared.iter().map(|name| (*name).to_owned()).collect();
        rewrite(&mut statement, &undeclared);
        statement.to_string()
    }

    #[test]
    fn star_leaves_undeclared_columns_out() {
        assert_eq!(
            rewritten("select *, _row from input i", &["_row"]),
            "SELECT * EXCEPT (\"_row\"), _row FROM input i"
        );
        assert_eq!(rewritten("select * from other", &["_row"]), "SELECT * FROM other");
    }

    #[test]
    fn string_agg_has_a_comma() {
        assert_eq!(rewritten("select md5(string_agg(a)) from t", &[]), "SELECT md5(string_agg(a, ',')) FROM t");
    }

    #[test]
    fn locations_are_quoted_names() {
        let state = session::state(session::config(1, 1024));
        let sql = "select * from input left join 's3://b/x.parquet' x on true join geo on true";
        let found: Vec<String> = locations(&state, sql).expect("locations").into_iter().collect();
        assert_eq!(found, ["s3://b/x.parquet"]);
    }

    #[test]
    fn only_a_select_is_allowed() {
        let state = session::state(session::config(1, 1024));
        for text in [
            "drop table x",
            "copy input to 'x'",
            "select 1; select 2",
            "create external table t stored as csv location '/'",
        ] {
            assert!(parse_query(&state, text).is_err(), "{text}");
        }
    }
}
