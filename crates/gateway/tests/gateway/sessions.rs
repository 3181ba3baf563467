//! Whole conversations: the leader answers the charger, and nothing that a follower does matters.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;

use crate::backoffice::{Backoffice, Manner, answer_all};
use crate::charger::{Charger, UPGRADE, connect};
use crate::world::{World, mirrored, routing, settings};

/// A charger whose leader answers everything with the time.
async fn led(world: &World, leader: &Backoffice) -> Charger {
    let dial = Charger::dial(world.address, "CP1");
    let (charger, (_, link)) = tokio::join!(dial, leader.link(Manner::Agree));
    assert_eq!(charger.status, 101);
    tokio::spawn(answer_all(link.unwrap(), "{\"currentTime\":\"2026-11-22T12:00:00Z\"}"));
    charger
}

/// Sends a CALL and reads its answer.
pub(crate) async fn call(charger: &mut Charger, id: &str, action: &str, payload: &str) -> Value {
    charger.send(0x81, format!("[2,\"{id}\",\"{action}\",{payload}]").as_bytes()).await;
    loop {
        let frame = charger.frame().await;
        assert_ne!(frame.opcode, 8, "closed: {:?}", frame.closed());
        if frame.opcode == 1 {
            let answer: Value = serde_json::from_slice(&frame.payload).unwrap();
            assert_eq!((&answer[0], answer[1].as_str()), (&Value::from(3), Some(id)));
            return answer[2].clone();
        }
    }
}

#[tokio::test]
async fn the_leader_answers_and_the_follower_is_told() {
    let (leader, follower) = (Backoffice::new().await, Backoffice::new().await);
    let world = World::new(routing(&[("volt", &leader.url()), ("acme", &follower.url())])).await;
    let mut tail = world.gateway.subscribe();
    let mut charger = led(&world, &leader).await;
    let (asked, link) = follower.link(Manner::Agree).await;
    assert_eq!((asked.path.as_str(), asked.offered.as_str()), ("/csms/CP1", "ocpp1.6"));
    let payload = "{\"connectorId\":1,\"errorCode\":\"NoError\",\"status\":\"Available\"}";
    call(&mut charger, "17", "StatusNotification", payload).await;
    let mut link = link.unwrap();
    let told = loop {
        if let Message::Text(text) = link.next().await.unwrap().unwrap() {
            break text;
        }
    };
    assert!(told.ends_with(&format!(",\"StatusNotification\",{payload}]")), "{told}");
    assert!(!told.contains("\"17\""), "each link has message ids of its own");
    let (charger_id, note) = tail.recv().await.unwrap();
    assert_eq!(charger_id.as_str(), "CP1");
    assert!(matches!(*note, engine::Note::LinkUp(_) | engine::Note::ChargerArrived), "{note:?}");
    let calls = "ocpp_proxy_messages_total{action=\"StatusNotification\",direction=\"in\",kind=\"call\",peer=\"charger\"}";
    assert_eq!(world.metric(calls).await, 1.0);
}

#[tokio::test]
async fn where_messages_are_not_logged_what_happened_still_is() {
    for log_messages in [true, false] {
        let leader = Backoffice::new().await;
        let settings = gateway::Settings { log_messages, ..settings() };
        let world = World::with(settings, routing(&[("volt", &leader.url())])).await;
        let mut charger = led(&world, &leader).await;
        call(&mut charger, "17", "Heartbeat", "{}").await;
        world.store.flush().await.unwrap();
        let (log, of_charger) = (world.log(), store::Filter::of("CP1".into()));
        assert_eq!(log.calls(&of_charger).unwrap().len(), usize::from(log_messages));
        assert!(!log.occurrences(&of_charger).unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_follower_that_stops_reading_does_not_matter() {
    let (leader, follower) = (Backoffice::new().await, Backoffice::new().await);
    let world = World::new(routing(&[("volt", &leader.url()), ("acme", &follower.url())])).await;
    let mut charger = led(&world, &leader).await;
    let stalled = follower.link(Manner::Agree).await;
    // More than anybody would hold for it.
    let payload = format!("{{\"vendorId\":\"x\",\"data\":\"{}\"}}", "y".repeat(100_000));
    for number in 0..100 {
        call(&mut charger, &number.to_string(), "DataTransfer", &payload).await;
    }
    drop(stalled);
}

#[tokio::test]
async fn a_follower_that_floods_does_not_matter() {
    let (leader, follower) = (Backoffice::new().await, Backoffice::new().await);
    let world = World::new(routing(&[("volt", &leader.url()), ("acme", &follower.url())])).await;
    let mut charger = led(&world, &leader).await;
    let (_, link) = follower.link(Manner::Agree).await;
    let flood = tokio::spawn(async move {
        let mut link = link.unwrap();
        for number in 0.. {
            let frame = format!("[2,\"{number}\",\"GetConfiguration\",{{}}]");
            if link.send(Message::text(frame)).await.is_err() {
                return;
            }
        }
    });
    for number in 0..200 {
        call(&mut charger, &number.to_string(), "Heartbeat", "{}").await;
    }
    flood.abort();
}

#[tokio::test]
async fn a_follower_that_cannot_be_reached_does_not_matter() {
    let leader = Backoffice::new().await;
    let gone = Backoffice::new().await.url();
    let world = World::new(routing(&[("volt", &leader.url()), ("acme", &gone)])).await;
    let mut charger = led(&world, &leader).await;
    let answer = call(&mut charger, "1", "Heartbeat", "{}").await;
    assert_eq!(answer["currentTime"], "2026-11-22T12:00:00Z");
}

#[tokio::test]
async fn a_charger_that_comes_back_soon_finds_its_links_as_they_were() {
    let leader = Backoffice::new().await;
    let world = World::new(routing(&[("volt", &leader.url())])).await;
    let charger = led(&world, &leader).await;
    drop(charger);
    let mut charger = Charger::dial(world.address, "CP1").await;
    assert_eq!(charger.status, 101);
    call(&mut charger, "1", "Heartbeat", "{}").await;
    leader.assert_untouched();
}

#[tokio::test]
async fn without_its_leader_the_charger_is_sent_away_with_1013_where_nobody_answers_for_it() {
    let leader = Backoffice::new().await;
    let world = World::new(mirrored(routing(&[("volt", &leader.url())]))).await;
    let dial = Charger::dial(world.address, "CP1");
    let (mut charger, (_, link)) = tokio::join!(dial, leader.link(Manner::Agree));
    charger.assert_served().await;
    drop((link, leader));
    assert_eq!(charger.closed().await.closed().0, 1013);
    charger.send(0x88, &1013u16.to_be_bytes()).await;
    assert_eq!(Charger::dial(world.address, "CP1").await.status, 503);
    assert_eq!(world.metric("ocpp_proxy_charger_connections").await, 0.0);
}

#[tokio::test]
async fn what_comes_with_the_handshake_is_not_lost() {
    let leader = Backoffice::new().await;
    let world = World::new(routing(&[("volt", &leader.url())])).await;
    let mut stream = connect(world.address, "127.0.0.1").await;
    let request =
        format!("GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\n{UPGRADE}Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n");
    let call = b"[2,\"1\",\"Heartbeat\",{}]";
    let mut bytes = request.into_bytes();
    bytes.extend([0x81, 0x80 | call.len() as u8, 0, 0, 0, 0]);
    bytes.extend(call);
    stream.write_all(&bytes).await.unwrap();
    let (charger, (_, link)) = tokio::join!(Charger::answered(stream), leader.link(Manner::Agree));
    tokio::spawn(answer_all(link.unwrap(), "{}"));
    let mut charger = charger;
    assert_eq!(charger.frame().await.payload, b"[3,\"1\",{}]");
}

const START: &[u8] = b"[2,\"9\",\"StartTransaction\",{\"connectorId\":1,\"idTag\":\"A\",\"meterStart\":0,\
    \"timestamp\":\"2026-11-22T12:00:00Z\"}]";

#[tokio::test]
async fn a_transaction_is_answered_when_it_is_kept() {
    let leader = Backoffice::new().await;
    let world = World::new(routing(&[("volt", &leader.url())])).await;
    let dial = Charger::dial(world.address, "CP1");
    let (mut charger, (_, link)) = tokio::join!(dial, leader.link(Manner::Agree));
    tokio::spawn(answer_all(link.unwrap(), "{\"transactionId\":77,\"idTagInfo\":{\"status\":\"Accepted\"}}"));
    charger.send(0x81, START).await;
    let answer = String::from_utf8(charger.frame().await.payload).unwrap();
    assert!(answer.contains("\"Accepted\""), "{answer}");
    let remembered = world.store.remembered(&"CP1".into()).await.unwrap();
    assert_eq!(remembered.transactions.len(), 1);
}

/// X-20, E19: a transaction that cannot be stored is not answered
#[tokio::test]
async fn a_transaction_that_cannot_be_kept_is_not_answered() {
    let leader = Backoffice::new().await;
    let world = World::new(routing(&[("volt", &leader.url())])).await;
    let dial = Charger::dial(world.address, "CP1");
    let (mut charger, (_, link)) = tokio::join!(dial, leader.link(Manner::Agree));
    tokio::spawn(answer_all(link.unwrap(), "{\"transactionId\":77,\"idTagInfo\":{\"status\":\"Accepted\"}}"));
    charger.assert_served().await;
    world.store.clone().close().await;
    assert_eq!(world.page("/readyz").await.0, 503);
    charger.send(0x81, START).await;
    assert_eq!(charger.frame().await.closed(), (1013, "proxy cannot store, try again later"));
    charger.send(0x88, &1013u16.to_be_bytes()).await;
    assert_eq!(Charger::dial(world.address, "CP1").await.status, 503);
}
