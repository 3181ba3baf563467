//! Other rules while sessions are running, and the end of the program.

use std::time::Duration;

use engine::Note;
use futures_util::StreamExt;
use gateway::{BackofficeSettings, BasicAuth, Routing, Secret};
use tokio_tungstenite::tungstenite::Message;

use crate::backoffice::{Backoffice, Manner, answer_all};
use crate::charger::Charger;
use crate::world::{World, routing, routing_with};

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
    let begun = std::time::Instant::now();
    let ((), code) = tokio::join!(gateway.drain(Duration::from_secs(600)), end);
    assert_eq!(code, 1001);
    assert!(begun.elapsed() < Duration::from_secs(60), "an idle charger is not waited for");
}

#[tokio::test]
async fn a_follower_that_is_reached_otherwise_is_dialed_again_and_nobody_else() {
    let (leader, follower) = (Backoffice::new().await, Backoffice::new().await);
    let world = World::new(routing(&[("volt", &leader.url()), ("acme", &follower.url())])).await;
    let mut tail = world.gateway.subscribe();
    let dial = Charger::dial(world.address, "CP1");
    let (mut charger, (_, led)) = tokio::join!(dial, leader.link(Manner::Agree));
    let (_, link) = follower.link(Manner::Agree).await;
    while !matches!(&*tail.recv().await.unwrap().1, Note::LinkUp(id) if id.as_str() == "acme") {}
    let moved = Backoffice::new().await;
    let basic_auth =
        Some(BasicAuth { user: "{charger}".to_owned(), password: Secret::new("secret".to_owned()) });
    let settings = |url, basic_auth| BackofficeSettings { basic_auth, ..BackofficeSettings::new(url) };
    let rules =
        routing_with(&[("volt", settings(leader.url(), None)), ("acme", settings(moved.url(), basic_auth))]);
    world.gateway.apply(rules);
    let mut link = link.unwrap();
    let closed = loop {
        if let Message::Close(frame) = link.next().await.unwrap().unwrap() {
            break frame.unwrap();
        }
    };
    assert_eq!(u16::from(closed.code), 1012);
    // The former link must be gone before there is another one.
    while link.next().await.is_some_and(|message| message.is_ok()) {}
    drop(link);
    let (asked, _link) = moved.link(Manner::Agree).await;
    assert_eq!(asked.authorization.as_deref(), Some("Basic Q1AxOnNlY3JldA=="));
    charger.assert_served().await;
    leader.assert_untouched();
    drop(led);
}

#[tokio::test]
async fn another_leader_takes_over_without_dropping_anyone() {
    let (volt, acme) = (Backoffice::new().await, Backoffice::new().await);
    let world = World::new(routing(&[("volt", &volt.url()), ("acme", &acme.url())])).await;
    let dial = Charger::dial(world.address, "CP1");
    let (mut charger, (_, former)) = tokio::join!(dial, volt.link(Manner::Agree));
    let (_, latter) = acme.link(Manner::Agree).await;
    tokio::spawn(answer_all(former.unwrap(), "{\"currentTime\":\"2026-01-01T00:00:00Z\"}"));
    tokio::spawn(answer_all(latter.unwrap(), "{\"currentTime\":\"2027-01-01T00:00:00Z\"}"));
    let mut tail = world.gateway.subscribe();
    world.gateway.apply(routing(&[("acme", &acme.url()), ("volt", &volt.url())]));
    loop {
        let (_, note) = tail.recv().await.unwrap();
        if let Note::LeaderChanged { to, .. } = &*note {
            assert_eq!(to.as_str(), "acme");
            break;
        }
    }
    charger.send(0x81, b"[2,\"1\",\"Heartbeat\",{}]").await;
    let answer = charger.frame().await;
    assert_eq!(answer.payload, b"[3,\"1\",{\"currentTime\":\"2027-01-01T00:00:00Z\"}]");
    volt.assert_untouched();
    acme.assert_untouched();
}

#[tokio::test]
async fn a_leader_that_is_reached_otherwise_is_dialed_anew_and_the_log_says_why() {
    let (leader, moved) = (Backoffice::new().await, Backoffice::new().await);
    let world = World::new(routing(&[("volt", &leader.url())])).await;
    leader.agree_with_all();
    let mut charger = Charger::dial(world.address, "CP1").await;
    charger.assert_served().await;
    world.gateway.apply(routing(&[("volt", &moved.url())]));
    let (asked, _link) = moved.link(Manner::Agree).await;
    assert_eq!(asked.path, "/csms/CP1");
    charger.assert_served().await;
    world.store.flush().await.unwrap();
    let log = world.log();
    let kind = Some("link_moved".to_owned());
    let told = log.occurrences(&store::Filter { action: kind, ..store::Filter::of("cp1".into()) }).unwrap();
    assert_eq!(told.len(), 1);
    assert!(told[0].detail.contains("reached otherwise by proxy.toml"), "{}", told[0].detail);
}

#[tokio::test]
async fn a_follower_that_could_not_be_reached_is_dialed_at_once_where_it_is_now() {
    let (leader, refusing, moved) =
        (Backoffice::new().await, Backoffice::new().await, Backoffice::new().await);
    let world = World::new(routing(&[("volt", &leader.url()), ("acme", &refusing.url())])).await;
    let mut tail = world.gateway.subscribe();
    let volt = leader.url();
    leader.agree_with_all();
    let mut charger = Charger::dial(world.address, "CP1").await;
    // Whoever is unknown there is not dialed again for minutes.
    refusing.link(Manner::Refuse(404)).await;
    loop {
        let (_, note) = tail.recv().await.unwrap();
        if let Note::LinkDown { retry_in_ms, .. } = &*note {
            assert!(retry_in_ms.is_some_and(|wait| wait > 60_000), "{retry_in_ms:?}");
            break;
        }
    }
    world.gateway.apply(routing(&[("volt", &volt), ("acme", &moved.url())]));
    let (asked, _link) = moved.link(Manner::Agree).await;
    assert_eq!(asked.path, "/csms/CP1");
    charger.assert_served().await;
}
