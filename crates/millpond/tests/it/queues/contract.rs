//! The contract of [`Queue`], as cases that run against any. Where time is real they wait for what must come, and take its
//! coming for the proof that time has passed; what must not come is what did not come until then.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{BoxFuture, join_all};
use millpond::queue::{Body, Handle, Message, Queue};
use tokio::time::Instant;

/// A hold that ends during a case.
const SHORT: Duration = Duration::from_secs(2);
/// A hold that ends during no case.
const LONG: Duration = Duration::from_secs(600);
/// How long a case waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);
/// One look for what should come.
const LOOK: Duration = Duration::from_secs(1);

/// How messages get into a queue.
#[async_trait]
pub(super) trait Sender: Send + Sync {
    /// Sends one message for each body.
    async fn send(&self, bodies: &[String]);
}

/// A queue, empty at first, that nobody else uses.
pub(super) struct Tested {
    pub(super) queue: Arc<dyn Queue>,
    pub(super) sender: Box<dyn Sender>,
}

/// One promise.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// How long the queue must hold messages.
    pub(super) hold: Duration,
    pub(super) run: fn(Tested) -> BoxFuture<'static, ()>,
}

macro_rules! cases {
    ($($name:ident: $hold:ident),* $(,)?) => {
        /// Every promise.
        pub(super) const CASES: &[Case] =
            &[$(Case { name: stringify!($name), hold: $hold, run: |tested| Box::pin($name(tested)) }),*];
    };
}

cases! {
    what_was_sent_is_received: LONG,
    awkward_bodies_survive: LONG,
    an_empty_queue_answers: LONG,
    a_receiver_that_waits_gets_what_is_sent: LONG,
    what_nobody_acknowledges_comes_back: SHORT,
    what_is_acknowledged_never_comes_back: SHORT,
    what_is_released_comes_back_after_the_delay: LONG,
    what_is_extended_stays_hidden: EXTENDED,
    acknowledging_twice_is_harmless: LONG,
    an_old_handle_is_harmless: LONG,
    a_handle_of_nothing_is_harmless: LONG,
    no_more_come_than_asked_for: LONG,
    receivers_share_nothing: LONG,
}

/// A hold of which a slow machine may lose a second or two between two calls.
const EXTENDED: Duration = Duration::from_secs(4);

async fn what_was_sent_is_received(tested: Tested) {
    let sent = tested.send_numbered(25).await;
    let received = tested.receive_all(25).await;
    assert_eq!(texts(&received), sent);
    assert!(received.iter().all(|message| message.deliveries == 1), "{received:?}");
    let handles: HashSet<&Handle> = received.iter().map(|message| &message.handle).collect();
    assert_eq!(handles.len(), 25);
}

async fn awkward_bodies_survive(tested: Tested) {
    let bodies = [
        r#"{"Records": [{"s3": {"object": {"key": "a+b/%2F \"c\" \\ \u0000"}}}]}"#.to_owned(),
        "<a href='x'>&amp; ]]> \t\r\n two  spaces ".to_owned(),
        "grüße 日本語 🦆 \u{7f} \u{85} \u{200b} \u{fffd}".to_owned(),
        "x".to_owned(),
        "0123456789ü".repeat(200 * 1024 / 12),
    ];
    tested.sender.send(&bodies).await;
    assert_eq!(texts(&tested.receive_all(bodies.len()).await), bodies.into_iter().collect());
}

async fn an_empty_queue_answers(tested: Tested) {
    assert_eq!(tested.receive(10, Duration::ZERO).await, []);
    assert_eq!(tested.receive(10, LOOK).await, []);
}

async fn a_receiver_that_waits_gets_what_is_sent(tested: Tested) {
    let (received, sent) = tokio::join!(tested.receive_all(1), tested.send_numbered(1));
    assert_eq!(texts(&received), sent);
}

async fn what_nobody_acknowledges_comes_back(tested: Tested) {
    let sent = tested.send_numbered(25).await;
    tested.receive_all(25).await;
    let mut again = HashSet::new();
    tested
        .receive_until(|message| {
            if message.deliveries >= 2 {
                again.insert(text(message));
            }
            again == sent
        })
        .await;
}

async fn what_is_acknowledged_never_comes_back(tested: Tested) {
    tested.send_numbered(12).await;
    let received = tested.receive_all(12).await;
    let (kept, done) = received.split_first().expect("messages");
    tested.queue.ack(&handles(done)).await.expect("ack");
    // It is held as long as those were: when it is back they would be.
    let mut times = 0;
    tested
        .receive_until(|message| {
            assert_eq!(text(message), text(kept));
            times += 1;
            times == 2
        })
        .await;
}

async fn what_is_released_comes_back_after_the_delay(tested: Tested) {
    tested.send_numbered(3).await;
    let received = tested.receive_all(3).await;
    let (later, now) = received.split_first().expect("messages");
    tested.queue.release(std::slice::from_ref(&later.handle), Duration::from_secs(4)).await.expect("release");
    tested.queue.release(&handles(now), Duration::ZERO).await.expect("release");
    let again = tested.receive_all(2).await;
    assert_eq!(texts(&again), texts(now));
    let last = tested.receive_all(1).await;
    assert_eq!(texts(&last), HashSet::from([text(later)]));
    assert!(again.iter().chain(&last).all(|message| message.deliveries == 2), "{again:?} {last:?}");
}

async fn what_is_extended_stays_hidden(tested: Tested) {
    tested.send_numbered(2).await;
    let received = tested.receive_all(2).await;
    let (extended, other) = (&received[0], &received[1]);
    let start = Instant::now();
    loop {
        tested.queue.extend(std::slice::from_ref(&extended.handle)).await.expect("extend");
        let back = tested.receive(10, LOOK).await;
        assert!(!texts(&back).contains(&text(extended)), "it came back: {back:?}");
        if texts(&back).contains(&text(other)) {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "nothing came back");
    }
    // It comes when it is extended no more.
    tested.receive_until(|message| text(message) == text(extended) && message.deliveries == 2).await;
}

async fn acknowledging_twice_is_harmless(tested: Tested) {
    tested.send_numbered(2).await;
    let received = tested.receive_all(2).await;
    let done = handles(&received[..1]);
    for _ in 0..2 {
        tested.queue.ack(&done).await.expect("ack");
    }
    tested.queue.ack(&[done[0].clone(), done[0].clone()]).await.expect("ack");
    tested.queue.extend(&done).await.expect("extend");
    tested.queue.release(&done, Duration::ZERO).await.expect("release");
    tested.queue.release(&handles(&received[1..]), Duration::ZERO).await.expect("release");
    assert_eq!(texts(&tested.receive_all(1).await), texts(&received[1..]));
    assert_eq!(tested.receive(10, LOOK).await, []);
}

async fn an_old_handle_is_harmless(tested: Tested) {
    tested.send_numbered(1).await;
    let old = handles(&tested.receive_all(1).await);
    tested.queue.release(&old, Duration::ZERO).await.expect("release");
    let new = handles(&tested.receive_all(1).await);
    assert_ne!(old, new);
    tested.queue.extend(&old).await.expect("extend");
    tested.queue.release(&old, Duration::ZERO).await.expect("release");
    assert_eq!(tested.receive(10, LOOK).await, [], "an old handle released it");
    tested.queue.ack(&old).await.expect("ack");
    tested.queue.release(&new, Duration::ZERO).await.expect("release");
    let last = tested.receive_all(1).await;
    assert_eq!(last[0].deliveries, 3);
}

async fn a_handle_of_nothing_is_harmless(tested: Tested) {
    tested.send_numbered(1).await;
    let nothing = [Handle("6a1c0f2e-made-up".to_owned())];
    tested.queue.ack(&nothing).await.expect("ack");
    tested.queue.release(&nothing, LOOK).await.expect("release");
    tested.queue.extend(&nothing).await.expect("extend");
    for none in [tested.queue.ack(&[]), tested.queue.release(&[], LOOK), tested.queue.extend(&[])] {
        none.await.expect("nothing to do");
    }
    assert_eq!(tested.receive_all(1).await.len(), 1);
}

async fn no_more_come_than_asked_for(tested: Tested) {
    let sent = tested.send_numbered(40).await;
    assert_eq!(tested.receive(0, LOOK).await, []);
    let mut received = Vec::new();
    for max in [1, 3, 10, 11, 25] {
        let some = tested.receive(max, LOOK).await;
        assert!(some.len() <= max, "{} of {max}", some.len());
        received.extend(some);
    }
    received.extend(tested.receive_all(40 - received.len()).await);
    assert_eq!(texts(&received), sent);
}

async fn receivers_share_nothing(tested: Tested) {
    let sent = tested.send_numbered(60).await;
    let (tested, share) = (&tested, 60 / 4);
    let received = join_all((0..4).map(|_| tested.receive_all(share))).await.concat();
    assert_eq!(received.len(), 60);
    assert_eq!(texts(&received), sent);
    assert!(received.iter().all(|message| message.deliveries == 1), "{received:?}");
}

impl Tested {
    async fn send_numbered(&self, count: usize) -> HashSet<String> {
        let bodies: Vec<String> = (0..count).map(|number| format!("message {number}")).collect();
        self.sender.send(&bodies).await;
        bodies.into_iter().collect()
    }

    async fn receive(&self, max: usize, wait: Duration) -> Vec<Message> {
        self.queue.receive(max, wait).await.expect("receive").expect("no end")
    }

    /// Exactly `count` messages, each of them once.
    async fn receive_all(&self, count: usize) -> Vec<Message> {
        let start = Instant::now();
        let mut received: Vec<Message> = Vec::new();
        while received.len() < count {
            received.extend(self.receive(count - received.len(), LOOK).await);
            assert!(start.elapsed() < PATIENCE, "{} of {count} messages came", received.len());
        }
        let mut times: HashMap<String, u32> = HashMap::new();
        received.iter().for_each(|message| *times.entry(text(message)).or_default() += 1);
        assert!(times.values().all(|times| *times == 1), "some came twice: {times:?}");
        received
    }

    /// Receives, and acknowledges nothing, until `is_last` says so of a message.
    async fn receive_until(&self, mut is_last: impl FnMut(&Message) -> bool) {
        let start = Instant::now();
        while !self.receive(100, LOOK).await.iter().any(&mut is_last) {
            assert!(start.elapsed() < PATIENCE, "what was waited for did not come");
        }
    }
}

fn text(message: &Message) -> String {
    match &message.body {
        Body::Text(text) => text.clone(),
        Body::Event(event) => panic!("sent as text: {event:?}"),
    }
}

fn texts(messages: &[Message]) -> HashSet<String> {
    messages.iter().map(text).collect()
}

fn handles(messages: &[Message]) -> Vec<Handle> {
    messages.iter().map(|message| message.handle.clone()).collect()
}
