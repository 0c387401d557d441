//! A server that answers as told, for what no emulator does: refusals and partial failures in AWS's own words.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Status, error code as the header tells it, body.
type Answer = (u16, &'static str, &'static str);

/// A server with one answer for each request, in their order; it ends with the last.
pub(super) struct Answers {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Answers {
    pub(super) fn start(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("port");
        let port = listener.local_addr().expect("address").port();
        let server = Self { port, requests: Arc::default() };
        let (requests, answers) = (Arc::clone(&server.requests), answers.to_vec());
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().expect("connection");
                let request = read(&mut stream);
                requests.lock().expect("requests").push(request);
                write(&mut stream, answer);
            }
        });
        server
    }

    /// The URL of a queue there.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/123456789012/in", self.port)
    }

    /// The requests so far, head and body.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("requests").clone()
    }
}

fn read(stream: &mut TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("head");
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("length");
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("body");
    head + &String::from_utf8(body).expect("text")
}

fn write(stream: &mut TcpStream, (status, code, body): Answer) {
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} Status\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-query-error: {code}\r\n\
         Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).expect("answer");
}
