//! Who gets in, with which version, and what the others are told.

use std::sync::Arc;

use gateway::{Gateway, LeaderSource, Metrics, Pattern, Rule};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::backoffice::{Backoffice, Manner};
use crate::charger::{Charger, UPGRADE, connect};
use crate::world::{World, mirrored, routing, settings};

#[tokio::test]
async fn requests_that_are_not_let_in() {
    let backoffice = Backoffice::new().await;
    let world = World::new(routing(&[("volt", &backoffice.url())])).await;
    let long = "x".repeat(300);
    let long = format!("GET /ocpp/CP{long} HTTP/1.1");
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let without_version = format!("{upgrade}{key}");
    let old_version = format!("{upgrade}{key}Sec-WebSocket-Version: 8\r\n");
    let without_key = format!("{upgrade}Sec-WebSocket-Version: 13\r\n");
    let empty_key = format!("{without_key}Sec-WebSocket-Key: \r\n");
    let http2_upgrade = format!("Connection: Upgrade\r\nUpgrade: h2c\r\nSec-WebSocket-Version: 13\r\n{key}");
    let cases: &[(&str, &str, u16)] = &[
        // Nothing there.
        ("GET / HTTP/1.1", UPGRADE, 404),
        ("GET /ocpp HTTP/1.1", UPGRADE, 404),
        ("GET /ocpp/ HTTP/1.1", UPGRADE, 404),
        ("GET /ocpp/?id=CP1 HTTP/1.1", UPGRADE, 404),
        ("GET /metrics HTTP/1.1", "", 404),
        ("GET /healthz HTTP/1.1", "", 404),
        ("GET /readyz HTTP/1.1", "", 404),
        ("GET /OCPP/CP1 HTTP/1.1", UPGRADE, 404),
        // No charger of ours.
        ("GET /ocpp/XX1 HTTP/1.1", UPGRADE, 404),
        ("GET /ocpp/CP1/other HTTP/1.1", UPGRADE, 404),
        // No identity.
        ("GET /ocpp/CP%2F1 HTTP/1.1", UPGRADE, 400),
        ("GET /ocpp/CP%5C1 HTTP/1.1", UPGRADE, 400),
        ("GET /ocpp/CP%001 HTTP/1.1", UPGRADE, 400),
        ("GET /ocpp/CP1%0d%0aX HTTP/1.1", UPGRADE, 400),
        ("GET /ocpp/../CP1 HTTP/1.1", UPGRADE, 400),
        ("GET /ocpp/%2e%2e/CP1 HTTP/1.1", UPGRADE, 400),
        ("GET /ocpp/CP.. HTTP/1.1", UPGRADE, 400),
        ("GET /ocpp/CP:1 HTTP/1.1", UPGRADE, 400),
        ("GET /ocpp/CP%3A1 HTTP/1.1", UPGRADE, 400),
        ("GET /ocpp/CP%FF HTTP/1.1", UPGRADE, 400),
        ("GET /ocpp/CP%E2%80%AE1 HTTP/1.1", UPGRADE, 400),
        ("GET /ocpp/CP% HTTP/1.1", UPGRADE, 400),
        (&long, UPGRADE, 400),
        // No WebSocket.
        ("GET /ocpp/CP1 HTTP/1.1", "", 426),
        ("GET /ocpp/CP1 HTTP/1.1", &http2_upgrade, 426),
        ("GET /ocpp/CP1 HTTP/1.1", &without_version, 426),
        ("GET /ocpp/CP1 HTTP/1.1", &old_version, 426),
        ("GET /ocpp/CP1 HTTP/1.1", &without_key, 400),
        ("GET /ocpp/CP1 HTTP/1.1", &empty_key, 400),
        ("POST /ocpp/CP1 HTTP/1.1", UPGRADE, 400),
        ("GET /ocpp/CP1 HTTP/1.0", UPGRADE, 400),
    ];
    for (line, headers, status) in cases {
        let charger = Charger::request(world.address, "127.0.0.1", line, headers).await;
        assert_eq!(charger.status, *status, "{line} {headers}");
    }
    assert_eq!(cases.len(), 31);
    backoffice.assert_untouched();
}

#[tokio::test]
async fn versions_are_agreed_with_the_leader_and_answered_as_offered() {
    let offers: &[(&str, &str, Option<&str>)] = &[
        ("/ocpp/CP1", "Sec-WebSocket-Protocol: ocpp1.6\r\n", Some("ocpp1.6")),
        ("/ocpp/CP2?x=1", "Sec-WebSocket-Protocol: ocpp2.1, ocpp2.0.1, ocpp1.6\r\n", Some("ocpp1.6")),
        (
            "/ocpp/CP3/",
            "Sec-WebSocket-Protocol: ocpp2.0.1\r\nSec-WebSocket-Protocol: ocpp1.6\r\n",
            Some("ocpp1.6"),
        ),
        ("/ocpp/CP4", "Sec-WebSocket-Protocol: ocpp1.6,ocpp1.6\r\n", Some("ocpp1.6")),
        ("/ocpp/tenant/CP5", "", None),
        ("/ocpp/CP%206", "Sec-WebSocket-Protocol: \r\n", None),
    ];
    let paths = ["/csms/CP1", "/csms/CP2", "/csms/CP3", "/csms/CP4", "/csms/CP5", "/csms/CP%206"];
    let backoffice = Backoffice::new().await;
    let world = World::new(routing(&[("volt", &backoffice.url())])).await;
    for ((path, offer, answer), dialed) in offers.iter().zip(paths) {
        let (line, headers) = (format!("GET {path} HTTP/1.1"), format!("{UPGRADE}{offer}"));
        let dial = Charger::request(world.address, "127.0.0.1", &line, &headers);
        let (mut charger, (asked, link)) = tokio::join!(dial, backoffice.link(Manner::Agree));
        assert_eq!(charger.status, 101, "{path}");
        assert_eq!(charger.header("Sec-WebSocket-Protocol"), *answer, "{path}");
        assert_eq!(charger.header("Sec-WebSocket-Accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!((asked.path.as_str(), asked.offered.as_str()), (dialed, "ocpp1.6"));
        assert_eq!(asked.authorization, None, "the charger's own credentials go nowhere");
        charger.assert_served().await;
        drop(link);
    }
    assert_eq!(offers.len(), 6);
}

#[tokio::test]
async fn figure_s09_no_extension_is_ever_agreed() {
    let backoffice = Backoffice::new().await;
    let world = World::new(routing(&[("volt", &backoffice.url())])).await;
    backoffice.agree_with_all();
    let offers = [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate, permessage-deflate; client_max_window_bits=9",
        "x-webkit-deflate-frame",
        "permessage-bzip2",
        "permessage-deflate;",
        "permessage-deflate; server_max_window_bits=\"15\"",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
        "PERMESSAGE-DEFLATE",
        "permessage-deflate, mux",
        "bbf-usp-protocol",
        "permessage-snappy; level=9",
        "permessage-lz4",
        "deflate-stream",
        "permessage-deflate\t;\tserver_no_context_takeover",
        "mux",
        ",",
        "",
    ];
    let mut connected = 0;
    for (number, offer) in offers.iter().enumerate() {
        let headers =
            format!("{UPGRADE}Sec-WebSocket-Protocol: ocpp1.6\r\nSec-WebSocket-Extensions: {offer}\r\n");
        let line = format!("GET /ocpp/CP{number} HTTP/1.1");
        let charger = Charger::request(world.address, "127.0.0.1", &line, &headers).await;
        assert_eq!((charger.status, charger.header("Sec-WebSocket-Extensions")), (101, None), "{offer}");
        connected += 1;
    }
    assert_eq!(connected, 20);
    figures::row("S9", format!("{connected} handshakes that offer extensions"), "0 extensions agreed");
}

#[tokio::test]
async fn odd_but_harmless_handshakes_are_let_in() {
    let backoffice = Backoffice::new().await;
    let world = World::new(routing(&[("volt", &backoffice.url())])).await;
    backoffice.agree_with_all();
    let rest = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ocpp1.6\r\n";
    let oddities = [
        // No Connection: Upgrade.
        format!("Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{rest}"),
        format!(
            "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{rest}"
        ),
        // A key that is not 16 bytes long.
        format!("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: short\r\n{rest}"),
    ];
    for (number, headers) in oddities.iter().enumerate() {
        let line = format!("GET /ocpp/CP{number} HTTP/1.1");
        let mut charger = Charger::request(world.address, "127.0.0.1", &line, headers).await;
        assert_eq!(charger.status, 101, "{headers}");
        charger.assert_served().await;
    }
    assert_eq!(oddities.len(), 3);
}

#[tokio::test]
async fn the_charger_is_answered_after_the_leader() {
    let backoffice = Backoffice::new().await;
    let world = World::new(routing(&[("volt", &backoffice.url())])).await;
    let mut stream = connect(world.address, "127.0.0.1").await;
    let request =
        format!("GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\n{UPGRADE}Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let leader = backoffice.connection().await;
    leader.readable().await.unwrap();
    let early = stream.try_read(&mut [0; 1]);
    assert_eq!(early.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    let (_, link) = crate::backoffice::shake_hands(leader, Manner::Agree).await;
    let charger = Charger::answered(stream).await;
    assert_eq!(charger.status, 101);
    assert!(link.is_some());
}

#[tokio::test]
async fn a_mirrored_leader_that_cannot_serve_means_come_again_later() {
    for manner in [Manner::Refuse(503), Manner::Refuse(401), Manner::Refuse(302), Manner::Compress] {
        let backoffice = Backoffice::new().await;
        let world = World::new(mirrored(routing(&[("volt", &backoffice.url())]))).await;
        let dial = Charger::dial(world.address, "CP1");
        let (charger, _) = tokio::join!(dial, backoffice.link(manner));
        assert_eq!(charger.status, 503, "{manner:?}");
        let wait: u32 = charger.header("Retry-After").unwrap().parse().unwrap();
        assert!((5..=60).contains(&wait), "{wait}");
        // Whoever comes back at once does not make us dial at once.
        assert_eq!(Charger::dial(world.address, "CP1").await.status, 503);
        backoffice.assert_untouched();
    }
}

#[tokio::test]
async fn a_mirrored_leader_that_is_not_there_means_come_again_later() {
    let gone = Backoffice::new().await.url();
    let world = World::new(mirrored(routing(&[("volt", &gone)]))).await;
    assert_eq!(Charger::dial(world.address, "CP1").await.status, 503);
    let unreachable =
        world.metric("ocpp_proxy_backoffice_connects_total{backoffice=\"volt\",result=\"unreachable\"}");
    assert_eq!(unreachable.await, 1.0);
    let refused = world.metric("ocpp_proxy_charger_connects_total{result=\"leader_down\"}").await;
    assert_eq!(refused, 1.0);
}

#[tokio::test]
async fn without_a_common_version_the_handshake_ends_without_one_and_closes() {
    for manner in [Manner::Silent, Manner::Other] {
        let backoffice = Backoffice::new().await;
        let world = World::new(routing(&[("volt", &backoffice.url())])).await;
        let dial = Charger::dial(world.address, "CP1");
        let (mut charger, _) = tokio::join!(dial, backoffice.link(manner));
        assert_eq!((charger.status, charger.header("Sec-WebSocket-Protocol")), (101, None), "{manner:?}");
        assert_eq!(charger.frame().await.closed(), (1002, "no OCPP version in common"));
    }
    let backoffice = Backoffice::new().await;
    let world = World::new(routing(&[("volt", &backoffice.url())])).await;
    let headers = format!("{UPGRADE}Sec-WebSocket-Protocol: ocpp2.0.1, ocpp1.5\r\n");
    let line = "GET /ocpp/CP1 HTTP/1.1";
    let mut charger = Charger::request(world.address, "127.0.0.1", line, &headers).await;
    assert_eq!((charger.status, charger.header("Sec-WebSocket-Protocol")), (101, None));
    assert_eq!(charger.frame().await.closed().0, 1002);
    backoffice.assert_untouched();
}

#[tokio::test]
async fn too_many_handshakes_are_turned_away() {
    let backoffice = Backoffice::new().await;
    let few = gateway::Settings { handshakes_per_second: 0, handshake_burst: 2, ..settings() };
    let world = World::with(few, routing(&[("volt", &backoffice.url())])).await;
    backoffice.agree_with_all();
    assert_eq!(Charger::dial(world.address, "CP1").await.status, 101);
    // Strangers do not use up what chargers need.
    assert_eq!(Charger::dial(world.address, "XX1").await.status, 404);
    assert_eq!(Charger::dial(world.address, "CP2").await.status, 101);
    let third = Charger::dial(world.address, "CP3").await;
    assert_eq!(third.status, 503);
    assert!(third.header("Retry-After").is_some());
}

#[tokio::test]
async fn half_open_handshakes_are_bounded() {
    let few = gateway::Settings { half_open_handshakes: 1, ..settings() };
    let backoffice = Backoffice::new().await;
    let world = World::with(few, routing(&[("volt", &backoffice.url())])).await;
    let first = Charger::dial(world.address, "CP1");
    let rest = async {
        // The first one has asked: the leader is being dialed.
        let dialed = backoffice.connection().await;
        let second = Charger::answered(connect(world.address, "127.0.0.1").await).await;
        assert_eq!(second.status, 503);
        assert!(second.header("Retry-After").is_some());
        let link = crate::backoffice::shake_hands(dialed, Manner::Agree).await;
        assert!(link.1.is_some());
        link
    };
    let (first, _link) = tokio::join!(first, rest);
    assert_eq!(first.status, 101);
}

#[tokio::test]
async fn silent_connections_make_room_for_those_who_ask() {
    let few = gateway::Settings { half_open_handshakes: 2, ..settings() };
    let world = World::with(few, routing(&[("volt", "ws://127.0.0.1:9/")])).await;
    let mut silent = Vec::new();
    for half in ["", "GET /ocpp/CP1", "", "GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\n", "", ""] {
        let mut stream = connect(world.address, "127.0.0.1").await;
        stream.write_all(half.as_bytes()).await.unwrap();
        silent.push(stream);
        let asking = Charger::request(world.address, "127.0.0.1", "GET /nowhere HTTP/1.1", UPGRADE).await;
        assert_eq!(asking.status, 404);
    }
    // The oldest ones were ended: by an end or by a reset.
    let mut rest = Vec::new();
    let ended = silent[0].read_to_end(&mut rest).await;
    assert!(ended.is_err() || rest.is_empty(), "{rest:?}");
    assert_eq!(silent.len(), 6);
}

#[tokio::test]
async fn whoever_is_slow_keeps_its_place_while_another_address_takes_all_others() {
    let few = gateway::Settings { half_open_handshakes: 8, ..settings() };
    let world = World::with(few, routing(&[("volt", "ws://127.0.0.1:9/")])).await;
    let mut slow = connect(world.address, "127.0.0.1").await;
    slow.write_all(b"GET /nowhere HTTP/1.1\r\n").await.unwrap();
    let mut flood = Vec::new();
    for _ in 0..50 {
        flood.push(connect(world.address, "127.0.0.66").await);
    }
    // All were accepted before this one is answered.
    let asking = Charger::request(world.address, "127.0.0.2", "GET /nowhere HTTP/1.1", UPGRADE).await;
    assert_eq!(asking.status, 404);
    slow.write_all(format!("Host: gateway\r\n{UPGRADE}\r\n").as_bytes()).await.unwrap();
    assert_eq!(Charger::answered(slow).await.status, 404, "it was the oldest, and alone there");
    assert_eq!(flood.len(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_half_sent_request_is_closed() {
    let world = World::new(routing(&[("volt", "ws://127.0.0.1:9/")])).await;
    let begun = tokio::time::Instant::now();
    for half in ["", "GET /ocpp/CP1", "GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"] {
        let mut stream = connect(world.address, "127.0.0.1").await;
        stream.write_all(half.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        // A reset is as good as an end.
        let _ = stream.read_to_end(&mut rest).await;
    }
    let taken = begun.elapsed().as_secs();
    assert!((30..60).contains(&taken), "{taken}");
}

#[tokio::test]
async fn a_request_head_is_bounded() {
    let world = World::new(routing(&[("volt", "ws://127.0.0.1:9/")])).await;
    let mut stream = connect(world.address, "127.0.0.1").await;
    let endless = format!("GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nX-Filler: {}", "x".repeat(20_000));
    let _ = stream.write_all(endless.as_bytes()).await;
    assert_eq!(Charger::answered(stream).await.status, 431);
}

#[tokio::test]
async fn two_spellings_are_one_charger_and_backoffices_get_the_first() {
    let backoffice = Backoffice::new().await;
    let world = World::new(routing(&[("volt", &backoffice.url())])).await;
    let dial = Charger::dial(world.address, "Cp%20a");
    let (mut first, (asked, link)) = tokio::join!(dial, backoffice.link(Manner::Agree));
    assert_eq!((first.status, asked.path.as_str()), (101, "/csms/Cp%20a"));
    first.assert_served().await;
    // The same session: the leader is not dialed again, and the former socket is replaced.
    let mut second = Charger::dial(world.address, "CP%20A").await;
    assert_eq!(second.status, 101);
    second.assert_served().await;
    assert_eq!(first.closed().await.closed(), (1008, "replaced"));
    drop((second, link));
    world.gateway.drain(std::time::Duration::from_secs(5)).await;
    world.store.flush().await.unwrap();

    // What was remembered tells the spelling, whoever writes it how.
    let gateway = Gateway::start(
        settings(),
        routing(&[("volt", &backoffice.url())]),
        world.store.clone(),
        Metrics::new("test"),
    );
    let gateway = gateway.await.unwrap();
    let dial = Charger::dial(gateway.charger_address().unwrap(), "cP%20A");
    let (third, (asked, _link)) = tokio::join!(dial, backoffice.link(Manner::Agree));
    assert_eq!((third.status, asked.path.as_str()), (101, "/csms/Cp%20a"));
}

#[tokio::test]
async fn an_identity_in_the_rules_counts_as_it_is_written_there() {
    let backoffice = Backoffice::new().await;
    let mut rules = routing(&[("volt", &backoffice.url())]);
    let plan = rules.rules[0].plan.clone();
    rules.rules.insert(
        0,
        Rule {
            pattern: Pattern::new("Cp-One").unwrap(),
            plan,
            leader_source: LeaderSource::Portal,
            entrance: Arc::default(),
        },
    );
    let world = World::new(rules).await;
    let dial = Charger::dial(world.address, "CP-ONE");
    let (charger, (asked, _link)) = tokio::join!(dial, backoffice.link(Manner::Agree));
    assert_eq!((charger.status, asked.path.as_str()), (101, "/csms/Cp-One"));
}
