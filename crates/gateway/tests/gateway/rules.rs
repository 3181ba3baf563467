//! Other rules while sessions are running, and the end of the program.

use std::time::Duration;

use futures_util::StreamExt;
use gateway::Routing;
use tokio_tungstenite::tungstenite::Message;

use crate::backoffice::{Backoffice, Manner};
use crate::charger::Charger;
use crate::world::{World, routing};

#[tokio::test]
async fn a_charger_that_no_rule_matches_any_more_is_closed() {
    let backoffice = Backoffice::new().await;
    let world = World::new(routing(&[("volt", &backoffice.url())])).await;
    let dial = Charger::dial(world.address, "CP1");
    let (mut charger, (_, link)) = tokio::join!(dial, backoffice.link(Manner::Agree));
    charger.assert_served().await;
    world.gateway.apply(Routing::default());
    assert_eq!(charger.closed().await.closed(), (1008, "charger is not configured"));
    charger.send(0x88, &1008u16.to_be_bytes()).await;
    let mut link = link.unwrap();
    let closed = loop {
        if let Message::Close(frame) = link.next().await.unwrap().unwrap() {
            break frame.unwrap();
        }
    };
    assert_eq!(u16::from(closed.code), 1001);
    assert_eq!(Charger::dial(world.address, "CP1").await.status, 404);
}

#[tokio::test]
async fn the_same_rules_again_disturb_nobody() {
    let backoffice = Backoffice::new().await;
    let rules = routing(&[("volt", &backoffice.url())]);
    let world = World::new(rules.clone()).await;
    backoffice.agree_with_all();
    let mut charger = Charger::dial(world.address, "CP1").await;
    for _ in 0..3 {
        world.gateway.apply(rules.clone());
        charger.assert_served().await;
    }
    let connects = "ocpp_proxy_backoffice_connects_total{backoffice=\"volt\",result=\"connected\"}";
    assert_eq!(world.metric(connects).await, 1.0);
}

#[tokio::test]
async fn the_drain_closes_with_1001() {
    let backoffice = Backoffice::new().await;
    let world = World::new(routing(&[("volt", &backoffice.url())])).await;
    backoffice.agree_with_all();
    let mut charger = Charger::dial(world.address, "CP1").await;
    charger.assert_served().await;
    let World { gateway, .. } = world;
    let end = async {
        let closed = charger.closed().await.closed().0;
        charger.send(0x88, &1001u16.to_be_bytes()).await;
        closed
    };
    let ((), code) = tokio::join!(gateway.drain(Duration::from_millis(300)), end);
    assert_eq!(code, 1001);
}
