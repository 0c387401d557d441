//! SQL functions for transforms, signals and queries, besides those of DataFusion.
//!
//! Each is a function of one row's texts: what comes in as another plain type is cast to text first. Data never makes an
//! error: NULL and what cannot be read give NULL. Functions that make an OCSF object have its attributes' names, and give
//! NULL where none of them has a value.

use std::sync::{Arc, LazyLock};

use datafusion::logical_expr::ScalarUDF;

mod arn;
mod connection;
mod domain;
mod endpoint;
mod file;
mod file_time;
mod geoip;
mod hash;
mod ip;
mod json_text;
mod jwt;
mod row;
mod text;
mod time;
mod url;
mod user;
mod user_agent;
mod words;

pub(crate) use file_time::FileTime;
pub use geoip::{Database, Databases};

/// Every function of this module.
pub(crate) fn all() -> Vec<Arc<ScalarUDF>> {
    // A session is made for every query; the functions are the same for all.
    static ALL: LazyLock<Vec<Arc<ScalarUDF>>> = LazyLock::new(build);
    ALL.clone()
}

fn build() -> Vec<Arc<ScalarUDF>> {
    let topics = [
        time::functions(),
        endpoint::functions(),
        connection::functions(),
        user::functions(),
        file::functions(),
        url::functions(),
        words::functions(),
        hash::functions(),
        ip::functions(),
        domain::functions(),
        user_agent::functions(),
        arn::functions(),
        jwt::functions(),
        text::functions(),
        json_text::functions(),
        geoip::functions(&Arc::default()),
    ];
    topics.into_iter().flatten().map(|function| Arc::new(ScalarUDF::new_from_impl(function))).collect()
}

/// The functions that look addresses up, over these databases.
pub fn over(databases: &Arc<Databases>) -> Vec<Arc<ScalarUDF>> {
    geoip::functions(databases).into_iter().map(|function| Arc::new(ScalarUDF::new_from_impl(function))).collect()
}

/// The text of a value that was said: trimmed, and `None` for what stands for nothing.
fn said(text: &str) -> Option<&str> {
    let text = text.trim();
    let is_nothing = matches!(text, "" | "-" | "--" | "(null)") || text.eq_ignore_ascii_case("n/a");
    (!is_nothing).then_some(text)
}

#[cfg(test)]
pub(crate) mod testing {
    use std::fmt::Display;

    use arrow::util::display::{ArrayFormatter, FormatOptions};
    use datafusion::prelude::SessionContext;

    use crate::session;

    /// What an SQL expression gives, printed.
    pub(crate) fn printed(expression: &str) -> String {
        let context = SessionContext::new_with_state(session::state(session::config(1, 1_024)));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        let batches = runtime
            .block_on(async { context.sql(&format!("select {expression} as x")).await?.collect().await })
            .unwrap_or_else(|error| panic!("{expression}: {error}"));
        let options = FormatOptions::default().with_null("NULL");
        let formatter = ArrayFormatter::try_new(batches[0].column(0), &options).expect("printable");
        formatter.value(0).to_string()
    }

    /// Compares what a function gives for texts with what is expected.
    pub(crate) fn gives(function: &str, cases: &[(&str, &str)]) {
        for (text, expected) in cases {
            let expression = format!("{function}('{}')", text.replace('\'', "''"));
            assert_eq!(printed(&expression), *expected, "{expression}");
        }
        assert_eq!(printed(&format!("{function}(NULL)")), "NULL", "{function}(NULL)");
    }

    /// That none of these gives anything.
    pub(crate) fn gives_nothing(function: &str, texts: &[impl Display]) {
        for text in texts {
            let expression = format!("{function}('{}')", text.to_string().replace('\'', "''"));
            assert_eq!(printed(&expression), "NULL", "{expression}");
        }
    }
}
