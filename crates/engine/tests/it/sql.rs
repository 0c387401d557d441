//! SQL over a file's records: what the transform sees, what the signals see, and what became of every row.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use millpond_core::balance::Balance;
use millpond_core::config::Problems;
use millpond_core::plan::plan;
use millpond_core::source::{Source, SourceFiles, Sql};
use millpond_core::{Kind, Result};
use millpond_engine::decode::Reject;
use millpond_engine::engine::{DataFusion, Engine};
use millpond_engine::parts::Parts;
use millpond_engine::prepare::{Prepared, prepare};
use millpond_engine::rules::RuleMatch;
use millpond_engine::run::{Finished, InputFile, Sink, explain, obstacle, run_in_parts};
use millpond_engine::tables::Tables;

#[derive(Default)]
struct Collected {
    rows: Vec<RecordBatch>,
    signals: Vec<(usize, RecordBatch)>,
    matches: Vec<RuleMatch>,
    rejects: Vec<Reject>,
}

impl Sink for Collected {
    fn output(&mut self, batch: RecordBatch) -> Result<()> {
        self.rows.push(batch);
        Ok(())
    }

    fn signal(&mut self, index: usize, batch: RecordBatch) -> Result<()> {
        self.signals.push((index, batch));
        Ok(())
    }

    fn matches(&mut self, found: Vec<RuleMatch>) -> Result<()> {
        self.matches.extend(found);
        Ok(())
    }

    fn reject(&mut self, reject: Reject) -> Result<()> {
        self.rejects.push(reject);
        Ok(())
    }
}

fn source(config: &str, transform: &str, signals: &[&str]) -> Arc<Source> {
    let sql = |file: &str, text: &str| Sql { file: file.to_owned(), text: text.to_owned() };
    let files = SourceFiles {
        name: "t".into(),
        config: sql("source.toml", config),
        transform: Some(sql("transform.sql", transform)),
        dialects: Vec::new(),
        signals: signals.iter().map(|text| sql("signal.sql", text)).collect(),
    };
    let mut problems = Problems::default();
    Arc::new(Source::parse(&files, &mut problems).unwrap_or_else(|| panic!("{problems:?}")))
}

pub(crate) fn prepared(config: &str, transform: &str, signals: &[&str]) -> Result<Prepared, Vec<String>> {
    let mut problems = Problems::default();
    let engine: Arc<dyn Engine> = Arc::new(DataFusion);
    let ready = futures::executor::block_on(prepare(
        &source(config, transform, signals),
        &engine,
        &Tables::default(),
        &mut problems,
    ));
    ready.ok_or_else(|| problems.found.iter().map(ToString::to_string).collect())
}

fn run_prepared(prepared: &Prepared, input: &str) -> Result<(Finished, Collected)> {
    run_parts(&Parts::whole(), prepared, input)
}

fn run_parts(parts: &Parts, prepared: &Prepared, input: &str) -> Result<(Finished, Collected)> {
    let mut collected = Collected::default();
    let mut plan = plan(&prepared.source, 64 << 20);
    // Small batches, so that every test sees several.
    plan.batch_rows = 2;
    let reader = Box::new(std::io::Cursor::new(input.as_bytes().to_vec()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    let finished = runtime.block_on(run_in_parts(
        parts,
        prepared,
        &plan,
        InputFile { name: "file:///t", modified_us: 0, bytes: reader },
        &mut collected,
    ))?;
    Ok((finished, collected))
}

const CONFIG: &str = "format = 'json'\n[columns]\nid = 'int'\nuser = 'text'\ntags = ['text']\n";
const INPUT: &str = r#"{"id":1,"user":"ann","tags":["a","b"]}
{"id":2,"user":"bob","tags":[]}
{"id":2,"user":"bob","tags":["c"]}
not json
{"id":"x","user":"cyd"}
"#;

#[test]
fn every_row_has_one_fate() {
    let all = Balance { rows_in: 5, quarantined: 1, ..Balance::default() };
    for (transform, expected) in [
        ("select id from input", Balance { rows_out: 4, ..all }),
        ("select id from input where user = 'bob'", Balance { rows_out: 2, filtered: 2, ..all }),
        ("select id from input where false", Balance { filtered: 4, ..all }),
        ("select distinct user from input", Balance { rows_out: 3, deduplicated: 1, ..all }),
        (
            "select id, user from input qualify row_number() over (partition by id, user order by _row) = 1",
            Balance { rows_out: 3, deduplicated: 1, ..all },
        ),
        (
            "select id from input where user <> 'ann' qualify row_number() over (partition by user order by _row) = 1",
            Balance { rows_out: 2, filtered: 1, deduplicated: 1, ..all },
        ),
        ("select user, count(*) as rows from input group by user", Balance { rows_out: 3, aggregated: 1, ..all }),
        ("select count(*) as rows from input", Balance { rows_out: 1, aggregated: 3, ..all }),
        (
            "select count(*) as rows from input where user = 'nobody'",
            Balance { rows_out: 1, filtered: 4, exploded: 1, ..all },
        ),
        ("select id from input limit 1", Balance { rows_out: 1, filtered: 3, ..all }),
        ("select id from input order by id limit 1", Balance { rows_out: 1, filtered: 3, ..all }),
        ("select id from input union all select id from input", Balance { rows_out: 8, exploded: 4, ..all }),
        (
            "select a.id from input a join input b on a.id = b.id",
            Balance { rows_out: 5, filtered: 3, exploded: 4, ..all },
        ),
        ("select 1 as one", Balance { rows_out: 1, filtered: 4, exploded: 1, ..all }),
        (
            "select id, v.column1 as extra from input cross join (values (1), (2)) v",
            Balance { rows_out: 8, exploded: 4, ..all },
        ),
    ] {
        let prepared = prepared(CONFIG, transform, &[]).unwrap_or_else(|problems| panic!("{transform}: {problems:?}"));
        let (finished, collected) =
            run_prepared(&prepared, INPUT).unwrap_or_else(|error| panic!("{transform}: {error:?}"));
        finished.check_balance().unwrap_or_else(|error| panic!("{transform}: {error:?}"));
        assert_eq!(finished.balance, expected, "{transform}");
        let rows: usize = collected.rows.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(rows as u64, expected.rows_out, "{transform}");
        assert_eq!(collected.rejects.len(), 1, "{transform}");
    }
}

#[test]
fn unnest_is_accounted_for() {
    // Two tags, none, one, and no list at all: three rows come out of four.
    let prepared = prepared(CONFIG, "select id, unnest(tags) as tag from input", &[]).expect("prepared");
    let (finished, _) = run_prepared(&prepared, INPUT).expect("run");
    finished.check_balance().expect("balance");
    assert_eq!((finished.balance.rows_out, finished.balance.filtered), (3, 1));
}

#[test]
fn signals_and_transform_read_the_file_once() {
    let signals = [
        "select user as entity, _row from input where id = 2",
        "select count(*) as n from output",
        "select o.id from output o join input i on o.id = i.id",
    ];
    let prepared = prepared(CONFIG, "select id, user from input where id is not null", &signals).expect("prepared");
    let (finished, collected) = run_prepared(&prepared, INPUT).expect("run");
    assert_eq!(finished.balance.rows_out, 3);
    let rows = |wanted: usize| {
        collected.signals.iter().filter(|(index, _)| *index == wanted).map(|(_, batch)| batch.num_rows()).sum::<usize>()
    };
    assert_eq!((rows(0), rows(1), rows(2)), (2, 1, 5));
}

#[test]
fn only_what_sql_names_is_read() {
    let prepared =
        prepared(CONFIG, "select user, nosuch, _row from input", &["select id from input"]).expect("prepared");
    let names: Vec<&str> = prepared.columns_used.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["id", "user", "nosuch"]);
    assert_eq!(prepared.undeclared, ["nosuch"]);
    assert_eq!(prepared.system_used.iter().map(|column| column.name()).collect::<Vec<_>>(), ["_row"]);
}

/// The transform's rows as text and the job's balance.
fn rows_and_balance(config: &str, transform: &str, input: &str) -> (Vec<String>, Balance) {
    let prepared = prepared(config, transform, &[]).unwrap_or_else(|problems| panic!("{transform}: {problems:?}"));
    let (finished, collected) = run_prepared(&prepared, input).unwrap_or_else(|error| panic!("{transform}: {error:?}"));
    finished.check_balance().unwrap_or_else(|error| panic!("{transform}: {error:?}"));
    let text = pretty_format_batches(&collected.rows).expect("rows").to_string();
    let mut rows: Vec<String> = text.lines().map(str::to_owned).collect();
    rows.sort();
    (rows, finished.balance)
}

fn plan_of(config: &str, transform: &str) -> String {
    let prepared = prepared(config, transform, &[]).unwrap_or_else(|problems| panic!("{transform}: {problems:?}"));
    futures::executor::block_on(explain(&prepared)).unwrap_or_else(|error| panic!("{transform}: {error:?}"))
}

#[test]
fn rows_are_numbered_without_a_sort_where_they_come_in_order() {
    for (window, is_streaming) in [
        ("partition by user order by _row", true),
        ("partition by user, id order by _row", true),
        ("partition by lower(user) order by _row", true),
        ("partition by user", true),
        ("partition by user order by 'x'", true),
        ("order by _row", true),
        ("partition by user order by _row desc", false),
        ("partition by user order by id", false),
    ] {
        for condition in ["N = 1", "id is null or N = 1", "N <= 2", "N > 1"] {
            let transform = |window: &str| {
                let condition = condition.replace('N', &format!("row_number() over ({window})"));
                format!("select id, user from input where user is not null qualify {condition}")
            };
            let plan = plan_of(CONFIG, &transform(window));
            assert_eq!(plan.contains("RowNumberExec"), is_streaming, "{window}:\n{plan}");
            assert_eq!(plan.contains("SortExec"), !is_streaming, "{window}:\n{plan}");
            // An order that says the same and that the planner does not know to be that of the input.
            let sorted = window.replace("_row", "_row % 1000000");
            assert!(window == sorted || plan_of(CONFIG, &transform(&sorted)).contains("SortExec"), "{sorted}");
            let input: String = (0..50).map(|n| format!("{{\"id\":{},\"user\":\"u{}\"}}\n", n % 3, n % 7)).collect();
            let input = format!("{INPUT}{input}{INPUT}");
            assert_eq!(
                rows_and_balance(CONFIG, &transform(window), &input),
                rows_and_balance(CONFIG, &transform(&sorted), &input),
                "{window}, {condition}"
            );
        }
    }
}

#[test]
fn rows_of_a_join_or_union_are_numbered_in_order_too() {
    for (from, rows_out) in [
        ("(select id, _row from input union all select id, _row from input)", 3),
        ("(select a.id, b._row from input a join input b on a.id = b.id)", 2),
    ] {
        let transform =
            format!("select id, _row from {from} qualify row_number() over (partition by id order by _row) = 1");
        let (_, balance) = rows_and_balance(CONFIG, &transform, INPUT);
        assert_eq!(balance.rows_out, rows_out, "{from}");
    }
}

#[test]
fn the_shipped_deduplication_streams() {
    let pack = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sources/aws-cloudtrail/");
    let read = |name: &str| std::fs::read_to_string(format!("{pack}{name}")).expect(name);
    let plan = plan_of(&read("source.toml"), &read("transform.sql"));
    assert!(plan.contains("RowNumberExec: keys=[eventID@"), "{plan}");
    assert!(!plan.contains("SortExec") && !plan.contains("WindowAggExec"), "{plan}");
}

#[test]
fn a_declared_row_column_is_not_taken_for_the_ordinal() {
    let config = "format = 'json'\n[columns]\nid = 'int'\n_row = 'int'\n";
    let transform = "select id, _row from input qualify row_number() over (partition by id order by _row) = 1";
    assert!(plan_of(config, transform).contains("SortExec"));
    let (rows, _) = rows_and_balance(config, transform, "{\"id\":1,\"_row\":9}\n{\"id\":1,\"_row\":8}\n");
    assert!(rows.iter().any(|row| row.contains("| 1  | 8    |")), "{rows:?}");
}

#[test]
fn the_order_that_a_query_asks_for_is_kept() {
    let transform =
        "select id, user from input qualify row_number() over (partition by user order by _row) = 1 order by user desc";
    let prepared = prepared(CONFIG, transform, &[]).expect("prepared");
    let (_, collected) = run_prepared(&prepared, INPUT).expect("run");
    let text = pretty_format_batches(&collected.rows).expect("rows").to_string();
    let at = |name: &str| text.find(name).expect(name);
    assert!(at("cyd") < at("bob") && at("bob") < at("ann"), "{text}");
}

#[test]
fn keys_count_against_the_memory() {
    let transform = "select id from input qualify row_number() over (partition by user order by _row) = 1";
    let mut prepared = prepared(CONFIG, transform, &[]).expect("prepared");
    prepared.source = Arc::new(Source { memory_bytes: Some(300 << 10), ..(*prepared.source).clone() });
    let input: String = (0..5_000).map(|n| format!("{{\"id\":{n},\"user\":\"{n:>200}\"}}\n")).collect();
    let error = run_prepared(&prepared, &input).map(|_| ()).expect_err("memory");
    assert_eq!(error.kind(), Kind::TooBig, "{error:?}");
    assert!(error.report().contains("keys of `row_number`"), "{error:?}");
}

#[test]
fn star_is_the_declared_columns() {
    let prepared = prepared(CONFIG, "select *, _row, extra from input", &[]).expect("prepared");
    let names: Vec<&str> = prepared.output_schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["id", "user", "tags", "_row", "extra"]);
}

#[test]
fn what_the_slide_shows_works() {
    let transform = "select md5(user) as fingerprint, now() as processed_at, \
                     (select md5(string_agg(column_name)) from information_schema.columns where table_name = 'input') as schema \
                     from input where id = 1";
    let prepared = prepared(CONFIG, transform, &[]).expect("prepared");
    let (finished, collected) = run_prepared(&prepared, INPUT).expect("run");
    finished.check_balance().expect("balance");
    let text = pretty_format_batches(&collected.rows).expect("rows").to_string();
    // md5 of `ann`, and of `id,user,tags`.
    assert!(text.contains("7e0d7f8a5d96c24ffcc840f31bce72b2"), "{text}");
    assert!(text.contains("9c7ea049cfd25f7978ae21d4d095e20c"), "{text}");
}

#[test]
fn mistakes_are_told_with_line_and_hint() {
    for (transform, expected) in [
        ("select\n  usr.x\nfrom input", "transform.sql:2: no column `usr.x`"),
        ("select\n  nosuchfunction(id)\nfrom input", "transform.sql:2: Invalid function 'nosuchfunction'"),
        ("select id\nfrom input\nwhere where", "transform.sql:3: "),
        ("select id, id as ID from input", "transform.sql:1: the transform gives column `ID` twice"),
        (
            "select id as _job from input",
            "transform.sql:1: the transform gives column `_job`, which millpond adds itself",
        ),
        ("drop table input", "transform.sql:1: only a SELECT is allowed here"),
        ("select * from '/etc/passwd'", "transform.sql:1: "),
    ] {
        let problems = prepared(CONFIG, transform, &[]).expect_err(transform);
        assert!(problems.iter().any(|problem| problem.starts_with(expected)), "{transform}: {problems:?}");
    }
}

#[test]
fn time_must_be_a_timestamp_of_the_output() {
    let problems = prepared("time = 'when'\nformat = 'json'\n", "select id as whn from input", &[]).expect_err("time");
    assert!(problems[0].contains("`time` names `when`, which the transform does not give"), "{problems:?}");
    let problems = prepared("time = 'id'\nformat = 'json'\n", "select id from input", &[]).expect_err("time");
    assert!(problems[0].contains("no timestamp"), "{problems:?}");
}

#[test]
fn a_query_that_fails_at_run_time_is_the_sources_fault() {
    let prepared = prepared(CONFIG, "select cast(user as int) as n from input", &[]).expect("prepared");
    let error = run_prepared(&prepared, INPUT).map(|_| ()).expect_err("cast");
    assert_eq!(error.kind(), Kind::BadConfig, "{error:?}");
    assert!(error.report().contains("transform.sql"), "{error:?}");
}

#[test]
fn memory_is_a_limit() {
    let mut prepared =
        prepared(CONFIG, "select a.id from input a cross join input b order by a.id, b.user", &[]).expect("prepared");
    let source = Source { memory_bytes: Some(16 << 10), ..(*prepared.source).clone() };
    prepared.source = Arc::new(source);
    let input: String = (0..5_000).map(|n| format!("{{\"id\":{n},\"user\":\"{:>200}\"}}\n", n)).collect();
    let error = run_prepared(&prepared, &input).map(|_| ()).expect_err("memory");
    assert_eq!(error.kind(), Kind::TooBig, "{error:?}");
}

#[test]
fn compaction_sorts_by_columns_of_the_output() {
    let config = "sort = ['id', 'tme']\nindicators = 'ip'\nformat = 'json'\n";
    let problems = prepared(config, "select id, id as time from input", &[]).expect_err("columns");
    assert!(problems[0].contains("`sort` names `tme`, which the transform does not give"), "{problems:?}");
    assert!(
        problems[0].contains("did you mean `time`?") && problems[1].contains("toml:2: `indicators`"),
        "{problems:?}"
    );
}

#[test]
fn how_memory_grows_follows_from_the_operators() {
    use millpond_core::predict::Work;
    for (transform, signals, expected) in [
        ("select id, user from input where id > 3", &[][..], Work::Streaming),
        ("select count(*) as n from input", &[], Work::Streaming),
        ("select id from input order by user limit 3", &[], Work::Streaming),
        ("select id from input qualify row_number() over (partition by id order by _row) = 1", &[], Work::Keys),
        ("select user, count(*) as n from input group by user", &[], Work::Keys),
        ("select id from input", &["select user as entity from input group by user"], Work::Keys),
        ("select id, user from input order by user", &[], Work::Spilling),
        ("select id, count(*) over (partition by user) as n from input", &[], Work::Holding),
        ("select a.id from input a join input b on a.id = b.id", &[], Work::Holding),
    ] {
        let prepared = prepared(CONFIG, transform, signals).expect("prepared");
        let work = futures::executor::block_on(millpond_engine::run::work(&prepared)).expect("work");
        assert_eq!(work, expected, "{transform}");
    }
}

#[test]
fn only_sql_that_looks_at_each_row_by_itself_may_run_in_parts() {
    for (transform, signals, expected) in [
        ("select id, upper(user) as user from input where id > 3", &[][..], None),
        ("select id, user from input order by user desc, id", &[], None),
        ("select id, unnest(tags) as tag from input", &[], None),
        ("select id from input where id in (1, 2) union all select id from input", &[], None),
        ("select id, now() as n from input", &["select user as entity from input where id = 1"], None),
        ("select i.id from input i join (values (1), (2)) t(n) on i.id = t.n", &[], None),
        ("select i.id, t.n from input i left join (values (1), (2)) t(n) on i.id = t.n", &[], None),
        ("select id from input where id not in (select n from (values (1)) t(n))", &[], None),
        ("select t.n, i.id from (values (1), (2)) t(n) right join input i on i.id = t.n", &[], None),
        ("select i.id, t.n from input i left join (values (1), (2)) t(n) on i.id > t.n", &[], None),
        ("select id from input where exists (select 1 from (values (1)) t(n) where n = id)", &[], None),
        ("select i.id, t.n from input i cross join (values (1), (2)) t(n)", &[], None),
        ("select count(*) as n from input", &[], Some("an aggregate")),
        ("select user, count(*) as n from input group by user", &[], Some("an aggregate")),
        ("select distinct user from input", &[], Some("an aggregate")),
        ("select id from input limit 3", &[], Some("a `limit`")),
        ("select id from input order by user limit 3", &[], Some("a `limit`")),
        (
            "select id from input qualify row_number() over (partition by id order by _row) = 1",
            &[],
            Some("a window function or `qualify`"),
        ),
        ("select id, lag(id) over (order by _row) as p from input", &[], Some("a window function")),
        ("select id, count(*) over (partition by user) as n from input", &[], Some("a window function")),
        ("select a.id from input a join input b on a.id = b.id", &[], Some("a join of the file with itself")),
        (
            "select t.n from (values (1)) t(n) left join input i on i.id = t.n",
            &[],
            Some("a join of the file with itself"),
        ),
        ("select i.id, t.n from input i full join (values (1)) t(n) on i.id = t.n", &[], Some("a join of the file")),
        ("select t.n from (values (1)) t(n) where n in (select id from input)", &[], Some("a join of the file")),
        ("select id from input where id > (select avg(id) from input)", &[], Some("an aggregate")),
        ("select id from input union all select n from (values (1)) t(n)", &[], Some("a `union` with a table")),
        ("select 1 as one", &[], Some("a query that does not read the file")),
        ("select id from input", &["select user as entity from input group by user"], Some("an aggregate")),
        ("select id, user from input", &["select max(id) as id from output"], Some("`signal.sql`")),
    ] {
        let prepared = prepared(CONFIG, transform, signals).expect("prepared");
        let told = futures::executor::block_on(obstacle(&prepared)).expect("obstacle");
        match expected {
            None => assert_eq!(told, None, "{transform}"),
            Some(what) => assert!(told.as_ref().is_some_and(|told| told.contains(what)), "{transform}: {told:?}"),
        }
    }
}

/// Rows as text, sorted: the order of a table's rows is nobody's promise.
fn sorted_rows(batches: &[RecordBatch]) -> Vec<String> {
    let batches: Vec<RecordBatch> = batches.iter().filter(|batch| batch.num_rows() > 0).cloned().collect();
    let text = pretty_format_batches(&batches).expect("rows").to_string();
    let mut rows: Vec<String> = text.lines().filter(|line| line.starts_with('|')).map(str::to_owned).collect();
    rows.sort();
    rows
}

#[test]
fn a_file_in_parts_gives_the_rows_of_the_whole_file() {
    let json: String = (0..23)
        .map(|n| match n % 7 {
            5 => "broken\n".to_owned(),
            _ => format!("{{\"id\":{},\"user\":\"u{}\",\"tags\":[\"a\",\"b{n}\"]}}\n", n * 7 % 13, n % 3),
        })
        .collect();
    let csv = format!("id,user,tags\n{}", (0..20).map(|n| format!("{},u{n},\n", n * 7 % 13)).collect::<String>());
    let csv_config = CONFIG.replace("'json'", "'csv'");
    let signal = ["select user as entity, _row from input where id > 5"];
    for (config, input) in [(CONFIG, json), (&csv_config, csv)] {
        for transform in [
            "select id, user, _row, _offset, _file from input",
            "select id, user, _row, _offset from input where id > 4 order by user desc, id",
            "select id, unnest(tags) as tag, _row from input",
            "select id, _row from input union all select id, _row from input where id > 3",
            "select i.id, t.n, _row from input i left join (values (1), (2), (2)) t(n) on i.id = t.n",
            "select i.id, t.n, _row from input i left join (values (1), (9)) t(n) on i.id > t.n",
            "select id, _row from input where id not in (select n from (values (1), (5)) t(n))",
            "select id, _row from input where id > (select max(n) from (values (1), (5)) t(n))",
        ] {
            let prepared = prepared(config, transform, &signal).expect("prepared");
            let (whole, expected) = run_prepared(&prepared, &input).expect("whole");
            assert_eq!((whole.parts, whole.balance.holds()), (1, true));
            for batches in 1..=13 {
                let (finished, collected) = run_parts(&Parts::of(batches), &prepared, &input).expect("parts");
                let told = format!("{transform} in parts of {batches}");
                assert_eq!(finished.balance, whole.balance, "{told}");
                assert_eq!(sorted_rows(&collected.rows), sorted_rows(&expected.rows), "{told}");
                let found = |signals: Vec<(usize, RecordBatch)>| {
                    sorted_rows(&signals.into_iter().map(|(_, rows)| rows).collect::<Vec<_>>())
                };
                assert_eq!(found(collected.signals), found(expected.signals.clone()), "{told}");
                assert_eq!(collected.rejects, expected.rejects, "{told}");
                assert_eq!((finished.parts > 1, finished.parts <= 23), (batches < 10, true), "{told}");
            }
        }
    }
}

#[test]
fn a_job_has_one_time_whatever_its_parts() {
    let prepared = prepared(CONFIG, "select id, now() as processed_at from input", &[]).expect("prepared");
    let (finished, collected) = run_parts(&Parts::of(1), &prepared, INPUT).expect("parts");
    let times: std::collections::BTreeSet<String> =
        sorted_rows(&collected.rows).iter().filter_map(|row| row.split('|').nth(2).map(str::to_owned)).collect();
    assert_eq!((finished.parts > 1, times.len()), (true, 2), "the heading and one time: {times:?}");
}

#[test]
fn a_sort_that_fails_in_the_whole_file_holds_in_parts() {
    let mut prepared = prepared(CONFIG, "select id, user from input order by user", &[]).expect("prepared");
    let source = Source { memory_bytes: Some(6 << 20), ..(*prepared.source).clone() };
    prepared.source = Arc::new(source);
    let input: String = (0..40_000).map(|n| format!("{{\"id\":{n},\"user\":\"{:>200}\"}}\n", n % 977)).collect();
    let mut plan = plan(&prepared.source, 0);
    plan.spill_bytes = 1;
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    let mut tried = Parts::whole();
    let mut tries = 0;
    let (finished, collected) = loop {
        let mut collected = Collected::default();
        let bytes = Box::new(std::io::Cursor::new(input.as_bytes().to_vec()));
        let file = InputFile { name: "file:///t", modified_us: 0, bytes };
        match runtime.block_on(run_in_parts(&tried, &prepared, &plan, file, &mut collected)) {
            Ok(finished) => break (finished, collected),
            Err(error) => assert!(error.needs_memory(), "{error:?}"),
        }
        tries += 1;
        tried = tried.halved().expect("a batch fits");
    };
    assert!(tries > 0 && finished.parts > 1 && finished.balance.holds(), "{tries}: {finished:?}");
    assert_eq!(collected.rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 40_000);
}
