//! Alerting on a lake: what is decided once, what is sent and sent again, with a clock that the test moves.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use arrow::json::{LineDelimitedWriter, ReaderBuilder};
use millpond::alerting::{Alerter, Passed, Surroundings};
use millpond::clock::Clock;
use millpond::compaction::{Layout, compact};
use millpond::lake::{Change, Lake, LakeFile, Rewrite};
use millpond::pipeline::signals_schema;
use millpond::query::Session;
use millpond_core::config::{PondConfig, Problems};
use millpond_engine::encode::{Origin, TableWriter};
use millpond_testkit::{Received, Receiver};
use object_store::ObjectStoreExt;
use object_store::path::Path as StorePath;
use serde_json::{Value, json};

use crate::landing::{START_US, US_PER_DAY, open};

const SECOND_US: i64 = 1_000_000;
const HOUR_US: i64 = 3_600 * SECOND_US;

/// A lake, a clock, and what was printed.
struct Tested {
    folder: tempfile::TempDir,
    lake: Arc<Lake>,
    now_us: Arc<AtomicI64>,
    printed: Arc<Mutex<Vec<String>>>,
}

impl Tested {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let lake = open(folder.path());
        let tested = Self { folder, lake, now_us: Arc::new((START_US + US_PER_DAY).into()), printed: Arc::default() };
        tested.alerter().begin(false).await.expect("begin");
        tested
    }

    fn alerter(&self) -> Alerter {
        let (now_us, printed) = (Arc::clone(&self.now_us), Arc::clone(&self.printed));
        let surroundings = Surroundings {
            clock: Clock::new(move || now_us.load(Ordering::SeqCst)),
            variable: Arc::new(|name| (name == "SECRET").then(|| "hush".to_owned())),
            print: Arc::new(move |line| {
                printed.lock().expect("printed").push(line.to_owned());
                Ok(())
            }),
        };
        Alerter::new(Arc::clone(&self.lake), self.folder.path(), surroundings).expect("alerter")
    }

    async fn pass(&self, config: &PondConfig) -> Passed {
        self.alerter().pass(config).await.expect("pass")
    }

    fn wait(&self, us: i64) {
        self.now_us.fetch_add(us, Ordering::SeqCst);
    }

    /// Adds signals in a commit of their own.
    async fn signals(&self, signals: &[Value]) -> Vec<LakeFile> {
        let files = files(&self.lake, signals).await;
        self.lake.append("signals", &signals_schema(), files.clone()).await.expect("append");
        files
    }

    /// The rows of a query, each as a JSON array.
    async fn rows(&self, sql: &str) -> Vec<Value> {
        let session = Session::new(Some(&self.lake), Path::new(".")).await.expect("session");
        let (_, batches) = session.collect(sql).await.expect("rows");
        let mut writer = LineDelimitedWriter::new(Vec::new());
        writer.write_batches(&batches.iter().collect::<Vec<_>>()).expect("JSON");
        let text = String::from_utf8(writer.into_inner()).expect("text");
        let values = |line: &str| {
            let row: serde_json::Map<String, Value> = serde_json::from_str(line).expect("JSON");
            Value::Array(row.into_iter().map(|(_, value)| value).collect())
        };
        text.lines().map(values).collect()
    }
}

fn signal(entity: &str, row: i64) -> Value {
    json!({"source": "app", "rule": "root", "title": "Root was here", "severity": "medium", "entity": entity,
           "time": START_US + row * SECOND_US, "message": format!("{entity} did it"), "file": "file:///a", "row": row})
}

async fn files(lake: &Lake, signals: &[Value]) -> Vec<LakeFile> {
    let schema = signals_schema();
    let mut decoder = ReaderBuilder::new(Arc::clone(&schema)).build_decoder().expect("decoder");
    decoder.serialize(signals).expect("rows");
    let mut writer = TableWriter::new(&schema, Some("time"), false);
    let rows = decoder.flush().expect("rows").expect("a batch");
    writer.write(&rows, &Origin { job: None, day: 0 }).expect("write");
    let mut files = Vec::new();
    for mut file in writer.finish().expect("files") {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file.body, &mut bytes).expect("bytes");
        let path = format!("_day=2026-03-02/{}.parquet", &blake3::hash(&bytes).to_hex()[..16]);
        lake.store.put(&StorePath::from(format!("signals/{path}")), bytes.into()).await.expect("put");
        let (bytes, rows, statistics) = (file.bytes, file.rows, file.statistics);
        files.push(LakeFile { path, day: "2026-03-02".into(), bytes, rows, statistics, jobs: Vec::new() });
    }
    files
}

fn config(text: &str) -> PondConfig {
    let mut problems = Problems::default();
    let config = PondConfig::parse("millpond.toml", text, 1 << 30, &mut problems);
    assert!(problems.found.is_empty(), "{:?}", problems.found);
    config.expect("config")
}

/// Every signal, to a webhook.
fn webhook(receiver: &Receiver) -> PondConfig {
    let url = receiver.url("/hook");
    config(&format!(
        "[[alert]]\nname = 'all'\nto = 'soar'\n[destination.soar]\ntype = 'webhook'\nurl = '{url}'\nsecret = 'env:SECRET'\n"
    ))
}

fn ids(received: &[Received]) -> Vec<&str> {
    received.iter().map(|request| request.header("webhook-id")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_alert_grows_and_only_what_is_worse_is_told_again() {
    let (tested, receiver) = (Tested::new().await, Receiver::taking());
    let config = webhook(&receiver);
    tested.signals(&[signal("eve", 1), signal("eve", 2)]).await;
    let first = tested.pass(&config).await;
    assert_eq!((first.opened, first.sent, first.waiting), (1, 1, 0), "{first:?}");
    tested.signals(&[signal("eve", 3)]).await;
    let grown = tested.pass(&config).await;
    assert_eq!((grown.opened, grown.grew, grown.sent), (0, 1, 0), "{grown:?}");
    let mut worse = signal("eve", 4);
    worse["severity"] = json!("critical");
    tested.signals(&[worse]).await;
    assert_eq!(tested.pass(&config).await.sent, 1);
    assert!(tested.pass(&config).await.is_silent());
    tested.wait(HOUR_US);
    assert_eq!(tested.pass(&config).await.closed, 1);

    let received = receiver.received();
    let events: Vec<Value> = received.iter().map(Received::json).collect();
    let told: Vec<_> = events.iter().map(|event| (&event["type"], &event["data"]["count"])).collect();
    assert_eq!(told, [(&json!("millpond.alert.opened"), &json!(2)), (&json!("millpond.alert.escalated"), &json!(4))]);
    assert_eq!(events[0]["subject"], events[1]["subject"]);
    let rows = tested.rows("select change as x, \"count\" as y from alerts order by revision").await;
    assert_eq!(rows, [json!(["opened", 2]), json!(["grew", 3]), json!(["escalated", 4]), json!(["closed", 4])]);
    let rows = tested.rows("select status as x, count(*) as y from deliveries group by status").await;
    assert_eq!(rows, [json!(["sent", 2])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rewritten_files_bring_no_alert_and_a_replay_only_what_is_new() {
    let (tested, receiver) = (Tested::new().await, Receiver::taking());
    let config = webhook(&receiver);
    let one = tested.signals(&[signal("eve", 1), signal("bob", 2)]).await;
    tested.signals(&[signal("cyd", 3)]).await;
    assert_eq!(tested.pass(&config).await.opened, 3);
    // A replay takes a file out and puts the same signals, another and what was left of the file in.
    let (table, _) = tested.lake.files("signals").await.expect("files").expect("table");
    let adds = files(&tested.lake, &[signal("bob", 2), signal("eve", 1), signal("dan", 9)]).await;
    let change = Change { adds, removes: one };
    tested.lake.replace("signals", &table, &change, &Rewrite::Append).await.expect("replace");
    let replayed = tested.pass(&config).await;
    assert_eq!((replayed.opened, replayed.grew), (1, 0), "{replayed:?}");
    let layout = Layout { sort: vec!["time".into()], indicators: Vec::new() };
    let now_us = tested.now_us.load(Ordering::SeqCst) + 7 * US_PER_DAY;
    assert!(compact(&tested.lake, "signals", &layout, now_us).await.expect("compact").expect("table").commits > 0);
    assert!(tested.pass(&config).await.is_silent());
    assert_eq!(receiver.received().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_sent_again_after_a_while_under_the_same_id() {
    let tested = Tested::new().await;
    let receiver =
        Receiver::start(|before, _| if before < 2 { (503, "busy".to_owned()) } else { (204, String::new()) });
    let config = webhook(&receiver);
    tested.signals(&[signal("eve", 1)]).await;
    let refused = tested.pass(&config).await;
    assert_eq!((refused.opened, refused.sent, refused.waiting), (1, 0, 1));
    assert!(
        refused.notes[0].contains("`soar` did not take alert") && refused.notes[0].contains("503: busy"),
        "{refused:?}"
    );
    // Not before it is due, whoever looks: 5 seconds, then 10.
    for (wait_s, requests) in [(4, 1), (1, 2), (9, 2), (1, 3), (60, 3)] {
        tested.wait(wait_s * SECOND_US);
        tested.pass(&config).await;
        assert_eq!(receiver.received().len(), requests, "after {wait_s} s more");
    }
    let received = receiver.received();
    assert_eq!(ids(&received), [ids(&received)[0]; 3]);
    let times: Vec<i64> = received.iter().map(|one| one.header("webhook-timestamp").parse().expect("time")).collect();
    assert_eq!([times[1] - times[0], times[2] - times[1]], [5, 10], "each try is signed with its own time");
    assert!(received.iter().all(|one| one.body == received[0].body));
    let rows = tested.rows("select status as x, attempts as y from deliveries").await;
    assert_eq!(rows, [json!(["sent", 3])]);
    assert_eq!(std::fs::read_dir(tested.folder.path().join("lake/_alerts/steps")).expect("steps").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_is_down_holds_back_its_own_messages_and_no_others() {
    let (tested, good) = (Tested::new().await, Receiver::taking());
    let bad = Receiver::start(|_, _| (500, String::new()));
    let config = config(&format!(
        "[[alert]]\nname = 'all'\nto = ['good', 'bad']\n[destination.good]\ntype = 'webhook'\nurl = '{}'\n\
         [destination.bad]\ntype = 'webhook'\nurl = '{}'\n",
        good.url("/"),
        bad.url("/")
    ));
    tested.signals(&(0..5).map(|n| signal(&format!("user{n}"), n)).collect::<Vec<_>>()).await;
    let passed = tested.pass(&config).await;
    assert_eq!((passed.opened, passed.sent, passed.waiting), (5, 5, 5));
    assert_eq!((good.received().len(), bad.received().len()), (5, 1), "one refusal is enough for a pass");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_nobody_can_take_are_given_up_and_the_table_says_so() {
    let tested = Tested::new().await;
    let receiver = Receiver::start(|_, _| (500, "no".to_owned()));
    let config = webhook(&receiver);
    tested.signals(&[signal("eve", 1)]).await;
    tested.pass(&config).await;
    tested.wait(3 * US_PER_DAY + SECOND_US);
    let passed = tested.pass(&config).await;
    assert_eq!((passed.given_up, passed.waiting), (1, 0), "{passed:?}");
    assert!(passed.notes.iter().any(|note| note.contains("never took alert")), "{passed:?}");
    // A destination that is gone from the pond takes nothing either.
    tested.signals(&[signal("bob", 2)]).await;
    tested.pass(&config).await;
    tested.wait(60 * SECOND_US);
    let gone = PondConfig {
        alerting: millpond_core::alert::AlertConfig { destinations: Vec::new(), ..config.alerting.clone() },
        ..config
    };
    assert_eq!(tested.pass(&gone).await.given_up, 1);
    let rows = tested.rows("select status as x, attempts as y from deliveries order by time").await;
    assert_eq!(rows, [json!(["given_up", 2]), json!(["given_up", 2])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_decide_and_send_once() {
    let (tested, receiver) = (Tested::new().await, Receiver::taking());
    let config = webhook(&receiver);
    for round in 0..4 {
        tested.signals(&(0..6).map(|n| signal(&format!("user{round}{n}"), n)).collect::<Vec<_>>()).await;
        let others = [open(tested.folder.path()), open(tested.folder.path())];
        let [one, two] = others.map(|lake| Tested { lake, ..tested.again() });
        let (one, two) = tokio::join!(one.pass(&config), two.pass(&config));
        assert!(one.notes.is_empty() && two.notes.is_empty(), "{one:?} {two:?}");
    }
    // What one of them had begun when the other looked is taken out by the next.
    tested.pass(&config).await;
    let received = receiver.received();
    let mut distinct = ids(&received);
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!((received.len(), distinct.len()), (24, 24));
    let rows = tested.rows("select count(*) as x, count(distinct alert_id) as y from alerts").await;
    assert_eq!(rows, [json!([24, 24])]);
    let rows = tested.rows("select count(*) as x, count(distinct alert_id) as y from deliveries").await;
    assert_eq!(rows, [json!([24, 24])]);
}

impl Tested {
    /// Another process of the same clock.
    fn again(&self) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let (lake, now_us, printed) = (Arc::clone(&self.lake), Arc::clone(&self.now_us), Arc::clone(&self.printed));
        Self { folder, lake, now_us, printed }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_lake_before_alerting_is_left_out_unless_it_is_asked_for() {
    for (from_start, left_out, opened) in [(false, 2, 0), (true, 0, 2)] {
        let folder = tempfile::tempdir().expect("folder");
        let lake = open(folder.path());
        let tested = Tested { folder, lake, now_us: Arc::new((START_US + US_PER_DAY).into()), printed: Arc::default() };
        tested.signals(&[signal("eve", 1), signal("bob", 2)]).await;
        assert_eq!(tested.alerter().begin(from_start).await.expect("begin"), left_out);
        let plain = config("[[alert]]\nname = 'all'\nto = 'out'\n[destination.out]\ntype = 'stdout'\n");
        assert_eq!(tested.pass(&plain).await.opened, opened);
        assert_eq!(tested.printed.lock().expect("printed").len() as u64, opened);
        tested.signals(&[signal("cyd", 3)]).await;
        assert_eq!(tested.pass(&plain).await.opened, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jira_has_one_issue_for_an_alert() {
    let tested = Tested::new().await;
    let receiver = Receiver::start(|before, request| {
        let found = if before < 2 { json!([]) } else { json!([{"key": "SEC-7"}]) };
        match request.line.as_str() {
            line if line.starts_with("GET /rest/api/2/search/jql?") => (200, json!({"issues": found}).to_string()),
            "POST /rest/api/2/issue" => (201, json!({"id": "1", "key": "SEC-7"}).to_string()),
            "POST /rest/api/2/issue/SEC-7/comment" => (201, json!({"id": "2"}).to_string()),
            _ => (404, String::new()),
        }
    });
    let url = receiver.url("");
    let config = config(&format!(
        "[[alert]]\nname = 'all'\nto = 'jira'\n[destination.jira]\ntype = 'jira'\nurl = '{url}'\nuser = 'soc@example.com'\n\
         token = 'env:SECRET'\nproject = 'SEC'\n"
    ));
    tested.signals(&[signal("eve", 1)]).await;
    assert_eq!(tested.pass(&config).await.sent, 1);
    let mut worse = signal("eve", 2);
    worse["severity"] = json!("high");
    tested.signals(&[worse]).await;
    assert_eq!(tested.pass(&config).await.sent, 1);
    let received = receiver.received();
    let lines: Vec<&str> = received.iter().map(|one| one.line.split('?').next().unwrap_or_default()).collect();
    assert_eq!(
        lines,
        [
            "GET /rest/api/2/search/jql",
            "POST /rest/api/2/issue",
            "GET /rest/api/2/search/jql",
            "POST /rest/api/2/issue/SEC-7/comment"
        ]
    );
    assert!(received.iter().all(|one| one.header("authorization").starts_with("Basic ")));
    let rows = tested.rows("select answer as x, revision as y from deliveries order by time, revision").await;
    assert_eq!(rows, [json!(["SEC-7", 1]), json!(["SEC-7", 2])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_error_tells_a_secret_address() {
    let tested = Tested::new().await;
    let slack = config("[[alert]]\nname = 'all'\nto = 'soc'\n[destination.soc]\ntype = 'slack'\nurl = 'env:MISSING'\n");
    tested.signals(&[signal("eve", 1)]).await;
    let passed = tested.pass(&slack).await;
    assert!(passed.notes[0].contains("the environment variable `MISSING` is not set"), "{passed:?}");
    let nobody = Receiver::start(|_, _| (0, String::new()));
    let hidden = config(&format!(
        "[[alert]]\nname = 'all'\nto = 'soc'\n[destination.soc]\ntype = 'webhook'\nurl = '{}'\n",
        nobody.url("/hidden")
    ));
    tested.wait(60 * SECOND_US);
    let passed = tested.pass(&hidden).await;
    assert!(
        passed.notes[0].contains("the receiver did not answer") && !passed.notes[0].contains("hidden"),
        "{passed:?}"
    );
}

#[tokio::test]
async fn a_file_gets_a_line_for_each_message() {
    let tested = Tested::new().await;
    let config =
        config("[[alert]]\nname = 'all'\nto = 'log'\n[destination.log]\ntype = 'file'\npath = 'out/alerts.ndjson'\n");
    tested.signals(&[signal("eve", 1), signal("bob", 2)]).await;
    tested.pass(&config).await;
    let text = std::fs::read_to_string(Path::new(tested.folder.path()).join("out/alerts.ndjson")).expect("file");
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(events.iter().map(|event| &event["data"]["entity"]).collect::<Vec<_>>(), ["eve", "bob"]);
}
