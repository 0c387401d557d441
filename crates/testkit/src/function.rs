//! A Lambda function as a process of this machine, and the Runtime API that it talks to: invocations, their deadlines and
//! their answers are in the test's hands.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

/// How long an answer may take beyond the invocation's deadline.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at the process.
const PAUSE: Duration = Duration::from_millis(20);

/// A running function; it is killed with this value.
#[derive(Debug)]
pub struct Function {
    child: Child,
    invocations: Sender<Invocation>,
    answers: Receiver<Answer>,
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The function answered.
    Response(Value),
    /// The function told of an error: `errorType`, `errorMessage`.
    Error(Value),
    /// The process ended.
    Exit(Option<i32>),
}

#[derive(Debug)]
struct Invocation {
    payload: Value,
    time: Duration,
}

impl Function {
    /// Starts a bootstrap with this memory and these variables; it is not waited for.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(program: &Path, memory_mb: u32, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        command.envs(environment.iter().copied());
        Self::start_command(command, memory_mb)
    }

    /// As [`Function::start`], of a command that is set up.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_command(mut command: Command, memory_mb: u32) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (invocations, waiting) = channel();
        let (answer, answers) = channel();
        std::thread::spawn(move || serve(&listener, waiting, &answer));
        let child = command
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "millpond")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory_mb.to_string())
            .stdin(Stdio::null())
            .spawn()
            .expect("start the function");
        Self { child, invocations, answers }
    }

    /// Calls the function with so much time left, counted from when it asks, and waits for its answer.
    ///
    /// # Panics
    /// When it neither answers nor ends.
    pub fn invoke(&mut self, payload: Value, time: Duration) -> Answer {
        self.invocations.send(Invocation { payload, time }).expect("the server");
        let start = Instant::now();
        loop {
            match self.answers.recv_timeout(PAUSE) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Disconnected) => panic!("the server ended"),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Some(status) = self.child.try_wait().expect("look after the function") {
                return Answer::Exit(status.code());
            }
            assert!(start.elapsed() < time + PATIENCE, "the function does not answer");
        }
    }

    /// The process, while it runs.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}

/// Serves until nobody invokes any more; each connection has its thread, for the client keeps some open.
fn serve(listener: &TcpListener, waiting: Receiver<Invocation>, answers: &Sender<Answer>) {
    let waiting = Arc::new(Mutex::new(waiting));
    for stream in listener.incoming().map_while(Result::ok) {
        let (waiting, answers) = (Arc::clone(&waiting), answers.clone());
        std::thread::spawn(move || while exchange(&stream, &waiting, &answers).is_some() {});
    }
}

/// One request and its response; `None` when the connection or the test is over.
fn exchange(mut stream: &TcpStream, waiting: &Mutex<Receiver<Invocation>>, answers: &Sender<Answer>) -> Option<()> {
    let (line, body) = read_request(&mut BufReader::new(stream))?;
    let path = line.split(' ').nth(1)?;
    let response = if path.ends_with("/invocation/next") {
        let invocation = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()?;
        let end = SystemTime::now() + invocation.time;
        let end_ms = end.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis();
        let body = invocation.payload.to_string();
        format!(
            "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: request\r\nLambda-Runtime-Deadline-Ms: {end_ms}\r\n\
             Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:millpond\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    } else {
        let said = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let answer = if path.ends_with("/response") { Answer::Response(said) } else { Answer::Error(said) };
        answers.send(answer).ok()?;
        "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned()
    };
    stream.write_all(response.as_bytes()).ok()
}

/// The first line of a request, and its body.
fn read_request(reader: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|length| *length > 0)?;
    let mut length = 0;
    let mut is_chunked = false;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end().to_ascii_lowercase();
        match line.split_once(':') {
            None => break,
            Some(("content-length", value)) => length = value.trim().parse().ok()?,
            Some(("transfer-encoding", value)) => is_chunked = value.contains("chunked"),
            Some(_) => {}
        }
    }
    let body = if is_chunked { read_chunks(reader)? } else { read_exactly(reader, length)? };
    Some((first, body))
}

fn read_chunks(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        body.extend(read_exactly(reader, size)?);
        read_exactly(reader, 2)?;
        if size == 0 {
            return Some(body);
        }
    }
}

fn read_exactly(reader: &mut impl Read, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes).ok()?;
    Some(bytes)
}
