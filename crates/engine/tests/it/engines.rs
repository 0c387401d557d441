//! What millpond promises holds on every engine: one set of cases, run on each that is there.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::json::LineDelimitedWriter;
use millpond_core::balance::Balance;
use millpond_core::config::{Driver, Problems};
use millpond_core::plan::{Engine as Kind, Plan, plan};
use millpond_core::source::{Source, SourceFiles, Sql};
use millpond_core::{Kind as ErrorKind, Result};
use millpond_engine::decode::Reject;
use millpond_engine::encode::{lake_schema, to_lake};
use millpond_engine::engine::{Engine, Engines};
use millpond_engine::limits::Stop;
use millpond_engine::prepare::{Prepared, prepare};
use millpond_engine::rules::RuleMatch;
use millpond_engine::run::{Finished, InputFile, Sink, explain, run, run_until};
use millpond_engine::tables::Tables;
use millpond_testkit::peer;

/// The engines that are there. Where `CI` is set all of them must be.
fn engines() -> Vec<Arc<dyn Engine>> {
    let mut drivers = Vec::new();
    if let Some(library) = peer("MILLPOND_PEER_DUCKDB") {
        drivers.push((Kind::DuckDb, Driver { library: Some(library), ..Driver::default() }));
    }
    if let (Some(library), Some(python)) = (peer("MILLPOND_PEER_CHDB"), peer("MILLPOND_PEER_LIBPYTHON")) {
        drivers.push((Kind::ChDb, Driver { library: Some(library), preload: vec![python], ..Driver::default() }));
    }
    let engines = Engines::new(std::path::Path::new("."), &drivers);
    let kinds = std::iter::once(Kind::DataFusion).chain(drivers.iter().map(|(kind, _)| *kind));
    kinds.map(|kind| engines.get(kind).unwrap_or_else(|error| panic!("{}", error.report()))).collect()
}

#[derive(Default)]
struct Collected {
    rows: Vec<RecordBatch>,
    signals: u64,
    /// Ends the job at the first row.
    stop: Option<Stop>,
}

impl Sink for Collected {
    fn output(&mut self, batch: RecordBatch) -> Result<()> {
        self.rows.push(to_lake(&batch, &lake_schema(&batch.schema()))?);
        if let Some(stop) = &self.stop {
            stop.cancel();
        }
        Ok(())
    }

    fn signal(&mut self, _: usize, batch: RecordBatch) -> Result<()> {
        self.signals += batch.num_rows() as u64;
        Ok(())
    }

    fn matches(&mut self, _: Vec<RuleMatch>) -> Result<()> {
        Ok(())
    }

    fn reject(&mut self, _: Reject) -> Result<()> {
        Ok(())
    }
}

impl Collected {
    /// Rows as JSON, in order of their text: engines may give them in any.
    fn sorted(&self) -> Vec<String> {
        let mut writer = LineDelimitedWriter::new(Vec::new());
        writer.write_batches(&self.rows.iter().collect::<Vec<_>>()).expect("JSON");
        writer.finish().expect("JSON");
        let text = String::from_utf8(writer.into_inner()).expect("UTF-8");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
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

fn try_prepare(engine: &Arc<dyn Engine>, tables: &Tables, source: &Arc<Source>) -> Result<Prepared, Vec<String>> {
    let mut problems = Problems::default();
    let ready = futures::executor::block_on(prepare(source, engine, tables, &mut problems));
    ready.ok_or_else(|| problems.found.iter().map(ToString::to_string).collect())
}

fn prepared(engine: &Arc<dyn Engine>, transform: &str) -> Prepared {
    let source = source(CONFIG, transform, &[]);
    try_prepare(engine, &tables(), &source)
        .unwrap_or_else(|problems| panic!("{}: {transform}: {}", engine.kind().name(), problems.join("\n")))
}

/// A job as pipelines run it, with small batches so that every case sees several.
fn job(prepared: &Prepared, plan: &Plan, input: &str, sink: &mut Collected) -> Result<Finished> {
    let bytes = Box::new(std::io::Cursor::new(input.as_bytes().to_vec()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    runtime.block_on(run(prepared, plan, InputFile { name: "file:///t", modified_us: 0, bytes }, sink))
}

fn small_plan(prepared: &Prepared) -> Plan {
    Plan { batch_rows: 2, ..plan(&prepared.source, 256 << 20) }
}

fn rows_of(engine: &Arc<dyn Engine>, transform: &str, input: &str) -> (Finished, Vec<String>) {
    let prepared = prepared(engine, transform);
    let mut sink = Collected::default();
    let name = engine.kind().name();
    let finished = job(&prepared, &small_plan(&prepared), input, &mut sink)
        .unwrap_or_else(|error| panic!("{name}: {transform}: {}", error.report()));
    finished.check_balance().unwrap_or_else(|error| panic!("{name}: {transform}: {}", error.report()));
    (finished, sink.sorted())
}

fn tables() -> Tables {
    let mut tables = Tables::default();
    let users = RecordBatch::try_from_iter([
        ("name", Arc::new(StringArray::from(vec!["ann", "bob"])) as arrow::array::ArrayRef),
        ("level", Arc::new(Int64Array::from(vec![Some(7), None])) as _),
    ]);
    let users = users.expect("users");
    tables.add("users", users.schema(), vec![users]).expect("table");
    tables
}

const CONFIG: &str = "format = 'json'\n[columns]\nid = 'int'\nuser = 'text'\ntags = ['text']\nseen = 'timestamp'\nok = 'boolean'\n\
                      score = 'float'\nactor = { name = 'text', place = { city = 'text' } }\nlabels = 'map(text)'\n";
const INPUT: &str = r#"{"id":1,"user":"ann","tags":["a","b"],"seen":"2026-01-02T03:04:05.678901Z","ok":true,"score":1.5,"actor":{"name":"Ann","place":{"city":"Rome"}},"labels":{"k":"v"},"extra":{"x":1}}
{"id":2,"user":"bob","seen":"1969-12-31T23:59:59Z","ok":false,"score":-0.25}
{"id":2,"user":"bob","tags":["c"],"Extra":"other"}
not json
{"id":"x","user":"cyd \"ü\"\nnewline \\ back"}
"#;

#[test]
fn every_engine_gives_the_same_rows() {
    let cases: &[(&str, &[&str])] = &[
        (
            "select id, \"user\" from input",
            &[
                r#"{"id":1,"user":"ann"}"#,
                r#"{"id":2,"user":"bob"}"#,
                r#"{"id":2,"user":"bob"}"#,
                r#"{"user":"cyd \"ü\"\nnewline \\ back"}"#,
            ],
        ),
        (
            "select seen, ok, score from input where id is not null",
            &[
                r#"{"seen":"1969-12-31T23:59:59Z","ok":false,"score":-0.25}"#,
                r#"{"seen":"2026-01-02T03:04:05.678901Z","ok":true,"score":1.5}"#,
                r#"{}"#,
            ],
        ),
        (
            "select actor.name as name, actor.place.city as city, labels['k'] as k, labels['z'] as z, tags[1] as tag from input",
            &[r#"{"name":"Ann","city":"Rome","k":"v","tag":"a"}"#, r#"{"tag":"c"}"#, r#"{}"#, r#"{}"#],
        ),
        (
            "select tags, actor, labels from input where id = 1",
            &[r#"{"tags":["a","b"],"actor":{"name":"Ann","place":{"city":"Rome"}},"labels":{"k":"v"}}"#],
        ),
        // NULL lists, maps and objects.
        ("select id, tags, actor, labels from input where id is null", &[r#"{}"#]),
        // Fields that nobody declared are text, and `*` is what is declared.
        ("select extra from input where id = 1", &[r#"{"extra":"{\"x\":1}"}"#]),
        (
            "select * from (select *, _row from input) where _row = 1",
            &[r#"{"id":2,"user":"bob","seen":"1969-12-31T23:59:59Z","ok":false,"score":-0.25,"_row":1}"#],
        ),
        (
            "select _file, _row, _offset from input where _row < 2",
            &[r#"{"_file":"file:///t","_row":0,"_offset":0}"#, r#"{"_file":"file:///t","_row":1,"_offset":180}"#],
        ),
        (
            "select i.id, u.level from input i join users u on i.\"user\" = u.name",
            &[r#"{"id":1,"level":7}"#, r#"{"id":2}"#, r#"{"id":2}"#],
        ),
        ("select i.id, u.level from input i left join users u on i.\"user\" = u.name where i.id is null", &[r#"{}"#]),
        (
            "select \"user\", count(*) as n, cast(sum(id) as bigint) as total from input group by \"user\"",
            &[
                r#"{"user":"ann","n":1,"total":1}"#,
                r#"{"user":"bob","n":2,"total":4}"#,
                r#"{"user":"cyd \"ü\"\nnewline \\ back","n":1}"#,
            ],
        ),
        (
            "select id, _row from input qualify id is null or row_number() over (partition by id order by _row) = 1",
            &[r#"{"_row":4}"#, r#"{"id":1,"_row":0}"#, r#"{"id":2,"_row":1}"#],
        ),
        ("select distinct \"user\" from input where id is not null", &[r#"{"user":"ann"}"#, r#"{"user":"bob"}"#]),
        (
            "select regexp_like(\"user\", '^[a-b]\\w+$') as matched, md5('a') as hash from input where id = 1",
            &[r#"{"matched":true,"hash":"0cc175b9c0f1b6a831c399e269772661"}"#],
        ),
        (
            "select id from input union all select id from input where id = 1",
            &[r#"{"id":1}"#, r#"{"id":1}"#, r#"{"id":2}"#, r#"{"id":2}"#, r#"{}"#],
        ),
        ("select count(*) as n from input where false", &[r#"{"n":0}"#]),
        (
            "with a as (select id, seen from input), b as (select max(id) as top from a) select id from a, b where id = top",
            &[r#"{"id":2}"#, r#"{"id":2}"#],
        ),
        ("select id from input where id = 1; -- the end", &[r#"{"id":1}"#]),
    ];
    for engine in engines() {
        for (transform, expected) in cases {
            let (finished, rows) = rows_of(&engine, transform, INPUT);
            let mut expected: Vec<String> = expected.iter().map(|row| (*row).to_owned()).collect();
            expected.sort();
            assert_eq!(rows, expected, "{}: {transform}", engine.kind().name());
            assert_eq!(finished.balance.rows_in, 5);
            assert_eq!(finished.balance.quarantined, 1);
        }
    }
}

#[test]
fn every_engine_gives_the_same_types() {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let transform = "select id, \"user\", seen, ok, score, now() as now, count(*) over () as n, \
                     row_number() over (order by _row) as place, cast(id as varchar) as text, \
                     cast(id = 1 as boolean) as is_first from input";
    for engine in engines() {
        let schema = prepared(&engine, transform).output_schema;
        let kind = |name: &str| schema.field_with_name(name).expect(name).data_type().clone();
        let name = engine.kind().name();
        assert_eq!((kind("seen"), kind("now")), (utc.clone(), utc.clone()), "{name}");
        assert_eq!((kind("id"), kind("n")), (DataType::Int64, DataType::Int64), "{name}");
        assert_eq!((kind("user"), kind("text")), (DataType::Utf8, DataType::Utf8), "{name}");
        assert_eq!((kind("ok"), kind("is_first")), (DataType::Boolean, DataType::Boolean), "{name}");
        assert_eq!(kind("score"), DataType::Float64, "{name}");
    }
}

#[test]
fn every_row_has_a_fate_on_every_engine() {
    let all = Balance { rows_in: 5, quarantined: 1, ..Balance::default() };
    for engine in engines() {
        for (transform, expected) in [
            ("select id from input", Balance { rows_out: 4, ..all }),
            ("select id from input where \"user\" = 'bob'", Balance { rows_out: 2, filtered: 2, ..all }),
            ("select id from input limit 1", Balance { rows_out: 1, filtered: 3, ..all }),
            ("select distinct \"user\" from input", Balance { rows_out: 3, deduplicated: 1, ..all }),
            (
                "select id from input qualify row_number() over (partition by \"user\" order by _row) = 1",
                Balance { rows_out: 3, deduplicated: 1, ..all },
            ),
            (
                "select \"user\", count(*) as n from input group by \"user\"",
                Balance { rows_out: 3, aggregated: 1, ..all },
            ),
            ("select max(id) as top from input", Balance { rows_out: 1, aggregated: 3, ..all }),
            ("select id from input union all select id from input", Balance { rows_out: 8, exploded: 4, ..all }),
        ] {
            let (finished, rows) = rows_of(&engine, transform, INPUT);
            assert_eq!(finished.balance, expected, "{}: {transform}", engine.kind().name());
            assert_eq!(rows.len() as u64, expected.rows_out, "{}: {transform}", engine.kind().name());
        }
    }
}

#[test]
fn only_what_the_sql_names_is_read() {
    for engine in engines() {
        let name = engine.kind().name();
        let used =
            |transform| prepared(&engine, transform).columns_used.into_iter().map(|c| c.name).collect::<Vec<_>>();
        assert_eq!(used("select id from input where \"user\" = 'x'"), ["id", "user"], "{name}");
        assert_eq!(used("select * from input").len(), 8, "{name}");
        assert_eq!(used("with i as (select * from input) select score from i"), ["score"], "{name}");
        assert!(used("select count(*) as n from input").is_empty(), "{name}");
    }
}

#[test]
fn signals_and_transform_share_one_pass_on_every_engine() {
    let signals = [
        "-- title: a\n-- severity: low\nselect id from output where id = 2",
        "-- title: b\n-- severity: low\nselect i.id from input i join output o on i.id = o.id",
    ];
    for engine in engines() {
        let source = source(CONFIG, "select id, ok from input", &signals);
        let prepared = try_prepare(&engine, &tables(), &source).unwrap_or_else(|problems| panic!("{problems:?}"));
        let mut sink = Collected::default();
        let finished = job(&prepared, &small_plan(&prepared), INPUT, &mut sink).expect("job");
        finished.check_balance().expect("balance");
        assert_eq!((sink.rows.iter().map(RecordBatch::num_rows).sum::<usize>(), sink.signals), (4, 2 + 5));
    }
}

#[test]
fn an_empty_file_gives_no_rows_and_balances() {
    for engine in engines() {
        let (finished, rows) = rows_of(&engine, "select id, seen from input", "");
        assert_eq!((finished.balance, rows.len()), (Balance::default(), 0), "{}", engine.kind().name());
    }
}

#[test]
fn mistakes_in_the_sql_are_found_before_data_comes() {
    for engine in engines() {
        let name = engine.kind().name();
        for (transform, told) in [
            ("selct id\nfrom input", ""),
            ("select id\nfrom nowhere", "nowhere"),
            ("select id,\n  no_such_function(id) as x\nfrom input", "no_such_function"),
            ("select actor.nobody as n from input", "nobody"),
            ("select id from input; drop table input", ""),
            ("create table x as select 1 as one", ""),
            ("select id as a, score as A from input", "twice"),
        ] {
            let problems = try_prepare(&engine, &tables(), &source(CONFIG, transform, &[])).err();
            let problems = problems.unwrap_or_else(|| panic!("{name} takes {transform}")).join("\n");
            assert!(problems.starts_with("transform.sql:"), "{name}: {transform}: {problems}");
            assert!(problems.contains(told), "{name}: {transform}: {problems}");
        }
    }
}

#[test]
fn no_engine_reads_what_the_pond_does_not_allow() {
    let outside = tempfile::NamedTempFile::new().expect("file");
    std::fs::write(outside.path(), "secret\n").expect("file");
    let path = outside.path().display().to_string();
    for engine in engines() {
        let name = engine.kind().name();
        let attempts = match engine.kind() {
            Kind::DataFusion => vec![format!("select * from '{path}'"), format!("select * from read_csv('{path}')")],
            Kind::DuckDb => vec![
                format!("select * from read_csv('{path}')"),
                format!("select * from '{path}'"),
                format!("select * from read_text('{path}')"),
                format!("select id from input) ; copy (select 1) to '{path}.out' ; select * from (select 1"),
                "select * from glob('/etc/*')".to_owned(),
                "select * from read_parquet('http://127.0.0.1:1/x')".to_owned(),
            ],
            Kind::ChDb => vec![
                format!("select * from file('{path}', 'LineAsString')"),
                format!("select file('{path}') as text from input"),
                "select * from url('http://127.0.0.1:1/x', 'CSV', 'a String')".to_owned(),
                "select * from s3('http://127.0.0.1:1/bucket/x', 'CSV', 'a String')".to_owned(),
                "select * from remote('127.0.0.1:1', system.one)".to_owned(),
                "select name from system.settings".to_owned(),
                "select id from input where id in system.one".to_owned(),
                "select id from input settings max_memory_usage = 0".to_owned(),
                format!("select id from input into outfile '{path}.out'"),
            ],
        };
        for transform in attempts {
            let source = source(CONFIG, &transform, &[]);
            let ended = match try_prepare(&engine, &tables(), &source) {
                Err(problems) => problems.join("\n"),
                Ok(prepared) => {
                    let ended = job(&prepared, &small_plan(&prepared), INPUT, &mut Collected::default());
                    ended.err().unwrap_or_else(|| panic!("{name} allows {transform}")).report()
                }
            };
            assert!(!ended.contains("secret"), "{name}: {transform}: {ended}");
        }
        assert!(!std::path::Path::new(&format!("{path}.out")).exists(), "{name} wrote a file");
    }
}

#[test]
fn an_engine_does_not_lift_its_own_limits() {
    for engine in engines().into_iter().filter(|engine| engine.kind() == Kind::DuckDb) {
        let problems = try_prepare(
            &engine,
            &tables(),
            &source(
                CONFIG,
                "select current_setting('memory_limit') as l, current_setting('threads') as t from input",
                &[],
            ),
        );
        assert!(problems.is_ok());
        let (_, rows) =
            rows_of(&engine, "select cast(current_setting('threads') as varchar) as t from input limit 1", INPUT);
        assert_eq!(rows, [r#"{"t":"1"}"#]);
    }
}

/// So many rows of some hundred bytes that do not compress.
fn wide_input(rows: usize) -> String {
    let row = |row: usize| {
        let mut text = String::new();
        let mut state = row as u64 + 1;
        for _ in 0..32 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(&format!("{:016x}", state >> 7));
        }
        format!("{{\"id\":{row},\"user\":\"{text}\"}}\n")
    };
    (0..rows).map(row).collect()
}

#[test]
fn memory_is_limited_on_every_engine() {
    let input = wide_input(60_000);
    // Every row is kept until the last has come, and what is kept is a list that cannot be spilled.
    for engine in engines() {
        let gather = match engine.kind() {
            Kind::ChDb => "select length(groupArray(\"user\")) as n from input",
            _ => "select array_length(array_agg(\"user\"), 1) as n from input",
        };
        let transform =
            if engine.kind() == Kind::DuckDb { "select len(list(\"user\")) as n from input" } else { gather };
        let prepared = prepared(&engine, transform);
        let plan = Plan { memory_bytes: 16 << 20, ..plan(&prepared.source, 16 << 20) };
        let ended = job(&prepared, &plan, &input, &mut Collected::default());
        let error = ended.err().unwrap_or_else(|| panic!("{} has no limit", engine.kind().name()));
        assert_eq!(error.kind(), ErrorKind::TooBig, "{}: {}", engine.kind().name(), error.report());
        let enough = Plan { memory_bytes: 1 << 30, ..plan.clone() };
        job(&prepared, &enough, &input, &mut Collected::default())
            .unwrap_or_else(|error| panic!("{}: {}", engine.kind().name(), error.report()));
    }
}

#[test]
fn engines_that_spill_go_on_beyond_their_memory() {
    let input = wide_input(150_000);
    for engine in engines().into_iter().filter(|engine| engine.support().spills) {
        let prepared = prepared(&engine, "select \"user\", id from input order by \"user\"");
        let plan = Plan { memory_bytes: 128 << 20, ..plan(&prepared.source, 128 << 20) };
        let mut sink = Collected::default();
        let finished = job(&prepared, &plan, &input, &mut sink)
            .unwrap_or_else(|error| panic!("{}: {}", engine.kind().name(), error.report()));
        assert_eq!(finished.balance.rows_out, 150_000, "{}", engine.kind().name());
    }
}

/// SQL that runs far longer than any test may: 10^12 pairs for each row, or as many as there are batches of input.
fn endless(kind: Kind) -> &'static str {
    match kind {
        Kind::DataFusion => "select count(*) as n from input a, input b, input c, input d",
        Kind::DuckDb => {
            "select count(*) as n from input i, range(1000000) a, range(1000000) b where md5(a.range || b.range || i.id) = 'x'"
        }
        Kind::ChDb => {
            "select count(*) as n from input i, numbers(1000000) a, numbers(1000000) b where a.number + b.number + i.id = -1"
        }
    }
}

#[test]
fn time_is_limited_on_every_engine_with_a_library() {
    for engine in engines().into_iter().filter(|engine| engine.support().own_memory) {
        let prepared = prepared(&engine, endless(engine.kind()));
        let plan = Plan { time_ms: Some(300), ..small_plan(&prepared) };
        let ended = job(&prepared, &plan, INPUT, &mut Collected::default());
        let error = ended.err().unwrap_or_else(|| panic!("{} has no limit", engine.kind().name()));
        assert_eq!(error.kind(), ErrorKind::TooBig, "{}: {}", engine.kind().name(), error.report());
        assert!(error.report().contains("300 ms"), "{}: {}", engine.kind().name(), error.report());
    }
}

#[test]
fn a_job_whose_time_is_over_ends_on_every_engine() {
    for engine in engines() {
        let prepared = prepared(&engine, "select id from input");
        let plan = Plan { time_ms: Some(0), ..small_plan(&prepared) };
        let error = job(&prepared, &plan, INPUT, &mut Collected::default()).expect_err("its time is over");
        assert_eq!(error.kind(), ErrorKind::TooBig, "{}", engine.kind().name());
    }
}

#[test]
fn a_job_is_cancelled_from_outside_on_every_engine() {
    for engine in engines() {
        let prepared = prepared(&engine, "select id from input");
        let stop = Stop::after(None);
        let mut sink = Collected { stop: Some(stop.clone()), ..Collected::default() };
        let bytes = Box::new(std::io::Cursor::new(wide_input(20_000).into_bytes()));
        let plan = small_plan(&prepared);
        let input = InputFile { name: "file:///t", modified_us: 0, bytes };
        let ended = futures::executor::block_on(run_until(&stop, &prepared, &plan, input, &mut sink));
        let error = ended.expect_err("it was cancelled");
        assert_eq!(error.kind(), ErrorKind::Transient, "{}: {}", engine.kind().name(), error.report());
    }
    for engine in engines().into_iter().filter(|engine| engine.support().own_memory) {
        let prepared = prepared(&engine, endless(engine.kind()));
        let stop = Stop::after(None);
        let outside = stop.clone();
        let ended = std::thread::scope(|scope| {
            scope.spawn(move || {
                // Whenever it comes, the job ends: before it begins, while it reads, or in the middle of the query.
                std::thread::park_timeout(Duration::from_millis(200));
                outside.cancel();
            });
            let bytes = Box::new(std::io::Cursor::new(INPUT.as_bytes().to_vec()));
            let input = InputFile { name: "file:///t", modified_us: 0, bytes };
            let plan = small_plan(&prepared);
            futures::executor::block_on(run_until(&stop, &prepared, &plan, input, &mut Collected::default()))
        });
        assert_eq!(ended.expect_err("it was cancelled").kind(), ErrorKind::Transient, "{}", engine.kind().name());
    }
}

#[test]
fn jobs_of_one_source_run_side_by_side() {
    for engine in engines() {
        let prepared = prepared(&engine, "select id, \"user\" from input where id >= 0");
        std::thread::scope(|scope| {
            let jobs: Vec<_> = (1..=4)
                .map(|number| {
                    let prepared = &prepared;
                    scope.spawn(move || {
                        let mut sink = Collected::default();
                        let input = wide_input(number * 1_000);
                        let plan = plan(&prepared.source, 256 << 20);
                        let finished = job(prepared, &plan, &input, &mut sink).expect("job");
                        (number, finished.balance.rows_out)
                    })
                })
                .collect();
            for job in jobs {
                let (number, rows) = job.join().expect("no panic");
                assert_eq!(rows, number as u64 * 1_000, "{}", engine.kind().name());
            }
        });
    }
}

#[test]
fn an_error_while_it_runs_is_one_of_the_source() {
    for engine in engines() {
        let transform = match engine.kind() {
            Kind::DataFusion => "select id / (id - 1) as n from input",
            Kind::ChDb => "select throwIf(id = 1) as n from input",
            Kind::DuckDb => "select cast(\"user\" as bigint) as n from input",
        };
        let prepared = prepared(&engine, transform);
        let error = job(&prepared, &small_plan(&prepared), INPUT, &mut Collected::default());
        let error = error.err().unwrap_or_else(|| panic!("{} goes on", engine.kind().name()));
        assert_eq!(error.kind(), ErrorKind::BadConfig, "{}: {}", engine.kind().name(), error.report());
        assert!(error.report().contains("transform.sql"), "{}", error.report());
    }
}

#[test]
fn names_that_differ_in_case_are_kept_apart_or_refused() {
    let config = "format = 'json'\n[columns]\nid = 'int'\nID = 'int'\n";
    for engine in engines() {
        let prepared = try_prepare(&engine, &tables(), &source(config, "select id as a, ID as b from input", &[]));
        match engine.support().exact_names {
            true => {
                let prepared = prepared.unwrap_or_else(|problems| panic!("{problems:?}"));
                let mut sink = Collected::default();
                job(&prepared, &small_plan(&prepared), "{\"id\":1,\"ID\":2}", &mut sink).expect("job");
                assert_eq!(sink.sorted(), [r#"{"a":1,"b":2}"#]);
            }
            false => assert!(prepared.expect_err("refused").join("\n").contains("`ID`")),
        }
    }
}

#[test]
fn every_engine_explains_its_plan() {
    for engine in engines() {
        let prepared = prepared(&engine, "select id from input where score > 1");
        let told = futures::executor::block_on(explain(&prepared)).expect("plan");
        assert!(told.contains("score"), "{}: {told}", engine.kind().name());
    }
}

#[test]
fn a_library_that_is_not_there_is_told_of() {
    let drivers = [(Kind::DuckDb, Driver { library: Some("lib/none.so".into()), ..Driver::default() })];
    let engines = Engines::new(std::path::Path::new("/nowhere"), &drivers);
    let error = engines.get(Kind::DuckDb).expect_err("nothing is there").report();
    assert!(error.contains("failed to load engine `duckdb` from `/nowhere/lib/none.so`"), "{error}");
    assert!(error.contains("hint: `driver` under `[engine.duckdb]`"), "{error}");
}
