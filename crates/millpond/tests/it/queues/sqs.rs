//! SQS, as MiniStack speaks it, and what it does not do: answers as AWS gives them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use futures::FutureExt;
use futures::future::join_all;
use millpond::queue::{Body, Depth, Handle, Message, Queue, SqsQueue};
use millpond_core::Kind;
use millpond_testkit::{MiniStack, zip};
use serde_json::json;
use tokio::time::Instant;

use super::answers::Answers;
use super::contract::{CASES, Sender, Tested};

const WAIT: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);

#[async_trait]
impl Sender for Arc<SqsQueue> {
    async fn send(&self, bodies: &[String]) {
        SqsQueue::send(self, bodies).await.expect("send");
    }
}

/// What [`SqsQueue::open`] would find in the environment.
fn config(endpoint: Option<String>) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials));
    config.set_endpoint_url(endpoint);
    config.build()
}

async fn open(url: &str) -> SqsQueue {
    SqsQueue::open_with(url, &config(None)).await.expect("queue")
}

/// All at once, each on its own queue: they wait for their holds together.
#[tokio::test]
async fn the_contract_is_kept() {
    let Some(server) = MiniStack::start() else { return };
    let broken = join_all(CASES.iter().map(async |case| {
        let hold = u32::try_from(case.hold.as_secs()).expect("seconds");
        let queue = Arc::new(open(&server.create_queue(case.name, hold)).await);
        assert_eq!(queue.hold(), Some(case.hold));
        let run = (case.run)(Tested { queue: Arc::<SqsQueue>::clone(&queue), sender: Box::new(queue) });
        std::panic::AssertUnwindSafe(run).catch_unwind().await.err().map(|_| case.name)
    }))
    .await;
    assert_eq!(broken.into_iter().flatten().collect::<Vec<_>>(), [""; 0], "these are broken");
}

#[tokio::test]
async fn a_queue_is_found_by_its_name_and_tells_its_depth() {
    let Some(server) = MiniStack::start() else { return };
    let url = server.create_queue("in", 30);
    let queue = SqsQueue::open_with("sqs://in", &config(Some(server.endpoint()))).await.expect("queue");
    assert_eq!((queue.name(), queue.hold()), ("sqs://in", Some(Duration::from_secs(30))));
    let bodies: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    queue.send(&bodies).await.expect("send");
    server.sqs("SendMessage", &json!({"QueueUrl": url, "MessageBody": "later", "DelaySeconds": 600}));
    assert_eq!(queue.depth().await.expect("depth"), Depth { visible: 30, held: 0, delayed: 1 });
    assert_eq!(queue.receive(25, WAIT).await.expect("receive").expect("messages").len(), 25);
    assert_eq!(queue.depth().await.expect("depth"), Depth { visible: 5, held: 25, delayed: 1 });
}

#[tokio::test]
async fn large_messages_are_sent_in_calls_of_a_mebibyte() {
    let Some(server) = MiniStack::start() else { return };
    let queue = open(&server.create_queue("in", 30)).await;
    let sizes = [1024 * 1024, 700 * 1024, 400 * 1024, 3];
    let bodies: Vec<String> = sizes.iter().map(|size| "x".repeat(*size)).collect();
    queue.send(&bodies).await.expect("send");
    let mut received = Vec::new();
    while received.len() < bodies.len() {
        let some = queue.receive(10, WAIT).await.expect("receive").expect("no end");
        assert!(!some.is_empty(), "{} messages came", received.len());
        received.extend(some);
    }
    let mut lengths: Vec<usize> = received.iter().map(|message| text(message).len()).collect();
    lengths.sort_unstable();
    assert_eq!(lengths, [3, 400 * 1024, 700 * 1024, 1024 * 1024]);
    for body in [String::new(), "x".repeat(1024 * 1024 + 1)] {
        let error = queue.send(&["good".to_owned(), body]).await.expect_err("too long or empty");
        assert_eq!(error.kind(), Kind::BadInput, "{error:?}");
    }
    assert_eq!(queue.depth().await.expect("depth").visible, 0, "what is refused is refused before anything is sent");
}

#[tokio::test]
async fn what_was_delivered_too_often_goes_to_the_other_queue() {
    let Some(server) = MiniStack::start() else { return };
    let dead = open(&server.create_queue("dead", 30)).await;
    let queue = open(&server.create_queue_above("in", 30, "dead", 2)).await;
    queue.send(&["poison".to_owned()]).await.expect("send");
    for deliveries in 1..=2 {
        let received = queue.receive(10, WAIT).await.expect("receive").expect("no end");
        assert_eq!(received[0].deliveries, deliveries);
        queue.release(&[received[0].handle.clone()], Duration::ZERO).await.expect("release");
    }
    let (here, there) = tokio::join!(queue.receive(10, WAIT), dead.receive(10, WAIT));
    assert_eq!(here.expect("receive"), Some(Vec::new()));
    assert_eq!(there.expect("receive").expect("no end")[0].deliveries, 3);
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_a_matter_of_configuration() {
    let Some(server) = MiniStack::start() else { return };
    let config = config(Some(server.endpoint()));
    for url in ["sqs://out", "https://sqs.us-east-1.amazonaws.com/000000000000/out"] {
        let error = SqsQueue::open_with(url, &config).await.expect_err(url);
        assert_eq!(error.kind(), Kind::BadConfig, "{error:?}");
        let report = error.report();
        assert!(report.starts_with(&format!("queue `{url}` does not exist")) && report.contains("hint: "), "{report}");
    }
    let url = server.create_queue("gone", 30);
    let queue = open(&url).await;
    server.sqs("DeleteQueue", &json!({"QueueUrl": url}));
    let error = queue.receive(1, Duration::ZERO).await.expect_err("deleted");
    assert_eq!(error.kind(), Kind::BadConfig, "{error:?}");
    let error = open_error(&server.create_queue("bare", 0)).await;
    assert!(error.contains("its visibility timeout is 0"), "{error}");
}

async fn open_error(url: &str) -> String {
    let error = SqsQueue::open_with(url, &config(None)).await.expect_err("not to be opened");
    assert_eq!(error.kind(), Kind::BadConfig, "{error:?}");
    error.report()
}

/// The visibility timeout, as the answer to the first call.
const OPENED: (u16, &str, &str) = (200, "", r#"{"Attributes": {"VisibilityTimeout": "30"}}"#);
const DENIED: (u16, &str, &str) = (
    403,
    "AccessDeniedException;Sender",
    r#"{"__type": "com.amazonaws.sqs#AccessDeniedException", "message": "User: arn:aws:iam::1:user/x is not authorized to perform: sqs:receivemessage"}"#,
);

#[tokio::test]
async fn a_missing_permission_is_named() {
    let server = Answers::start(&[DENIED]);
    let error = open_error(&server.url()).await;
    assert!(error.contains("permission `sqs:GetQueueAttributes` is missing"), "{error}");

    let server = Answers::start(&[OPENED, DENIED]);
    let queue = open(&server.url()).await;
    let error = queue.receive(1, Duration::ZERO).await.expect_err("denied");
    assert_eq!(error.kind(), Kind::BadConfig, "{error:?}");
    assert!(error.to_string().contains("permission `sqs:ReceiveMessage` is missing"), "{error:?}");
    assert!(error.chain().contains("user/x is not authorized"), "{error:?}");
}

#[tokio::test]
async fn entries_that_fail_are_tried_once_more() {
    let some = r#"{"Successful": [{"Id": "0"}], "Failed": [
        {"Id": "1", "Code": "InternalError", "SenderFault": false, "Message": "try again"},
        {"Id": "2", "Code": "ReceiptHandleIsInvalid", "SenderFault": true}]}"#;
    let all = r#"{"Successful": [{"Id": "0"}], "Failed": []}"#;
    let none = r#"{"Successful": [], "Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": false}]}"#;
    let handles = ["a", "b", "c"].map(|handle| Handle(handle.to_owned()));

    let server = Answers::start(&[OPENED, (200, "", some), (200, "", all)]);
    open(&server.url()).await.ack(&handles).await.expect("the second try");
    let requests = server.requests();
    assert!(requests[1].contains("AmazonSQS.DeleteMessageBatch"), "{requests:?}");
    assert!(requests[2].contains(r#"[{"Id":"0","ReceiptHandle":"b"}]"#), "only what failed: {requests:?}");

    let server = Answers::start(&[OPENED, (200, "", some), (200, "", none)]);
    let error = open(&server.url()).await.extend(&handles).await.expect_err("the second try");
    assert_eq!(error.kind(), Kind::Transient, "{error:?}");
    assert!(error.to_string().contains("1 of 3 messages: InternalError"), "{error:?}");
}

/// The client tries three times by itself.
const BROKEN: (u16, &str, &str) =
    (500, "InternalError;Receiver", r#"{"__type": "InternalError", "message": "we are sorry"}"#);

#[tokio::test]
async fn what_was_received_is_not_lost_when_the_next_call_fails() {
    let message =
        r#"{"MessageId": "m", "ReceiptHandle": "h", "Body": "b", "Attributes": {"ApproximateReceiveCount": "3"}}"#;
    let ten: &str = format!(r#"{{"Messages": [{}]}}"#, [message; 10].join(",")).leak();
    let server = Answers::start(&[OPENED, (200, "", ten), BROKEN, BROKEN, BROKEN]);
    let received = open(&server.url()).await.receive(20, WAIT).await.expect("receive").expect("no end");
    assert_eq!((received.len(), received[0].deliveries), (10, 3));
    let requests = server.requests();
    assert!(requests[1].contains(r#""WaitTimeSeconds":5"#), "{requests:?}");
    assert!(requests[2].contains(r#""WaitTimeSeconds":0"#), "no waiting for more: {requests:?}");
}

#[tokio::test]
async fn a_server_that_fails_is_a_matter_of_time() {
    let server = Answers::start(&[OPENED, BROKEN, BROKEN, BROKEN]);
    let error = open(&server.url()).await.receive(1, Duration::ZERO).await.expect_err("broken");
    assert_eq!(error.kind(), Kind::Transient, "{error:?}");
    assert!(error.chain().contains("we are sorry"), "{error:?}");
}

#[tokio::test]
async fn delays_are_whole_seconds_and_within_what_sqs_allows() {
    let done = (200, "", r#"{"Successful": [{"Id": "0"}], "Failed": []}"#);
    let server = Answers::start(&[OPENED, done, done, done]);
    let (queue, handles) = (open(&server.url()).await, [Handle("a".to_owned())]);
    for delay in [Duration::ZERO, Duration::from_millis(1_001), Duration::MAX] {
        queue.release(&handles, delay).await.expect("release");
    }
    let requests = server.requests();
    for (request, seconds) in requests[1..].iter().zip([0, 2, 39_600]) {
        assert!(request.contains(&format!(r#""VisibilityTimeout":{seconds}"#)), "{request}");
    }
}

#[tokio::test]
async fn a_bucket_notifies_a_queue() {
    let Some(server) = MiniStack::start() else { return };
    let queue = open(&server.create_queue("in", 30)).await;
    server.create_bucket("raw");
    server.notify_queue("raw", "logs/", "in");
    server.put_object("raw", "other/b.json", b"not this one");
    server.put_object("raw", "logs/a%20b.json", b"hello");
    let notices = notices(&queue, 2).await;
    assert!(notices[0].contains("s3:TestEvent"), "{notices:?}");
    assert!(notices[1].contains(r#""key": "logs/a+b.json""#), "{notices:?}");
}

/// A function of a few lines that sends on what it gets, and fails what contains `bad`.
const FUNCTION: &str = r#"
import json, os, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
headers = {"X-Amz-Target": "AmazonSQS.SendMessage", "Content-Type": "application/x-amz-json-1.0"}
def call(url, body=None):
    return urllib.request.urlopen(urllib.request.Request(url, body, headers))
while True:
    event = call(api + "next")
    failed = []
    for record in json.load(event)["Records"]:
        if "bad" in record["body"]:
            failed.append({"itemIdentifier": record["messageId"]})
        message = {"QueueUrl": os.environ["OUT"], "MessageBody": os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] + " " + record["body"]}
        call(os.environ["AWS_ENDPOINT_URL"], json.dumps(message).encode()).read()
    answer = json.dumps({"batchItemFailures": failed}).encode()
    call(api + event.headers["Lambda-Runtime-Aws-Request-Id"] + "/response", answer).read()
"#;

#[tokio::test]
async fn a_queue_calls_a_function() {
    let Some(server) = MiniStack::start() else { return };
    let (dead, out) = (open(&server.create_queue("dead", 30)).await, server.create_queue("out", 30));
    let input = open(&server.create_queue_above("in", 1, "dead", 2)).await;
    let bootstrap = format!("#!{}\n{FUNCTION}", server.python().display());
    let zip = zip(&[("bootstrap", bootstrap.as_bytes()), ("beside", b"something")]);
    server.create_function("job", &zip, &[("OUT", &out)], 512, 5);
    server.map_queue("job", "in", 10);
    input.send(&["good".to_owned(), "bad".to_owned()]).await.expect("send");
    assert_eq!(notices(&open(&out).await, 3).await, ["512 bad", "512 bad", "512 good"], "the bad one is tried twice");
    assert_eq!(notices(&dead, 1).await, ["bad"]);
    assert_eq!(input.depth().await.expect("depth"), Depth::default());
}

/// What so many messages say: test notices first, then by the alphabet.
async fn notices(queue: &SqsQueue, count: usize) -> Vec<String> {
    let start = Instant::now();
    let mut texts = Vec::new();
    while texts.len() < count {
        let received = queue.receive(10, WAIT).await.expect("receive").expect("no end");
        texts.extend(received.iter().map(text));
        assert!(start.elapsed() < PATIENCE, "{texts:?}");
    }
    texts.sort_unstable_by_key(|text| (!text.contains("TestEvent"), text.clone()));
    texts
}

fn text(message: &Message) -> String {
    match &message.body {
        Body::Text(text) => text.clone(),
        Body::Event(event) => panic!("SQS knows no events: {event:?}"),
    }
}
