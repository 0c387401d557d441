//! SQL engines where no shared library is.

use crate::pond::Pond;

#[test]
fn an_engine_that_is_missing_matters_to_those_who_use_it() {
    let pond = Pond::empty();
    pond.write("millpond.toml", "[engine.duckdb]\ndriver = 'lib/none.so'\n");
    let ran = pond.millpond(&["engines"]).ok();
    assert!(ran.stdout.contains("datafusion  ok"), "{}", ran.stdout);
    assert!(ran.stdout.contains("failed to load engine `duckdb` from `"), "{}", ran.stdout);

    let config = "engine = 'duckdb'\nformat = 'json'\n[columns]\nn = 'int'\n[[match]]\nglob = '**'\n";
    pond.source("late", config, "select n from input");
    let ran = pond.millpond(&["engines"]).fails(1);
    assert!(ran.stdout.contains("runs late"), "{}", ran.stdout);
    let ran = pond.millpond(&["check"]).fails(1);
    let told = format!("{}{}", ran.stdout, ran.stderr);
    assert!(told.contains("sources/late/source.toml:1: failed to load engine `duckdb`"), "{told}");
}

#[test]
fn an_engine_that_nobody_knows_is_refused() {
    let pond = Pond::with_app();
    let ran = pond.millpond(&["engines", "diff", "--engine", "velox"]).fails(1);
    assert!(ran.stderr.contains("`velox` is no engine"), "{}", ran.stderr);
    assert!(ran.stderr.contains("engines are `datafusion`, `duckdb`, `chdb`"), "{}", ran.stderr);
}
