//! MiniStack, a server that speaks S3, SQS and Lambda: one for a test, on a port of its own.
//!
//! It does not ask for signatures, so whatever prepares a test is plain HTTP here, whichever client is tested.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{self, Answer};
use crate::peer;

/// What a loaded machine may need to start it.
const START_MAX: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);
/// Ports that are tried: another program may take one between the choice and the start.
const PORTS_MAX: usize = 3;
const REGION: &str = "us-east-1";
const ACCOUNT: &str = "000000000000";
/// The bucket that functions' code is put into.
const CODE_BUCKET: &str = "millpond-testkit-code";

/// A running server; it ends with this value.
#[derive(Debug)]
pub struct MiniStack {
    child: Child,
    port: u16,
    program: PathBuf,
    /// Where it unpacks functions; removed with this value.
    _folder: TempDir,
}

impl MiniStack {
    /// Starts a server; `None`, with a message, where `MILLPOND_PEER_MINISTACK` does not say which program.
    ///
    /// # Panics
    /// When it does not start, or `CI` is set and it is not there.
    pub fn start() -> Option<Self> {
        let program = PathBuf::from(peer("MILLPOND_PEER_MINISTACK")?);
        let started = (0..PORTS_MAX).find_map(|_| Self::start_on(free_port(), &program));
        Some(started.expect("MiniStack ends as soon as it is started"))
    }

    /// `None` when the server ends before it answers.
    fn start_on(port: u16, program: &Path) -> Option<Self> {
        let endpoint = format!("http://127.0.0.1:{port}");
        let folder = tempfile::tempdir().expect("a folder");
        let child = Command::new(program)
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("TMPDIR", folder.path())
            // Functions inherit these.
            .envs(environment(&endpoint))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start MiniStack");
        let mut server = Self { child, port, program: program.to_owned(), _folder: folder };
        let start = Instant::now();
        while server.child.try_wait().expect("look after MiniStack").is_none() {
            if server.request("GET /_ministack/health", &[], b"").is_some_and(|answer| answer.status == 200) {
                return Some(server);
            }
            assert!(start.elapsed() < START_MAX, "MiniStack does not answer");
            std::thread::park_timeout(PAUSE);
        }
        None
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The variables by which AWS's clients and `object_store` find it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        environment(&self.endpoint())
    }

    /// The Python that MiniStack runs on, for functions that a test writes in a few lines.
    pub fn python(&self) -> PathBuf {
        self.program.with_file_name("python")
    }

    /// Makes a bucket.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn create_bucket(&self, bucket: &str) {
        self.expect(&format!("PUT /{bucket}"), &[], b"");
    }

    /// Puts an object. `path` is the key as URLs write it: `a b` is `a%20b`.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn put_object(&self, bucket: &str, path: &str, body: &[u8]) {
        self.expect(&format!("PUT /{bucket}/{path}"), &[], body);
    }

    /// An object's bytes, if it is there.
    ///
    /// # Panics
    /// When the server does not answer.
    pub fn get_object(&self, bucket: &str, path: &str) -> Option<Vec<u8>> {
        let answer = self.request(&format!("GET /{bucket}/{path}"), &[], b"").expect("an answer of MiniStack");
        (answer.status == 200).then_some(answer.body)
    }

    /// Makes a queue that holds messages for `hold_seconds`; its URL.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn create_queue(&self, queue: &str, hold_seconds: u32) -> String {
        self.create_queue_with(queue, json!({"VisibilityTimeout": hold_seconds.to_string()}))
    }

    /// Makes a queue that gives up a message after `max_deliveries` and moves it to the queue `dead_letter`,
    /// which must be there; its URL.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn create_queue_above(&self, queue: &str, hold_seconds: u32, dead_letter: &str, max_deliveries: u32) -> String {
        let policy = json!({"deadLetterTargetArn": queue_arn(dead_letter), "maxReceiveCount": max_deliveries});
        let hold = hold_seconds.to_string();
        self.create_queue_with(queue, json!({"VisibilityTimeout": hold, "RedrivePolicy": policy.to_string()}))
    }

    fn create_queue_with(&self, queue: &str, attributes: Value) -> String {
        let answer = self.sqs("CreateQueue", &json!({"QueueName": queue, "Attributes": attributes}));
        answer["QueueUrl"].as_str().expect("a URL").to_owned()
    }

    /// One call of SQS, such as `SendMessage`.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn sqs(&self, action: &str, arguments: &Value) -> Value {
        let target = format!("AmazonSQS.{action}");
        let headers = [("Content-Type", "application/x-amz-json-1.0"), ("X-Amz-Target", target.as_str())];
        to_json(&self.expect("POST /", &headers, arguments.to_string().as_bytes()))
    }

    /// Notifies the queue of every object that is put into the bucket under `prefix`. SQS gets a test notice first.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn notify_queue(&self, bucket: &str, prefix: &str, queue: &str) {
        let arn = queue_arn(queue);
        let body = format!(
            "<NotificationConfiguration><QueueConfiguration><Id>millpond</Id><Queue>{arn}</Queue>\
             <Event>s3:ObjectCreated:*</Event><Filter><S3Key><FilterRule><Name>prefix</Name><Value>{prefix}</Value>\
             </FilterRule></S3Key></Filter></QueueConfiguration></NotificationConfiguration>"
        );
        self.expect(&format!("PUT /{bucket}?notification"), &[], body.as_bytes());
    }

    /// Makes a topic of SNS that hands on to a queue what is published; its ARN.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn create_topic(&self, topic: &str, queue: &str) -> String {
        let arn = format!("arn:aws:sns:{REGION}:{ACCOUNT}:{topic}");
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        let subscription = format!("TopicArn={arn}&Protocol=sqs&Endpoint={}", queue_arn(queue));
        for action in [format!("CreateTopic&Name={topic}"), format!("Subscribe&{subscription}")] {
            self.expect("POST /", &headers, format!("Version=2010-03-31&Action={action}").as_bytes());
        }
        arn
    }

    /// Makes a bus of EventBridge whose events of `source` go to a queue.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn create_bus(&self, bus: &str, source: &str, queue: &str) {
        let pattern = json!({"source": [source]}).to_string();
        let target = json!({"Id": "queue", "Arn": queue_arn(queue)});
        for (action, arguments) in [
            ("CreateEventBus", json!({"Name": bus})),
            ("PutRule", json!({"Name": "all", "EventBusName": bus, "EventPattern": pattern, "State": "ENABLED"})),
            ("PutTargets", json!({"Rule": "all", "EventBusName": bus, "Targets": [target]})),
        ] {
            let action = format!("AWSEvents.{action}");
            let headers = [("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", action.as_str())];
            self.expect("POST /", &headers, arguments.to_string().as_bytes());
        }
    }

    /// Makes a function of a zip that holds `bootstrap` (see [`zip`](crate::zip())), which gets `environment` and what
    /// [`MiniStack::environment`] has, and waits until it can be called.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn create_function(
        &self,
        function: &str,
        zip: &[u8],
        environment: &[(&str, &str)],
        memory_mb: u32,
        timeout_seconds: u32,
    ) {
        self.create_bucket(CODE_BUCKET);
        self.put_object(CODE_BUCKET, function, zip);
        let variables: serde_json::Map<String, Value> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let arguments = json!({
            "FunctionName": function,
            "Runtime": "provided.al2023",
            "Handler": "bootstrap",
            "Role": format!("arn:aws:iam::{ACCOUNT}:role/lambda"),
            "Code": {"S3Bucket": CODE_BUCKET, "S3Key": function},
            "MemorySize": memory_mb,
            "Timeout": timeout_seconds,
            "Environment": {"Variables": variables},
        });
        self.lambda("POST /2015-03-31/functions", &arguments);
        let path = format!("GET /2015-03-31/functions/{function}/configuration");
        self.wait_for(&path, |state| state["State"] == "Active");
    }

    /// Calls the function with up to `batch` messages of the queue at a time. Its answer may name messages that failed.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn map_queue(&self, function: &str, queue: &str, batch: u32) {
        let arguments = json!({
            "EventSourceArn": queue_arn(queue),
            "FunctionName": function,
            "BatchSize": batch,
            "MaximumBatchingWindowInSeconds": 0,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        });
        let mapping = self.lambda("POST /2015-03-31/event-source-mappings", &arguments);
        let id = mapping["UUID"].as_str().expect("an id");
        self.wait_for(&format!("GET /2015-03-31/event-source-mappings/{id}"), |state| state["State"] == "Enabled");
    }

    /// Calls a function and waits for its answer.
    ///
    /// # Panics
    /// When the server refuses. A function that fails answers with `errorType`.
    pub fn invoke(&self, function: &str, payload: &Value) -> Value {
        self.lambda(&format!("POST /2015-03-31/functions/{function}/invocations"), payload)
    }

    fn lambda(&self, head: &str, arguments: &Value) -> Value {
        to_json(&self.expect(head, &[("Content-Type", "application/json")], arguments.to_string().as_bytes()))
    }

    fn wait_for(&self, path: &str, is_reached: impl Fn(&Value) -> bool) {
        let start = Instant::now();
        loop {
            let state = to_json(&self.expect(path, &[], b""));
            if is_reached(&state) {
                return;
            }
            assert!(start.elapsed() < START_MAX, "{path} stays {state}");
            std::thread::park_timeout(PAUSE);
        }
    }

    fn request(&self, head: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Answer> {
        http::request(self.port, head, headers, body)
    }

    fn expect(&self, head: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let answer = self.request(head, headers, body).expect("an answer of MiniStack");
        assert!((200..300).contains(&answer.status), "{head}: {} {}", answer.status, answer.text());
        answer
    }
}

impl Drop for MiniStack {
    fn drop(&mut self) {
        // It ends its functions when it is asked to end, and leaves them alone when it is killed.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(5) && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::park_timeout(PAUSE);
        }
        let _ = (self.child.kill(), self.child.wait());
    }
}

fn environment(endpoint: &str) -> Vec<(&'static str, String)> {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", REGION),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

fn queue_arn(queue: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}")
}

fn to_json(answer: &Answer) -> Value {
    if answer.body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}
