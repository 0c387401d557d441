//! Inputs and tables in a store that speaks S3.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use super::peer;
use crate::pond::{APP_CONFIG, Pond, app_log, summary};

/// Tries of the health check; each waits for the server's answer or its refusal.
const TRIES: usize = 2_000;

/// A running server; it ends with the test.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(program: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").expect("port").local_addr().expect("address").port();
        let child = Command::new(program)
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("server");
        let mut server = Self { child, port };
        for _ in 0..TRIES {
            assert!(server.child.try_wait().expect("child").is_none(), "the server ended");
            if server.request("GET", "/_ministack/health", b"").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
            {
                return server;
            }
            std::thread::yield_now();
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
        panic!("the server did not start");
    }

    /// One request without a signature, which this server does not ask for.
    fn request(&self, method: &str, path: &str, body: &[u8]) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        )
        .ok()?;
        stream.write_all(body).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        Some(String::from_utf8_lossy(&answer).into_owned())
    }

    fn put(&self, path: &str, body: &[u8]) {
        let answer = self.request("PUT", path, body).expect("answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }
}

fn pond_on(server: &Server, config: &str) -> Pond {
    let mut pond = Pond::with_app();
    pond.write("millpond.toml", config);
    for (key, value) in [
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", server.port)),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
    ] {
        pond.set(key, &value);
    }
    pond
}

#[test]
fn objects_of_a_bucket_are_run_once() {
    let Some(program) = peer("MILLPOND_PEER_MINISTACK") else { return };
    let server = Server::start(&program);
    server.put("/raw", b"");
    server.put("/raw/logs/a.ndjson", app_log(0).as_bytes());
    server.put("/raw/logs/deep/b%20c+d.ndjson", app_log(10).as_bytes());
    server.put("/raw/other/c.ndjson", app_log(20).as_bytes());
    let pond = pond_on(&server, "[[input]]\nurl = 's3://raw/logs/'\n");
    pond.source("app", &APP_CONFIG.replace("glob", "bucket = 'raw'\nprefix = 'logs/'\nglob"), crate::pond::APP_SQL);
    assert_eq!(summary(&pond.run_once())["files"]["done"], 2);
    assert_eq!(pond.value("select count(*) from app"), 18);
    assert_eq!(pond.value("select count(distinct _file) from app where _file like 's3://raw/logs/%'"), 2);
    assert_eq!(summary(&pond.run_once())["files"]["already_done"], 2);
    // The same key with other bytes is another job.
    server.put("/raw/logs/a.ndjson", app_log(30).as_bytes());
    assert_eq!(summary(&pond.run_once())["files"]["done"], 1);
    assert_eq!(pond.value("select sum(bytes) from 's3://raw/other/c.ndjson'"), 245);
}

#[test]
fn a_quoted_url_is_a_table() {
    let Some(program) = peer("MILLPOND_PEER_MINISTACK") else { return };
    let server = Server::start(&program);
    // A Parquet file to join: one that millpond wrote.
    let other = Pond::with_app();
    other.write("inbox/a.ndjson", app_log(0));
    other.run_once();
    let path = other.value("select outputs[1]['path'] from receipts");
    let parquet = std::fs::read(other.path("lake/app").join(path.as_str().expect("path"))).expect("parquet");
    server.put("/intel", b"");
    server.put("/intel/users.parquet", &parquet);
    let pond = pond_on(&server, "[[input]]\nurl = 'inbox'\n[tables]\nallow = ['s3://intel/**']\n");
    let sql = "select i.user, u.bytes as known from input i left join 's3://intel/users.parquet' u on u.user = i.user";
    pond.source("app", APP_CONFIG, &sql.replace("select", "select i.ts as time,"));
    pond.write("inbox/b.ndjson", app_log(0).replace("hal", "new"));
    pond.run_once();
    assert_eq!(pond.value("select count(*) - count(known) from app"), 2, "`noise` and `new` are not known");
}
