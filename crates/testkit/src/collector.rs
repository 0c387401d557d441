//! A collector of OpenTelemetry traces: keeps what is posted to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// A collector that listens until the test ends.
#[derive(Debug)]
pub struct Collector {
    address: String,
    posts: Arc<Mutex<Vec<Post>>>,
}

/// The lines before a body, in lower case, and the body.
type Post = (String, Value);

impl Collector {
    /// Listens on a port of its own.
    ///
    /// # Panics
    /// When there is none.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let posts: Arc<Mutex<Vec<Post>>> = Arc::default();
        let kept = Arc::clone(&posts);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let post = read(&stream);
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(post);
                answer(stream);
            }
        });
        Self { address, posts }
    }

    /// Its address, without a path.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The request line and headers of each post so far, in lower case.
    pub fn heads(&self) -> Vec<String> {
        self.posts().iter().map(|(head, _)| head.clone()).collect()
    }

    /// All spans so far, as OTLP has them in JSON.
    ///
    /// # Panics
    /// When something else was posted.
    pub fn spans(&self) -> Vec<Value> {
        let posts = self.posts();
        let scopes = posts.iter().map(|(_, body)| &body["resourceSpans"][0]["scopeSpans"][0]["spans"]);
        scopes.flat_map(|spans| spans.as_array().expect("spans").clone()).collect()
    }

    fn posts(&self) -> MutexGuard<'_, Vec<Post>> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(stream: &TcpStream) -> Post {
    let mut reader = BufReader::new(stream);
    let head = (&mut reader).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let head = head.collect::<Vec<_>>().join("\n").to_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let mut body = vec![0; length.expect("a length").parse().expect("a number")];
    reader.read_exact(&mut body).expect("a body");
    (head, serde_json::from_slice(&body).expect("JSON"))
}

fn answer(mut stream: TcpStream) {
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    stream.write_all(text.as_bytes()).expect("an answer");
}
