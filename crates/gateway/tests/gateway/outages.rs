//! Chargers whose leader is away when they dial: let in, answered by the proxy, and given to the leader
//! or to another one when that is there.

use std::time::Duration;

use engine::{BackofficeId, Failover, Note, OnLeaderLost, Outage};
use serde_json::Value;

use crate::backoffice::{Backoffice, Manner};
use crate::charger::Charger;
use crate::world::{World, mirrored, routing, with_outage};

const WITHOUT_LEADER: &str = "ocpp_proxy_chargers_without_leader";

/// The time that a Heartbeat is answered with.
async fn heartbeat(charger: &mut Charger) -> String {
    charger.send(0x81, b"[2,\"h\",\"Heartbeat\",{}]").await;
    loop {
        let frame = charger.frame().await;
        assert_ne!(frame.opcode, 8, "closed: {:?}", frame.closed());
        if frame.opcode == 1 {
            let answer: Value = serde_json::from_slice(&frame.payload).unwrap();
            assert_eq!((&answer[0], &answer[1]), (&Value::from(3), &Value::from("h")));
            return answer[2]["currentTime"].as_str().unwrap().to_owned();
        }
    }
}

#[tokio::test]
async fn a_charger_is_let_in_without_its_leader_and_answered_until_that_is_there() {
    let (gone, back) = (Backoffice::new().await.url(), Backoffice::new().await);
    let world = World::new(routing(&[("volt", &gone)])).await;
    let mut tail = world.gateway.subscribe();
    assert_eq!(world.metric(WITHOUT_LEADER).await, 0.0);
    let mut charger = Charger::dial(world.address, "CP1").await;
    assert_eq!((charger.status, charger.header("Sec-WebSocket-Protocol")), (101, Some("ocpp1.6")));
    assert!(heartbeat(&mut charger).await.starts_with("20"));
    assert_eq!(world.metric(WITHOUT_LEADER).await, 1.0);
    assert_eq!(world.page("/readyz").await.0, 200, "one leader that is away is no reason to restart");
    let unreachable = "ocpp_proxy_backoffice_connects_total{backoffice=\"volt\",result=\"unreachable\"}";
    assert!(world.metric(unreachable).await >= 1.0);
    // The engine knows of the dial that failed, and when it dials again.
    loop {
        let (_, note) = tail.recv().await.unwrap();
        match &*note {
            Note::LinkDown { retry_in_ms, .. } => break assert!(retry_in_ms.is_some()),
            Note::ChargerArrived => panic!("the session begins with what became of the leader"),
            _ => {}
        }
    }
    world.gateway.apply(routing(&[("volt", &back.url())]));
    let (asked, _link) = back.link(Manner::Agree).await;
    assert_eq!((asked.path.as_str(), asked.offered.as_str()), ("/csms/CP1", "ocpp1.6"));
    while !matches!(&*tail.recv().await.unwrap().1, Note::LinkUp(_)) {}
    // The note comes before the figure, an answered ping after it.
    charger.assert_served().await;
    assert_eq!(world.metric(WITHOUT_LEADER).await, 0.0);
}

#[tokio::test]
async fn a_charger_is_let_in_whatever_its_leader_refuses_it_with() {
    let manners = [Manner::Refuse(503), Manner::Refuse(401), Manner::Refuse(404), Manner::Refuse(302)];
    for manner in manners {
        let backoffice = Backoffice::new().await;
        let world = World::new(routing(&[("volt", &backoffice.url())])).await;
        let dial = Charger::dial(world.address, "CP1");
        let (mut charger, _) = tokio::join!(dial, backoffice.link(manner));
        assert_eq!(charger.status, 101, "{manner:?}");
        charger.assert_served().await;
    }
    assert_eq!(manners.len(), 4);
}

#[tokio::test]
async fn a_charger_that_left_is_not_counted_among_those_without_a_leader() {
    let gone = Backoffice::new().await.url();
    let world = World::new(routing(&[("volt", &gone)])).await;
    let mut tail = world.gateway.subscribe();
    let mut charger = Charger::dial(world.address, "CP1").await;
    heartbeat(&mut charger).await;
    drop(charger);
    while !matches!(&*tail.recv().await.unwrap().1, Note::ChargerLeft { .. }) {}
    // Within its grace it comes back to the same session, and counts again, once.
    let mut charger = Charger::dial(world.address, "CP1").await;
    heartbeat(&mut charger).await;
    assert_eq!(world.metric(WITHOUT_LEADER).await, 1.0);
    assert_eq!(world.metric("ocpp_proxy_sessions").await, 1.0);
}

#[tokio::test]
async fn a_charger_that_is_to_be_sent_away_is_refused_before_it_is_let_in() {
    let gone = Backoffice::new().await.url();
    let world = World::new(mirrored(routing(&[("volt", &gone)]))).await;
    let refused = Charger::dial(world.address, "CP1").await;
    assert_eq!(refused.status, 503);
    let wait: u32 = refused.header("Retry-After").unwrap().parse().unwrap();
    assert!((5..=60).contains(&wait), "{wait}");
    assert_eq!(world.metric(WITHOUT_LEADER).await, 0.0);
    assert_eq!(world.page("/readyz").await.0, 200);
}

#[tokio::test]
async fn another_leads_a_charger_that_came_without_its_leader() {
    let (gone, second) = (Backoffice::new().await.url(), Backoffice::new().await);
    let failover = Failover { to: vec!["acme".into()], after: Duration::ZERO, back_after: None };
    let outage = Outage {
        on_leader_lost: OnLeaderLost::Failover(failover),
        grace: Duration::ZERO,
        ..Outage::default()
    };
    let rules = routing(&[("volt", &gone), ("acme", &second.url())]);
    let world = World::new(with_outage(rules, &outage)).await;
    let mut tail = world.gateway.subscribe();
    let (mut charger, (_, _link)) =
        tokio::join!(Charger::dial(world.address, "CP1"), second.link(Manner::Agree));
    assert_eq!(charger.status, 101);
    loop {
        let (_, note) = tail.recv().await.unwrap();
        if let Note::LeaderChanged { from, to } = &*note {
            assert_eq!((from, to), (&BackofficeId::from("volt"), &BackofficeId::from("acme")));
            break;
        }
    }
    charger.assert_served().await;
    assert_eq!(world.metric("ocpp_proxy_leader_switches_total{source=\"failover\"}").await, 1.0);
    assert_eq!(world.metric(WITHOUT_LEADER).await, 0.0);
}
