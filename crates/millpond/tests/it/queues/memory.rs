//! The queue in memory, under a clock that stands still unless everybody waits.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use millpond::queue::{Body, Depth, Handle, MemoryQueue, Queue};
use tokio::time::Instant;

use super::contract::{CASES, Sender, Tested};

const HOLD: Duration = Duration::from_secs(30);
const WAIT: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_secs(3_600);

#[async_trait]
impl Sender for Arc<MemoryQueue> {
    async fn send(&self, bodies: &[String]) {
        bodies.iter().for_each(|body| MemoryQueue::send(self, Body::Text(body.clone())));
    }
}

#[tokio::test(start_paused = true)]
async fn the_contract_is_kept() {
    for case in CASES {
        eprintln!("{}", case.name);
        let queue = Arc::new(MemoryQueue::new("test", case.hold));
        assert_eq!(queue.hold(), Some(case.hold));
        (case.run)(Tested { queue: Arc::<MemoryQueue>::clone(&queue), sender: Box::new(queue) }).await;
    }
}

fn queue_of(count: usize) -> MemoryQueue {
    let queue = MemoryQueue::new("test", HOLD);
    (0..count).for_each(|number| queue.send(Body::Text(number.to_string())));
    queue
}

async fn receive(queue: &MemoryQueue, wait: Duration) -> Vec<(Handle, u32)> {
    let received = queue.receive(10, wait).await.expect("receive").expect("no end");
    received.into_iter().map(|message| (message.handle, message.deliveries)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_message_is_held_exactly_as_long_as_was_said() {
    let queue = queue_of(1);
    let start = Instant::now();
    let first = receive(&queue, WAIT).await;
    assert_eq!((first[0].1, start.elapsed()), (1, Duration::ZERO));
    assert_eq!(receive(&queue, WAIT).await, []);
    assert_eq!(start.elapsed(), WAIT);
    let second = receive(&queue, WAIT).await;
    assert_eq!((second[0].1, start.elapsed()), (2, HOLD));
    queue.release(&[second[0].0.clone()], Duration::from_secs(7)).await.expect("release");
    assert_eq!((receive(&queue, WAIT).await[0].1, start.elapsed()), (3, HOLD + Duration::from_secs(7)));
}

#[tokio::test(start_paused = true)]
async fn a_handle_is_good_until_the_next_delivery() {
    let queue = queue_of(1);
    let first = receive(&queue, WAIT).await[0].0.clone();
    tokio::time::advance(HOLD).await;
    // Not held any more, so nothing to hold longer or to show later; but nobody else has it.
    queue.extend(std::slice::from_ref(&first)).await.expect("extend");
    queue.release(std::slice::from_ref(&first), HOUR).await.expect("release");
    assert_eq!(queue.depth().visible, 1);
    queue.ack(&[first]).await.expect("ack");
    assert_eq!(queue.depth(), Depth::default());
}

#[tokio::test(start_paused = true)]
async fn a_handle_is_no_good_at_another_queue() {
    let (queue, other) = (queue_of(1), MemoryQueue::new("other", HOLD));
    other.send(Body::Text("x".to_owned()));
    receive(&other, WAIT).await;
    other.ack(&[receive(&queue, WAIT).await[0].0.clone()]).await.expect("ack");
    assert_eq!(other.depth().held, 1);
}

#[tokio::test(start_paused = true)]
async fn delays_are_shortened_to_twelve_hours() {
    let queue = queue_of(1);
    let first = receive(&queue, WAIT).await[0].0.clone();
    queue.release(&[first], Duration::MAX).await.expect("release");
    tokio::time::advance(12 * HOUR).await;
    assert_eq!(receive(&queue, Duration::ZERO).await[0].1, 2);
    assert_eq!(MemoryQueue::new("long", Duration::MAX).hold(), Some(12 * HOUR));
}

#[tokio::test(start_paused = true)]
async fn what_was_delivered_too_often_goes_to_the_other_queue() {
    let dead = Arc::new(MemoryQueue::new("dead", HOLD));
    let queue = MemoryQueue::new("test", HOLD).dead_letter(Arc::clone(&dead), 2);
    queue.send(Body::Text("poison".to_owned()));
    for deliveries in 1..=2 {
        assert_eq!(receive(&queue, WAIT * 2).await[0].1, deliveries);
        tokio::time::advance(HOLD).await;
    }
    assert_eq!((queue.depth().visible, dead.depth().visible), (1, 0), "it moves when somebody asks for it");
    let (here, there) = tokio::join!(receive(&queue, WAIT), receive(&dead, WAIT));
    assert_eq!((here.len(), there[0].1), (0, 3), "its count goes with it");
    assert_eq!(queue.depth(), Depth::default());
    assert_eq!(dead.depth(), Depth { held: 1, ..Depth::default() });
}

#[tokio::test(start_paused = true)]
async fn a_closed_queue_ends_when_all_is_acknowledged() {
    let queue = queue_of(2);
    queue.close();
    let both = queue.receive(10, WAIT).await.expect("receive").expect("two");
    assert_eq!(queue.depth(), Depth { held: 2, ..Depth::default() });
    assert_eq!(queue.receive(10, WAIT).await.expect("receive"), Some(Vec::new()), "they may come back");
    queue.ack(&[both[0].handle.clone()]).await.expect("ack");
    // Whoever waits for what may come back is told at once that it will not.
    let start = Instant::now();
    let (end, ()) = tokio::join!(queue.receive(10, WAIT), async {
        queue.ack(&[both[1].handle.clone()]).await.expect("ack");
    });
    assert_eq!((end.expect("receive"), start.elapsed()), (None, Duration::ZERO));
    assert_eq!(queue.receive(0, WAIT).await.expect("receive"), None);
}

#[tokio::test(start_paused = true)]
async fn closing_ends_those_who_wait() {
    let queue = queue_of(0);
    let (end, ()) = tokio::join!(queue.receive(10, WAIT), async { queue.close() });
    assert_eq!(end.expect("receive"), None);
}
