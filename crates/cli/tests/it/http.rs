//! Files behind `http://`.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use serde_json::json;

use crate::pond::{Pond, app_log, summary};

/// Serves one file under every path, for as long as the test runs; a HEAD claims so many bytes more.
fn serve(body: String, claimed: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("port");
    let port = listener.local_addr().expect("address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("connection");
            let mut lines = BufReader::new(stream.try_clone().expect("stream")).lines().map_while(Result::ok);
            let request = lines.next().unwrap_or_default();
            lines.find(String::is_empty);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: \"v1\"\r\n\
                 Last-Modified: Sun, 01 Feb 2026 10:00:00 GMT\r\nConnection: close\r\n\r\n",
                body.len() + if request.starts_with("HEAD") { claimed } else { 0 }
            );
            let answer = if request.starts_with("HEAD") { head } else { head + &body };
            stream.write_all(answer.as_bytes()).expect("answer");
        }
    });
    port
}

#[test]
fn a_url_is_run_once_and_can_be_queried() {
    let port = serve(app_log(0), 0);
    let url = format!("http://127.0.0.1:{port}/logs/a.ndjson");
    let pond = Pond::with_app();
    let lines = pond.millpond(&["run", "--json", &url]).ok().json_lines();
    assert_eq!(summary(&lines)["files"]["done"], 1);
    let again = pond.millpond(&["run", "--json", &url]).ok().json_lines();
    assert_eq!(summary(&again)["files"]["already_done"], 1);
    assert_eq!(
        pond.query("select object, object_version as version from receipts"),
        [json!({"object": url, "version": "v1"})]
    );
    assert_eq!(pond.value(&format!("select sum(bytes) from '{url}'")), 45);
}

#[test]
fn an_object_that_ends_early_is_not_taken_for_whole() {
    let port = serve(app_log(0), 7);
    let pond = Pond::with_app();
    let ran = pond.millpond(&["run", &format!("http://127.0.0.1:{port}/a.ndjson")]).fails(4);
    assert!(ran.stderr.contains("bytes, announced were"), "{}", ran.stderr);
    assert_eq!(pond.value("select count(*) from receipts"), 0);
}
