//! Alerts end to end: a run finds something, and a receiver that knows nothing of millpond is told.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use millpond_testkit::{MiniStack, Received, Receiver};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::pond::{APP_CONFIG, APP_SQL, Pond, summary};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// How old a message may be, in seconds, as Standard Webhooks advises.
const TOLERANCE_S: i64 = 300;

/// What a receiver does before it believes a message: the signature, then the age.
fn is_trusted(request: &Received, secret: &str, now_s: i64) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("prefix")).expect("base64");
    let (id, time) = (request.header("webhook-id"), request.header("webhook-timestamp"));
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("key");
    mac.update(format!("{id}.{time}.{}", request.body).as_bytes());
    let signature = request.header("webhook-signature").strip_prefix("v1,").expect("version");
    let is_signed = mac.verify_slice(&STANDARD.decode(signature).expect("base64")).is_ok();
    is_signed && (now_s - time.parse::<i64>().expect("seconds")).abs() <= TOLERANCE_S
}

fn now_s() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("time");
    since.as_secs() as i64
}

/// A pond that tells a webhook of everything; `more` is added to its configuration.
fn pond(receiver: &Receiver, more: &str) -> Pond {
    let mut pond = Pond::with_app();
    pond.set("HOOK_URL", &receiver.url("/hook"));
    pond.set("HOOK_SECRET", SECRET);
    pond.write(
        "millpond.toml",
        format!(
            "name = 'test'\n[[input]]\nurl = 'inbox'\n[budget]\njobs = 1\n\
             [[alert]]\nname = 'all'\nto = 'soar'\n\
             [destination.soar]\ntype = 'webhook'\nurl = 'env:HOOK_URL'\nsecret = 'env:HOOK_SECRET'\n{more}"
        ),
    );
    pond
}

/// One line of root, by the minute.
fn root_log(minutes: std::ops::Range<u32>) -> String {
    minutes.map(|n| format!("{{\"ts\":\"2026-01-01T10:{n:02}:00Z\",\"user\":\"root\",\"bytes\":{n}}}\n")).collect()
}

fn alerts(pond: &Pond) -> Vec<Value> {
    pond.millpond(&["alerts", "list", "--json"]).ok().json_lines()
}

#[test]
fn a_run_tells_once_and_the_alert_grows() {
    let receiver = Receiver::taking();
    let pond = pond(&receiver, "");
    pond.write("inbox/a.ndjson", root_log(0..2));
    pond.run_once();
    let received = receiver.received();
    assert_eq!(received.len(), 1);
    let (request, event) = (&received[0], received[0].json());
    assert_eq!(request.line, "POST /hook");
    assert!(is_trusted(request, SECRET, now_s()));
    assert!(!is_trusted(request, SECRET, now_s() + 2 * TOLERANCE_S), "an old message is a replay");
    assert!(!is_trusted(&Received { body: request.body.replace("root", "ann"), ..request.clone() }, SECRET, now_s()));
    assert_eq!(request.header("content-type"), "application/cloudevents+json; charset=utf-8");
    assert_eq!((&event["specversion"], &event["source"]), (&json!("1.0"), &json!("/millpond/test")));
    assert_eq!((&event["id"], &event["type"]), (&json!(request.header("webhook-id")), &json!("millpond.alert.opened")));
    let data = &event["data"];
    assert_eq!((&data["entity"], &data["count"], &data["severity"]), (&json!("root"), &json!(2), &json!("high")));
    assert_eq!(data["summary"], "[high] Root was here: root (2 signals)");

    pond.write("inbox/b.ndjson", root_log(2..5));
    let ran = pond.millpond(&["run", "--once"]).ok();
    assert!(ran.stderr.contains("alerts: 1 grew"), "{}", ran.stderr);
    pond.run_once();
    assert!(pond.millpond(&["alerts", "send"]).ok().stderr.is_empty());
    assert_eq!(receiver.received().len(), 1);
    let listed = alerts(&pond);
    assert_eq!((listed.len(), &listed[0]["count"], &listed[0]["status"]), (1, &json!(5), &json!("open")));
    assert_eq!(pond.value("select count(*) from deliveries where status = 'sent'"), 1);
    let text = pond.millpond(&["alerts", "list", "--open"]).ok().stdout;
    assert!(text.contains("Root was here") && text.contains(" 5 "), "{text}");
}

/// Makes every try that has no end look older than any request can be, as if time had passed.
fn age_tries(pond: &Pond) {
    for path in std::fs::read_dir(pond.path("lake/_alerts/tries")).expect("tries").flatten().map(|entry| entry.path()) {
        let mut document: Value = serde_json::from_slice(&std::fs::read(&path).expect("try")).expect("JSON");
        assert!(document["end"].is_null(), "{document}");
        document["began_us"] = json!(0);
        std::fs::write(&path, document.to_string()).expect("try");
    }
}

#[test]
fn killed_after_it_was_sent_a_message_comes_again_under_its_id() {
    let receiver = Receiver::taking();
    let mut pond = pond(&receiver, "");
    pond.write("inbox/a.ndjson", root_log(0..2));
    pond.set("MILLPOND_CRASH", "alert:1");
    assert_eq!(pond.millpond(&["run", "--once"]).code, None);
    pond.unset("MILLPOND_CRASH");
    // Whoever is killed may be at it still: nobody else sends until it cannot be.
    pond.millpond(&["alerts", "send"]).fails(4);
    assert_eq!(receiver.received().len(), 1);
    age_tries(&pond);
    pond.millpond(&["alerts", "send"]).ok();
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].header("webhook-id"), received[1].header("webhook-id"));
    assert_eq!(received[0].body, received[1].body);
    assert!(received.iter().all(|request| is_trusted(request, SECRET, now_s())));
    pond.millpond(&["alerts", "send"]).ok();
    assert_eq!(receiver.received().len(), 2);
    let rows = pond.query("select attempts, status from deliveries");
    assert_eq!(rows, [json!({"attempts": 2, "status": "sent"})]);
    assert_eq!(alerts(&pond).len(), 1);
}

#[test]
fn killed_between_a_decision_and_its_rows_nothing_is_lost_or_doubled() {
    for time in [1, 2] {
        let receiver = Receiver::taking();
        let mut pond = pond(&receiver, "");
        pond.write("inbox/a.ndjson", root_log(0..2));
        pond.set("MILLPOND_CRASH", &format!("step:{time}"));
        assert_eq!(pond.millpond(&["run", "--once"]).code, None);
        pond.unset("MILLPOND_CRASH");
        pond.millpond(&["alerts", "send"]).ok();
        pond.run_once();
        assert_eq!(receiver.received().len(), 1, "killed at step {time}");
        assert_eq!(pond.query("select \"count\" as n, revision from alerts"), [json!({"n": 2, "revision": 1})]);
        assert_eq!(pond.value("select count(*) from deliveries"), 1);
    }
}

#[test]
fn what_is_refused_waits_and_says_so() {
    let receiver = Receiver::start(|_, _| (500, "out of order".to_owned()));
    let pond = pond(&receiver, "");
    pond.write("inbox/a.ndjson", root_log(0..1));
    let ran = pond.millpond(&["run", "--once"]).ok();
    assert!(
        ran.stderr.contains("`soar` did not take alert") && ran.stderr.contains("500: out of order"),
        "{}",
        ran.stderr
    );
    assert_eq!(summary(&pond.run_once())["files"]["already_done"], 1);
    let lines = pond.millpond(&["alerts", "send", "--json"]).fails(4).json_lines();
    assert_eq!((&lines[0]["sent"], &lines[0]["waiting"]), (&json!(0), &json!(1)));
    assert_eq!(pond.value("select count(*) from alerts"), 1, "the alert is in the lake whoever answers");
}

#[test]
fn a_suppression_holds_signals_back_until_its_day() {
    for (until, told) in [("2999-12-31", 0), ("2020-01-01", 1)] {
        let receiver = Receiver::taking();
        let more = format!("[[suppress]]\nrule = 'ro*'\nuntil = {until}\nreason = 'a test of ours'\n");
        let pond = pond(&receiver, &more);
        pond.write("inbox/a.ndjson", root_log(0..3));
        let ran = pond.millpond(&["run", "--once"]).ok();
        assert_eq!(ran.stderr.contains("signals suppressed: 3"), told == 0, "{}", ran.stderr);
        assert_eq!((receiver.received().len(), alerts(&pond).len()), (told, told));
        assert_eq!(pond.value("select count(*) from signals"), 3);
    }
}

#[test]
fn a_replay_tells_of_nothing_that_was_told() {
    let receiver = Receiver::taking();
    let pond = pond(&receiver, "");
    pond.write("inbox/a.ndjson", root_log(0..2));
    pond.run_once();
    pond.source("app", &APP_CONFIG.replace("version = 1", "version = 2"), APP_SQL);
    pond.millpond(&["replay", "source = 'app'"]).ok();
    assert!(pond.millpond(&["alerts", "send"]).ok().stderr.is_empty());
    // A rule that is new finds something in what is old, and that is news.
    pond.write(
        "sources/app/signals/ann.sql",
        "-- severity: low\nselect user as entity, ts as time, _row from input where user = 'root'\n",
    );
    pond.millpond(&["replay", "source = 'app'"]).ok();
    assert!(pond.millpond(&["alerts", "send"]).ok().stderr.contains("1 opened"));
    assert_eq!(receiver.received().len(), 2);
    assert_eq!(alerts(&pond).iter().map(|alert| &alert["count"]).collect::<Vec<_>>(), [&json!(2), &json!(2)]);
}

#[test]
fn whoever_commits_tells() {
    let receiver = Receiver::taking();
    let pond = pond(&receiver, "");
    pond.millpond(&["commit"]).ok();
    pond.write("inbox/a.ndjson", root_log(0..1));
    pond.millpond(&["run", "--once", "--no-commit"]).ok();
    assert_eq!(receiver.received().len(), 0);
    let lines = pond.millpond(&["commit", "--json"]).ok().json_lines();
    assert_eq!((&lines[1]["event"], &lines[1]["opened"], &lines[1]["sent"]), (&json!("alerted"), &json!(1), &json!(1)));
    assert_eq!(receiver.received().len(), 1);
}

#[test]
fn a_destination_can_be_tried() {
    let receiver = Receiver::taking();
    let more = format!(
        "[destination.slack]\ntype = 'slack'\nurl = 'env:SLACK_URL'\n\
         [destination.pager]\ntype = 'pagerduty'\nurl = '{}'\nrouting_key = 'env:PAGER_KEY'\n\
         [destination.out]\ntype = 'stdout'\n[destination.log]\ntype = 'file'\npath = 'alerts.ndjson'\n",
        receiver.url("/pager")
    );
    let mut pond = pond(&receiver, &more);
    let ran = pond.millpond(&["alerts", "test", "slack"]).fails(1);
    assert!(ran.stderr.contains("the environment variable `SLACK_URL` is not set"), "{}", ran.stderr);
    pond.set("SLACK_URL", &receiver.url("/slack"));
    pond.set("PAGER_KEY", "R0UT1NG");
    for destination in ["slack", "pager", "soar"] {
        assert_eq!(pond.millpond(&["alerts", "test", destination]).ok().stdout, format!("{destination}: ok\n"));
    }
    let [slack, pager, _] = &receiver.received()[..] else { panic!("three requests") };
    assert!(slack.json()["text"].as_str().expect("text").starts_with("TEST "));
    assert_eq!((&pager.json()["routing_key"], &pager.json()["event_action"]), (&json!("R0UT1NG"), &json!("trigger")));
    let out = pond.millpond(&["alerts", "test", "out"]).ok().stdout;
    let event: Value = serde_json::from_str(out.lines().next().expect("line")).expect("JSON");
    assert_eq!((&event["type"], &event["data"]["test"]), (&json!("millpond.alert.test"), &json!(true)));
    pond.millpond(&["alerts", "test", "log"]).ok();
    assert!(std::fs::read_to_string(pond.path("alerts.ndjson")).expect("file").contains("millpond.alert.test"));
    let ran = pond.millpond(&["alerts", "test", "slak"]).fails(1);
    assert!(ran.stderr.contains("did you mean `slack`?"), "{}", ran.stderr);
    assert_eq!(pond.value("select count(*) from alerts"), 0, "a test is no alert");
}

#[test]
fn mistakes_are_told_with_their_line() {
    let pond = Pond::with_app();
    pond.write("millpond.toml", "[[alert]]\nname = 'all'\nto = ['socc']\n[destination.soc]\ntype = 'slack'\nurl = 'https://hooks.slack.com/x'\n");
    let ran = pond.millpond(&["check"]).fails(1);
    for expected in [
        "millpond.toml:3: the pond has no destination `socc`\n  hint: did you mean `soc`?",
        "millpond.toml:6: a secret must not stand in a file",
    ] {
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
    assert!(!ran.stderr.contains("hooks.slack.com"), "what may be a secret is not told");
}

/// The one message of a queue.
fn message(server: &MiniStack, url: &str) -> Value {
    let answer =
        server.sqs("ReceiveMessage", &json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 20}));
    let messages = answer["Messages"].as_array().expect("messages");
    assert_eq!(messages.len(), 1, "{answer}");
    serde_json::from_str(messages[0]["Body"].as_str().expect("body")).expect("JSON")
}

#[test]
fn queues_topics_and_buses_of_aws_are_told() {
    let Some(server) = MiniStack::start() else { return };
    let urls = ["direct", "topical", "bused"].map(|queue| server.create_queue(queue, 30));
    let topic = server.create_topic("alerts", "topical");
    server.create_bus("soc", "millpond", "bused");
    let more = format!(
        "[[alert]]\nname = 'aws'\nto = ['queue', 'topic', 'bus']\n[destination.queue]\ntype = 'sqs'\nqueue = '{}'\n\
         [destination.topic]\ntype = 'sns'\ntopic = '{topic}'\n[destination.bus]\ntype = 'eventbridge'\nbus = 'soc'\n",
        urls[0]
    );
    let mut pond = pond(&Receiver::taking(), &more);
    for (name, value) in server.environment() {
        pond.set(name, &value);
    }
    pond.write("inbox/a.ndjson", root_log(0..2));
    pond.run_once();
    let rows = pond.query("select destination, status from deliveries order by 1");
    assert_eq!(rows.iter().map(|row| &row["status"]).collect::<Vec<_>>(), [&json!("sent"); 4], "{rows:?}");
    let direct = message(&server, &urls[0]);
    assert_eq!((&direct["type"], &direct["data"]["count"]), (&json!("millpond.alert.opened"), &json!(2)));
    let topical = message(&server, &urls[1]);
    let published: Value = serde_json::from_str(topical["Message"].as_str().expect("message")).expect("JSON");
    assert_eq!(published, direct);
    assert_eq!(topical["MessageAttributes"]["severity"]["Value"], "high");
    let bused = message(&server, &urls[2]);
    assert_eq!((&bused["source"], &bused["detail-type"]), (&json!("millpond"), &json!("millpond.alert.opened")));
    assert_eq!((&bused["detail"]["id"], &bused["detail"]["count"]), (&direct["id"], &json!(2)));
}

#[test]
fn a_fifo_queue_drops_what_comes_twice() {
    let Some(server) = MiniStack::start() else { return };
    let attributes = json!({"FifoQueue": "true", "VisibilityTimeout": "30"});
    let answer = server.sqs("CreateQueue", &json!({"QueueName": "alerts.fifo", "Attributes": attributes}));
    let url = answer["QueueUrl"].as_str().expect("a URL").to_owned();
    let mut pond = pond(&Receiver::taking(), "");
    let config = std::fs::read_to_string(pond.path("millpond.toml")).expect("config");
    let start = config.find("[destination.soar]").expect("destination");
    pond.write("millpond.toml", format!("{}[destination.soar]\ntype = 'sqs'\nqueue = '{url}'\n", &config[..start]));
    for (name, value) in server.environment() {
        pond.set(name, &value);
    }
    pond.write("inbox/a.ndjson", root_log(0..2));
    pond.set("MILLPOND_CRASH", "alert:1");
    assert_eq!(pond.millpond(&["run", "--once"]).code, None);
    pond.unset("MILLPOND_CRASH");
    age_tries(&pond);
    pond.millpond(&["alerts", "send"]).ok();
    assert_eq!(pond.value("select attempts from deliveries"), 2);
    assert_eq!(message(&server, &url)["data"]["count"], 2);
}
