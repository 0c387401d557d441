//! An HTTP server that keeps what it is sent and answers as a test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Such as `POST /hook`.
    pub line: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Received {
    /// A header's value; empty where there is none. `name` is in lower case.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

/// A server on a port of its own, for as long as the test runs.
#[derive(Debug)]
pub struct Receiver {
    port: u16,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// A server that answers with a status and a body, given how many requests came before and the request. Below a
    /// status of 200 it closes the connection without an answer.
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn start(answer: impl Fn(usize, &Received) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("port");
        let port = listener.local_addr().expect("address").port();
        let receiver = Self { port, received: Arc::default() };
        let received = Arc::clone(&receiver.received);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("connection");
                let Some(request) = read(&mut stream) else { continue };
                let before = {
                    let mut received = received.lock().expect("received");
                    received.push(request.clone());
                    received.len() - 1
                };
                let (status, body) = answer(before, &request);
                if status >= 200 {
                    let length = body.len();
                    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n");
                    // Who went away needs no answer.
                    let _ = stream.write_all(format!("{head}Retry-After: 1\r\n\r\n{body}").as_bytes());
                }
            }
        });
        receiver
    }

    /// A server that takes everything.
    pub fn taking() -> Self {
        Self::start(|_, _| (200, "ok".to_owned()))
    }

    /// A URL there; `path` begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The requests so far.
    ///
    /// # Panics
    /// When the server broke.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().expect("received").clone()
    }
}

fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let line = line.rsplit_once(" HTTP/")?.0.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Received { line, headers, body: String::from_utf8(body).ok()? })
}
