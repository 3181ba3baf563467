//! S3: chargers whose former socket is dead and does not know it.

use std::time::Duration;

use figures::{counted, row, scaled};
use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{Instant, advance};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::HeldClock;
use crate::backoffice::{Backoffice, Manner};
use crate::charger::Charger;
use crate::sessions::call;
use crate::world::{World, routing, settings};

/// Answers every call; a Heartbeat it answers, and then has a connector unlocked: the first the first time.
async fn command_after_each_heartbeat(mut link: WebSocketStream<TcpStream>) {
    let mut commands = 0;
    while let Some(Ok(message)) = link.next().await {
        let Message::Text(text) = message else { continue };
        let frame: Value = serde_json::from_str(&text).unwrap();
        if frame[0] != 2 {
            continue;
        }
        let time = "\"currentTime\":\"2026-11-22T12:00:00Z\"";
        let accepted = format!("[3,{},{{\"status\":\"Accepted\",\"interval\":300,{time}}}]", frame[1]);
        if link.send(Message::text(accepted)).await.is_err() {
            return;
        }
        if frame[2] == "Heartbeat" {
            commands += 1;
            let command =
                format!("[2,\"unlock-{commands}\",\"UnlockConnector\",{{\"connectorId\":{commands}}}]");
            if link.send(Message::text(command)).await.is_err() {
                return;
            }
        }
    }
}

/// The connectors that a charger is told to unlock, until it was answered and hears of this one, or until its
/// socket ends.
async fn unlocked(charger: &mut Charger, last: u64) -> Vec<u64> {
    let (mut connectors, mut answered) = (Vec::new(), false);
    while !answered || connectors.last() != Some(&last) {
        let frame = charger.frame().await;
        match frame.opcode {
            1 => {
                let frame: Value = serde_json::from_slice(&frame.payload).unwrap();
                answered |= frame[0] == 3;
                if frame[2] == "UnlockConnector" {
                    connectors.push(frame[3]["connectorId"].as_u64().unwrap());
                }
            }
            8 => break,
            _ => {}
        }
    }
    connectors
}

/// S3: chargers that come back while their former socket still counts as theirs
#[tokio::test(start_paused = true)]
async fn figure_s03_who_comes_back_is_let_in_and_told_nothing_twice() {
    let _clock = HeldClock::hold();
    let backoffice = Backoffice::new().await;
    let many = scaled(500, 20);
    let settings = gateway::Settings { handshake_burst: 10_000, ..settings() };
    let world = World::with(settings, routing(&[("volt", &backoffice.url())])).await;
    tokio::spawn(async move {
        loop {
            if let (_, Some(link)) = backoffice.link(Manner::Agree).await {
                tokio::spawn(command_after_each_heartbeat(link));
            }
        }
    });
    let mut former = Vec::new();
    for number in 0..many {
        let mut charger = Charger::dial(world.address, &format!("CP{number}")).await;
        assert_eq!(charger.status, 101);
        let boot = "{\"chargePointVendor\":\"V\",\"chargePointModel\":\"M\"}";
        call(&mut charger, "boot", "BootNotification", boot).await;
        former.push(charger);
    }
    // Commands wait a moment after the boot.
    advance(Duration::from_secs(2)).await;
    // Each has been told of a command, and does not answer it any more.
    for charger in &mut former {
        charger.send(0x81, b"[2,\"beat\",\"Heartbeat\",{}]").await;
        assert_eq!(unlocked(charger, 1).await, [1]);
    }
    // From now on nothing comes from the former sockets, not even an answer to a ping: every other one comes
    // back with another address, as after a change of the mobile network.
    let begun = Instant::now();
    let dials = (0..many).map(async |number| {
        let from = if number % 2 == 0 { "127.0.0.1" } else { "127.0.0.2" };
        let charger = Charger::dial_from(world.address, from, &format!("CP{number}")).await;
        (charger, begun.elapsed())
    });
    let (dialed, ()) = tokio::join!(join_all(dials), async {
        let refused = "ocpp_proxy_charger_connects_total{result=\"duplicate_replaced\"}";
        // Those from where they were are let in at once; only then does time go on for the others.
        while world.metric(refused).await < (many / 2) as f64 {}
        for _ in 0..5 {
            advance(Duration::from_secs(1)).await;
            // Whoever was pinged would have answered by now.
            world.metric(refused).await;
        }
    });
    let slowest = dialed.iter().map(|(_, after)| *after).max().unwrap();
    let mut present: Vec<_> = dialed.into_iter().map(|(charger, _)| charger).collect();
    let let_in = present.iter().filter(|charger| charger.status == 101).count();
    assert_eq!(let_in, many);
    assert!(slowest <= Duration::from_secs(6), "{slowest:?}");

    let (mut told_once, mut told_twice) = (0, 0);
    for (former, present) in former.iter_mut().zip(&mut present) {
        present.send(0x81, b"[2,\"beat again\",\"Heartbeat\",{}]").await;
        // What comes after the first command, on either socket.
        let both = [vec![1], unlocked(former, 0).await, unlocked(present, 2).await].concat();
        for connector in [1, 2] {
            match both.iter().filter(|other| **other == connector).count() {
                0 => {}
                1 => told_once += 1,
                _ => told_twice += 1,
            }
        }
    }
    assert_eq!((told_once, told_twice), (many * 2, 0));
    row(
        "S3",
        format!(
            "{} chargers come back while their former socket is half open, half of them from another address, each \
             with a command under way",
            counted(many)
        ),
        format!(
            "{} let in, the last after {} s of the proxy's clock; {} commands told once, {told_twice} told twice",
            counted(let_in),
            slowest.as_secs(),
            counted(told_once)
        ),
    );
}
