//! What a watching worker offers over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use crate::pond::{Pond, app_log, millpond};

/// A worker that listens; it is told to end when this goes.
pub(crate) struct Listening {
    worker: Child,
    address: String,
    _told: std::thread::JoinHandle<()>,
}

impl Listening {
    pub(crate) fn on(pond: &Pond, token: Option<&str>) -> Self {
        let mut command = millpond(&pond.path("."), &["run", "--listen", "127.0.0.1:0"]);
        command.env_remove("MILLPOND_EVENTS_TOKEN").envs(token.map(|token| ("MILLPOND_EVENTS_TOKEN", token)));
        let mut worker = command.stderr(Stdio::piped()).spawn().expect("millpond");
        let mut lines = BufReader::new(worker.stderr.take().expect("stderr")).lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("listening on http://")).expect("an address");
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(':').nth(1)).expect("a port");
        let port = address.trim_end_matches(|c: char| !c.is_ascii_digit()).to_owned();
        // Read on, so that the worker never waits for a reader.
        let told = std::thread::spawn(move || lines.for_each(drop));
        Self { worker, address: format!("127.0.0.1:{port}"), _told: told }
    }

    /// The answer to a request: its head and body.
    fn ask(&self, request: &str, headers: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("connection");
        let length = body.len();
        let asked = format!(
            "{request} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}",
            self.address
        );
        stream.write_all(asked.as_bytes()).expect("request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answer");
        answer
    }

    /// The metrics, once one of them is there.
    pub(crate) fn metrics_with(&self, line: &str) -> String {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        loop {
            let metrics = self.ask("GET /metrics", "", "");
            if metrics.contains(line) {
                return metrics;
            }
            assert!(std::time::Instant::now() < deadline, "no `{line}` in\n{metrics}");
            std::thread::yield_now();
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        std::process::Command::new("kill").arg(self.worker.id().to_string()).status().expect("kill");
        self.worker.wait().expect("end");
    }
}

#[test]
fn notices_come_in_over_http_and_the_metrics_tell() {
    let pond = Pond::with_app();
    pond.write("elsewhere/a.ndjson", app_log(0));
    let worker = Listening::on(&pond, None);
    assert!(worker.ask("GET /health", "", "").ends_with("ok\n"));
    let notice = format!("file://{}\n", pond.path("elsewhere/a.ndjson").canonicalize().expect("path").display());
    for _ in 0..2 {
        let answer = worker.ask("POST /events", "", &notice);
        assert!(answer.starts_with("HTTP/1.1 202") && answer.contains("\"objects\":1"), "{answer}");
    }
    worker.ask("POST /events", "", "{\"hello\":\"nobody\"}");
    let metrics = worker.metrics_with("millpond_files_total{source=\"\",status=\"quarantined\"} 1");
    let metrics = if metrics.contains("status=\"done\"") {
        metrics
    } else {
        worker.metrics_with("millpond_files_total{source=\"app\",status=\"done\"} 1")
    };
    assert!(metrics.contains("millpond_rows_total{source=\"app\",fate=\"out\"} 9"), "{metrics}");
    assert!(metrics.trim_end().ends_with("# EOF"), "{metrics}");
    drop(worker);
    assert_eq!(pond.value("select count(*) from app"), 9);
    assert_eq!(pond.value("select count(*) from quarantine where detail like '%not understood%'"), 1);
}

#[test]
fn notices_need_the_token_where_there_is_one() {
    let worker = Listening::on(&Pond::with_app(), Some("secret"));
    assert!(worker.ask("POST /events", "", "s3://raw/a").starts_with("HTTP/1.1 401"));
    assert!(worker.ask("POST /events", "Authorization: Bearer wrong\r\n", "s3://raw/a").starts_with("HTTP/1.1 401"));
    assert!(worker.ask("POST /events", "Authorization: Bearer secret\r\n", "").starts_with("HTTP/1.1 202"));
    let ran = Pond::with_app().millpond(&["run", "--listen", "0.0.0.0:0"]).fails(1);
    assert!(ran.stderr.contains("MILLPOND_EVENTS_TOKEN"), "{}", ran.stderr);
}

#[test]
fn inputs_that_are_added_while_it_watches_are_watched() {
    let pond = Pond::with_app();
    let worker = Listening::on(&pond, None);
    pond.write("inbox/a.ndjson", app_log(0));
    worker.metrics_with("millpond_files_total{source=\"app\",status=\"done\"} 1");
    pond.write("more/b.ndjson", app_log(10));
    pond.write("millpond.toml", "name = 'test'\n[[input]]\nurl = 'inbox'\n[[input]]\nurl = 'more'\n");
    worker.metrics_with("millpond_files_total{source=\"app\",status=\"done\"} 2");
    // What was watched before still is, and one that cannot be is refused.
    pond.write("millpond.toml", "name = 'test'\n[[input]]\nurl = 'inbox'\n[[input]]\nurl = 'lake/app'\n");
    pond.write("inbox/c.ndjson", app_log(20));
    worker.metrics_with("millpond_files_total{source=\"app\",status=\"done\"} 3");
    // A queue that does not exist is told of, and the rest goes on.
    pond.write("millpond.toml", "name = 'test'\n[[input]]\nurl = 'inbox'\n[[input]]\nqueue = 'http://[broken'\n");
    pond.write("inbox/d.ndjson", app_log(30));
    worker.metrics_with("millpond_files_total{source=\"app\",status=\"done\"} 4");
    drop(worker);
    assert_eq!(pond.value("select count(*) from app"), 36);
}
