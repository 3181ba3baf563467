//! What a follower must be told is read from the store, in order, and kept until it was.

use engine::{BackofficeId, Delivery, Record, TraceId};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use store::{DeliveryOrder, OrderWhat};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::backoffice::{Backoffice, Manner, answer_all};
use crate::charger::Charger;
use crate::sessions::call;
use crate::world::{World, routing};

/// More than a session has in memory of one lane.
const MANY: u64 = 40;

/// A security event that the charger told long ago.
fn event(number: u64, parked: Option<&str>) -> Record {
    Record::Delivery(Box::new(Delivery {
        backoffice: BackofficeId::from("acme"),
        number,
        trace: TraceId::try_from(format!("01ARZ3NDEKTSV4RRFFQ69G5F{number:02}")).unwrap(),
        action: "SecurityEventNotification".to_owned(),
        payload: format!("{{\"techInfo\":\"{number}\"}}"),
        transaction: None,
        recognised: None,
        queued_unix_ms: 1_795_352_400_000,
        attempts: 0,
        parked: parked.map(str::to_owned),
    }))
}

/// Answers `count` security events, whatever else comes; says which they were.
async fn take(link: &mut WebSocketStream<TcpStream>, count: u64) -> Vec<u64> {
    let mut taken = Vec::new();
    while (taken.len() as u64) < count {
        let Message::Text(text) = link.next().await.unwrap().unwrap() else { continue };
        let Ok((2, id, action, payload)) = serde_json::from_str::<(u8, String, String, Value)>(&text) else {
            continue;
        };
        link.send(Message::text(format!("[3,\"{id}\",{{}}]"))).await.unwrap();
        if action == "SecurityEventNotification" {
            taken.push(payload["techInfo"].as_str().unwrap().parse().unwrap());
        }
    }
    taken
}

/// How many deliveries wait for the follower.
async fn waiting(world: &World) -> u64 {
    let memory = world.store.remembered(&"CP1".into()).await.unwrap();
    memory.lanes.iter().map(|lane| lane.waiting).sum()
}

#[tokio::test]
async fn a_lane_longer_than_memory_is_told_in_order_and_once() {
    let (leader, follower) = (Backoffice::new().await, Backoffice::new().await);
    let world = World::new(routing(&[("volt", &leader.url()), ("acme", &follower.url())])).await;
    let events = (1..=MANY).map(|number| event(number, None)).collect();
    world.store.keep(&"CP1".into(), events).await.unwrap();
    let (charger, _leader) = tokio::join!(Charger::dial(world.address, "CP1"), leader.link(Manner::Agree));
    assert_eq!(charger.status, 101);
    let mut link = follower.link(Manner::Agree).await.1.unwrap();
    assert_eq!(take(&mut link, MANY).await, Vec::from_iter(1..=MANY));
    // The next one is said when the last is known to be told: the link is silent from now on.
    while waiting(&world).await > 0 {
        tokio::task::yield_now().await;
    }
}

/// What a follower was told from its lane is known to be told before it hears more: that alone must not make each message
/// wait for the disk that comes as soon as the one before is answered.
#[tokio::test]
async fn a_follower_that_has_caught_up_spares_the_disk_again() {
    let (leader, follower) = (Backoffice::new().await, Backoffice::new().await);
    let world = World::new(routing(&[("volt", &leader.url()), ("acme", &follower.url())])).await;
    world.store.keep(&"CP1".into(), vec![event(1, None)]).await.unwrap();
    let (charger, led) = tokio::join!(Charger::dial(world.address, "CP1"), leader.link(Manner::Agree));
    tokio::spawn(answer_all(led.1.unwrap(), "{}"));
    let (mut charger, mut link) = (charger, follower.link(Manner::Agree).await.1.unwrap());
    assert_eq!(take(&mut link, 1).await, [1]);
    tokio::spawn(answer_all(link, "{}"));
    for second in 10..40 {
        let value = format!(
            "{{\"timestamp\":\"2026-11-22T12:05:{second}Z\",\"sampledValue\":[{{\"value\":\"1\"}}]}}"
        );
        let payload = format!("{{\"connectorId\":1,\"meterValue\":[{value}]}}");
        call(&mut charger, &second.to_string(), "MeterValues", &payload).await;
    }
    let lanes = world.store.remembered(&"CP1".into()).await.unwrap().lanes;
    assert!(lanes[0].last_number < 25, "{} of 31 deliveries saw the disk", lanes[0].last_number);
}

#[tokio::test]
async fn what_an_operator_orders_reaches_the_session() {
    let (leader, follower) = (Backoffice::new().await, Backoffice::new().await);
    let world = World::new(routing(&[("volt", &leader.url()), ("acme", &follower.url())])).await;
    let events = vec![event(1, Some("attempts_spent")), event(2, None)];
    world.store.keep(&"CP1".into(), events).await.unwrap();
    let (charger, _leader) = tokio::join!(Charger::dial(world.address, "CP1"), leader.link(Manner::Agree));
    assert_eq!(charger.status, 101);
    let mut link = follower.link(Manner::Agree).await.1.unwrap();
    assert_eq!(take(&mut link, 1).await, [2]);
    let order = DeliveryOrder {
        what: OrderWhat::Retry,
        charger: "CP1".into(),
        backoffice: BackofficeId::from("acme"),
        numbers: None,
    };
    order.give(&world.database()).unwrap();
    assert_eq!(take(&mut link, 1).await, [1]);
    while waiting(&world).await > 0 {
        tokio::task::yield_now().await;
    }
}
