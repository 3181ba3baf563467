//! A socket against a peer that reads, stops reading, or goes.

use std::future::poll_fn;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::*;
use crate::framing::Framing;
use crate::limits::{BACKOFFICE_QUEUE_BYTES, MESSAGE_COMPLETION, backoffice_socket};

type Peer = WebSocketStream<TcpStream>;

/// A socket as towards a backoffice, and the backoffice's end.
async fn pair() -> (Socket, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = TcpSocket::new_v4().unwrap();
    ours.set_send_buffer_size(16 << 10).unwrap();
    let ours = ours.connect(listener.local_addr().unwrap()).await.unwrap();
    let (theirs, _) = listener.accept().await.unwrap();
    let ours = WebSocketStream::from_raw_socket(Wire::plain(ours), Role::Client, Some(backoffice_socket()));
    let theirs = WebSocketStream::from_raw_socket(theirs, Role::Server, Some(WebSocketConfig::default()));
    (Socket::new(ours.await, BACKOFFICE_QUEUE_BYTES), theirs.await)
}

fn poll_write_once(socket: &mut Socket) -> Poll<Result<(), Departure>> {
    socket.poll_write(&mut Context::from_waker(std::task::Waker::noop()))
}

#[tokio::test]
async fn what_is_said_arrives_in_order() {
    let (mut socket, mut peer) = pair().await;
    for number in 0..100 {
        socket.say(number.to_string()).unwrap();
    }
    poll_fn(|cx| socket.poll_write(cx)).await.unwrap();
    assert_eq!(socket.unsent_bytes, 0);
    for number in 0..100 {
        assert_eq!(peer.next().await.unwrap().unwrap(), Message::text(number.to_string()));
    }
}

#[tokio::test]
async fn a_peer_that_does_not_read_fills_a_bounded_queue() {
    let (mut socket, _peer) = pair().await;
    let message = "x".repeat(1000);
    let mut said = 0;
    let refused = loop {
        if let Err(too_slow) = socket.say(message.clone()) {
            break too_slow;
        }
        said += 1;
        assert!(said < 100_000, "the queue has no bound");
        let _ = poll_write_once(&mut socket);
    };
    assert_eq!(refused, TooSlow);
    assert!(socket.unsent_bytes <= BACKOFFICE_QUEUE_BYTES + message.len());
    assert!(poll_write_once(&mut socket).is_pending());
}

#[tokio::test]
async fn one_message_of_any_size_may_wait() {
    let (mut socket, mut peer) = pair().await;
    let large = "x".repeat(BACKOFFICE_QUEUE_BYTES * 4);
    socket.say(large.clone()).unwrap();
    assert_eq!(socket.say("next".to_owned()), Err(TooSlow));
    let (written, read) = tokio::join!(poll_fn(|cx| socket.poll_write(cx)), peer.next());
    written.unwrap();
    assert_eq!(read.unwrap().unwrap().len(), large.len());
    socket.say("next".to_owned()).unwrap();
}

/// Says so much that not all of it can be written; gives the number of messages.
fn fill(socket: &mut Socket) -> usize {
    let mut said = 0;
    while poll_write_once(socket).is_ready() {
        socket.say("x".repeat(200 << 10)).unwrap();
        said += 1;
    }
    said
}

#[tokio::test(start_paused = true)]
async fn unsent_bytes_without_progress_are_a_stall() {
    let (mut socket, mut peer) = pair().await;
    assert_eq!(socket.stalls_at(), None);
    let said = fill(&mut socket);
    tokio::time::advance(WRITE_STALL - Duration::from_secs(1)).await;
    assert!(!socket.has_stalled(Instant::now()));
    // The peer reads after all.
    let read = async {
        for _ in 0..said {
            peer.next().await.unwrap().unwrap();
        }
    };
    let (written, ()) = tokio::join!(poll_fn(|cx| socket.poll_write(cx)), read);
    written.unwrap();
    assert_eq!(socket.stalls_at(), None);
    tokio::time::advance(WRITE_STALL).await;
    assert!(!socket.has_stalled(Instant::now()));
    fill(&mut socket);
    tokio::time::advance(WRITE_STALL).await;
    assert!(socket.has_stalled(Instant::now()));
}

#[tokio::test]
async fn pings_do_not_pile_up() {
    let (mut socket, _peer) = pair().await;
    for _ in 0..1000 {
        socket.ping();
    }
    assert_eq!(socket.waiting.len(), QUEUED_PINGS);
    poll_fn(|cx| socket.poll_write(cx)).await.unwrap();
    assert_eq!(socket.waiting_pings, 0);
}

#[tokio::test]
async fn nothing_is_said_after_the_close() {
    let (mut socket, mut peer) = pair().await;
    socket.say("last".to_owned()).unwrap();
    socket.close(1001, "proxy is stopping");
    socket.say("too late".to_owned()).unwrap();
    socket.close(1000, "again");
    let theirs = async move {
        let mut heard = Vec::new();
        while let Some(Ok(message)) = peer.next().await {
            heard.push(message);
        }
        heard
    };
    let ((), heard) = tokio::join!(poll_fn(|cx| socket.poll_departure(cx)), theirs);
    assert_eq!(heard.len(), 2);
    assert_eq!(heard[0], Message::text("last"));
    assert!(matches!(&heard[1], Message::Close(Some(frame)) if u16::from(frame.code) == 1001));
}

#[tokio::test]
async fn a_peer_that_vanishes_is_lost_and_one_that_closes_says_why() {
    let (mut socket, peer) = pair().await;
    drop(peer);
    assert_eq!(poll_fn(|cx| socket.poll_read(cx)).await, Heard::Gone(Departure::Lost));

    let (mut socket, mut peer) = pair().await;
    peer.send(Message::Close(None)).await.unwrap();
    assert_eq!(poll_fn(|cx| socket.poll_read(cx)).await, Heard::Gone(Departure::Closed(None)));
    let drained = async move { while peer.next().await.is_some_and(|message| message.is_ok()) {} };
    tokio::join!(poll_fn(|cx| socket.poll_departure(cx)), drained);
}

#[tokio::test]
async fn a_ping_is_answered_though_nobody_reads_on() {
    let (mut socket, mut peer) = pair().await;
    peer.send(Message::Ping(Bytes::from_static(b"there?"))).await.unwrap();
    assert_eq!(poll_fn(|cx| socket.poll_read(cx)).await, Heard::Alive);
    poll_fn(|cx| socket.poll_write(cx)).await.unwrap();
    assert_eq!(peer.next().await.unwrap().unwrap(), Message::Pong(Bytes::from_static(b"there?")));
}

#[tokio::test(start_paused = true)]
async fn a_begun_message_has_its_time_while_it_is_read_and_no_other() {
    let (mut socket, mut peer) = pair().await;
    socket.stream.get_mut().follow(Framing::of_frames());
    let begun = Instant::now();
    peer.get_mut().write_all(b"\x81\x05hel").await.unwrap();
    poll_fn(|cx| {
        assert!(socket.poll_read(cx).is_pending());
        if socket.unfinished_until().is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    let later = socket.unfinished_until().unwrap();
    assert_eq!(later.duration_since(begun), MESSAGE_COMPLETION);
    assert_eq!(socket.out_of_patience(begun), None);
    assert_eq!(socket.out_of_patience(later), Some(Departure::Violated(Violation::Unfinished)));
    // While it is ourselves who do not read, its time does not pass.
    socket.hold_back();
    assert_eq!((socket.unfinished_until(), socket.out_of_patience(later)), (None, None));
    tokio::time::advance(MESSAGE_COMPLETION).await;
    let _ = poll_fn(|cx| Poll::Ready(socket.poll_read(cx))).await;
    assert_eq!(socket.unfinished_until(), Some(Instant::now() + MESSAGE_COMPLETION));
    peer.get_mut().write_all(b"lo").await.unwrap();
    assert_eq!(poll_fn(|cx| socket.poll_read(cx)).await, Heard::Text("hello".into()));
    assert_eq!(socket.unfinished_until(), None);
}
