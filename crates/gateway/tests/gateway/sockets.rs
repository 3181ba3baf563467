//! What happens to sockets after the handshake: rule breakers, second sockets of a charger.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::select_all;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;

use crate::backoffice::{Backoffice, Manner, shake_hands};
use crate::charger::Charger;
use crate::figures::HeldClock;
use crate::world::{World, routing};

async fn world() -> World {
    let backoffice = Backoffice::new().await;
    let world = World::new(routing(&[("volt", &backoffice.url())])).await;
    backoffice.agree_with_all();
    world
}

#[tokio::test]
async fn breaking_the_websocket_rules_closes_with_the_right_code() {
    let world = world().await;
    let too_big = vec![b' '; (1 << 20) + 1];
    let cases: &[(&str, u8, &[u8], u16)] = &[
        ("binary", 0x82, b"[2,\"1\",\"Heartbeat\",{}]", 1003),
        ("not UTF-8", 0x81, b"[\xff]", 1007),
        ("a lone surrogate", 0x81, b"\xed\xa0\x80", 1007),
        ("too big", 0x81, &too_big, 1009),
        ("compressed", 0xc1, b"\xca\x4b\x2c\x49\x54\x00\x00", 1002),
        ("another reserved bit", 0xa1, b"x", 1002),
        ("a continuation of nothing", 0x80, b"x", 1002),
        ("an unknown opcode", 0x83, b"x", 1002),
        ("an unknown control frame", 0x8b, b"x", 1002),
        ("a fragmented ping", 0x09, b"x", 1002),
        ("a long ping", 0x89, &[0; 126], 1002),
    ];
    for (number, (what, first, payload, code)) in cases.iter().enumerate() {
        let mut charger = Charger::dial(world.address, &format!("CP{number}")).await;
        assert_eq!(charger.status, 101, "{what}");
        charger.send(*first, payload).await;
        assert_eq!(charger.closed().await.closed().0, *code, "{what}");
    }
    assert_eq!(cases.len(), 11);
    let compressed = "ocpp_proxy_protocol_violations_total{kind=\"rsv1_unnegotiated\",peer=\"charger\"}";
    assert_eq!(world.metric(compressed).await, 2.0);
}

#[tokio::test]
async fn an_unmasked_frame_closes() {
    let world = world().await;
    let mut charger = Charger::dial(world.address, "CP1").await;
    charger.stream.write_all(&[0x81, 1, b'x']).await.unwrap();
    assert_eq!(charger.closed().await.closed().0, 1002);
}

#[tokio::test]
async fn an_announced_giant_is_refused_before_it_is_sent() {
    let world = world().await;
    let mut charger = Charger::dial(world.address, "CP1").await;
    let mut head = vec![0x81, 0x80 | 127];
    head.extend((64u64 << 20).to_be_bytes());
    head.extend([0; 4]);
    charger.stream.write_all(&head).await.unwrap();
    assert_eq!(charger.closed().await.closed().0, 1009);
}

/// A backoffice that begins a message and does not finish it
#[tokio::test(start_paused = true)]
async fn a_backoffice_that_never_finishes_a_message_loses_its_link_and_the_charger_stays() {
    let _clock = HeldClock::hold();
    let backoffice = Backoffice::new().await;
    let world = World::new(routing(&[("volt", &backoffice.url())])).await;
    let dial = Charger::dial(world.address, "CP1");
    let (mut charger, (_, link)) = tokio::join!(dial, backoffice.link(Manner::Agree));
    let mut link = link.unwrap();
    link.get_mut().write_all(b"\x81\x7e\x01\x00[2,\"1\",\"Reset").await.unwrap();
    charger.assert_served().await;
    tokio::time::advance(Duration::from_secs(29)).await;
    // A byte now and then does not help.
    link.get_mut().write_all(b"\"").await.unwrap();
    charger.assert_served().await;
    let ended = "ocpp_proxy_protocol_violations_total{kind=\"unfinished_message\",peer=\"volt\"}";
    assert_eq!(world.metric(ended).await, 0.0);
    tokio::time::advance(Duration::from_secs(1)).await;
    match link.next().await.unwrap().unwrap() {
        Message::Close(Some(close)) => {
            assert_eq!(
                (u16::from(close.code), close.reason.as_str()),
                (1008, "message not finished in time")
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.metric(ended).await, 1.0);
    charger.assert_served().await;
}

#[tokio::test]
async fn a_close_is_answered_with_a_close() {
    let world = world().await;
    let mut charger = Charger::dial(world.address, "CP1").await;
    charger.send(0x88, &1000u16.to_be_bytes()).await;
    assert_eq!(charger.closed().await.payload, 1000u16.to_be_bytes());
    let mut without_code = Charger::dial(world.address, "CP2").await;
    without_code.send(0x88, b"").await;
    without_code.closed().await;
}

#[tokio::test]
async fn a_second_socket_from_the_same_address_replaces_the_first() {
    let world = world().await;
    let mut first = Charger::dial(world.address, "CP1").await;
    first.assert_served().await;
    let mut second = Charger::dial(world.address, "CP1").await;
    assert_eq!(second.status, 101);
    assert_eq!(first.closed().await.closed(), (1008, "replaced"));
    // The end of the first one does not disturb the second.
    first.send(0x88, &1008u16.to_be_bytes()).await;
    drop(first);
    second.assert_served().await;
    let replaced = world.metric("ocpp_proxy_charger_connects_total{result=\"duplicate_replaced\"}").await;
    assert_eq!(replaced, 1.0);
}

/// X-23, F-70: a second socket from another address, while the first one is alive
#[tokio::test]
async fn a_living_charger_is_not_displaced_from_elsewhere() {
    let world = world().await;
    let mut first = Charger::dial(world.address, "CP1").await;
    first.assert_served().await;
    let challenge = async {
        while first.frame().await.opcode != 9 {}
        first.send(0x8a, b"").await;
    };
    let (second, ()) = tokio::join!(Charger::dial_from(world.address, "127.0.0.2", "CP1"), challenge);
    assert_eq!(second.status, 409);
    first.assert_served().await;
}

#[tokio::test]
async fn a_dead_charger_is_displaced_from_elsewhere() {
    let world = world().await;
    // It will never answer the ping.
    let mut first = Charger::dial(world.address, "CP1").await;
    let mut second = Charger::dial_from(world.address, "127.0.0.2", "CP1").await;
    assert_eq!(second.status, 101);
    second.assert_served().await;
    assert_eq!(first.closed().await.closed(), (1008, "replaced"));
    assert_eq!(world.metric("ocpp_proxy_alerts_total{kind=\"duplicate_replaced\"}").await, 1.0);
}

/// X-26, F-95: a charger that sends too large a message three times
#[tokio::test]
async fn a_charger_that_sends_too_much_again_and_again_is_kept_out() {
    let world = world().await;
    for _ in 0..3 {
        let mut charger = Charger::dial(world.address, "CP1").await;
        assert_eq!(charger.status, 101);
        // Only announced: 64 MiB.
        charger.stream.write_all(&[0x81, 0xff, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]).await.unwrap();
        assert_eq!(charger.closed().await.closed().0, 1009);
    }
    let refused = Charger::dial(world.address, "cp1").await;
    assert_eq!(refused.status, 503);
    let wait: u64 = refused.header("Retry-After").unwrap().parse().unwrap();
    assert!((240..=300).contains(&wait), "{wait}");
    assert_eq!(Charger::dial(world.address, "CP2").await.status, 101);
    assert_eq!(world.metric("ocpp_proxy_charger_connects_total{result=\"blocked\"}").await, 1.0);
    assert_eq!(world.metric("ocpp_proxy_alerts_total{kind=\"quarantined\"}").await, 1.0);
}

#[tokio::test]
async fn of_two_addresses_let_in_together_the_first_to_arrive_stays() {
    let leader = Backoffice::new().await;
    let world = World::new(routing(&[("volt", &leader.url())])).await;
    let dial = |from: &'static str| tokio::spawn(Charger::dial_from(world.address, from, "CP1"));
    let first = dial("127.0.0.1");
    let connection = leader.connection().await;
    let others = ["127.0.0.2", "127.0.0.1", "127.0.0.1", "127.0.0.1"].map(dial);
    // Four may wait for the leader: once the first one is sent away, all others do.
    assert_eq!(first.await.unwrap().status, 503);
    let (_, link) = shake_hands(connection, Manner::Agree).await;
    let mut chargers = Vec::new();
    for other in others {
        chargers.push(other.await.unwrap());
        assert_eq!(chargers[chargers.len() - 1].status, 101);
    }
    for _ in 0..3 {
        let closed = chargers.iter_mut().map(|one| Box::pin(one.closed()));
        let (frame, at, rest) = select_all(closed).await;
        drop(rest);
        assert_eq!(frame.closed(), (1008, "replaced"));
        chargers.remove(at);
    }
    chargers[0].assert_served().await;
    let count = async |result: &str| {
        world.metric(&format!("ocpp_proxy_charger_connects_total{{result=\"{result}\"}}")).await as u8
    };
    let counts = (count("duplicate_refused").await, count("duplicate_replaced").await);
    // Either the one from elsewhere came too late, or the three from here.
    assert!(matches!(counts, (1, 2) | (3, 0)), "{counts:?}");
    drop(link);
}
