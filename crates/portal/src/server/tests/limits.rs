//! The bounds of the portal: what is within is taken, what is beyond is not.

use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use engine::{Fact, Record};
use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::world::{World, ours};
use crate::access::guard;
use crate::limits;
use crate::server::{Server, bind};

#[tokio::test]
async fn what_is_sent_is_bounded() {
    let world = World::new().await;
    let anna = world.someone("anna").await;
    let mut tried = 0;
    for (more, status) in [(0, 401), (1, 413)] {
        let form = "name=anna&password=x&next=";
        let body = form.to_owned() + &"x".repeat(limits::FORM_BYTES - form.len() + more);
        let answer = world.ask(ours("/login").body(Body::from(body)).unwrap()).await;
        assert_eq!(answer.status, status, "FORM_BYTES and {more}");
        tried += 1;
    }
    for (more, status) in [(0, 303), (1, 422)] {
        let form = format!("backoffice=acme&reason={}", "r".repeat(limits::REASON_CHARACTERS + more));
        let answer = world.post(&anna, "/chargers/CP-1/leader", &form).await;
        assert_eq!(answer.status, status, "REASON_CHARACTERS and {more}");
        tried += 1;
    }
    assert_eq!(tried, 4);
}

#[tokio::test(start_paused = true)]
async fn a_form_that_does_not_come_is_given_up() {
    let kind = "application/x-www-form-urlencoded";
    let (parts, ()) = Request::post("/login").header(CONTENT_TYPE, kind).body(()).unwrap().into_parts();
    let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
    let begun = tokio::time::Instant::now();
    let refused = guard::read_form(&parts, Body::from_stream(never)).await.unwrap_err();
    assert_eq!((refused.status.as_u16(), begun.elapsed()), (408, limits::FORM_TIMEOUT));
}

#[tokio::test]
async fn lists_are_bounded() {
    let world = World::new().await;
    let anna = world.someone("anna").await;
    let get = async |path: &str| world.get(path, Some(&anna.cookie)).await.text;
    // Three are there already.
    for number in 0..limits::ROWS {
        let boot = Fact { key: "boot".to_owned(), body: Some("{\"request\":\"{}\"}".to_owned()) };
        let charger = format!("MANY-{number:03}");
        world.store.keep(&charger.as_str().into(), vec![Record::Fact(boot)]).await.unwrap();
    }
    let page = get("/chargers").await;
    assert_eq!(page.matches("<tr data-href=").count(), limits::ROWS);
    assert!(page.contains("Next page"));

    let connectors = limits::CONNECTORS_SHOWN + 2;
    for number in 1..=connectors {
        let body = r#"{"status":"Charging","errorCode":"NoError"}"#.to_owned();
        let state = Fact { key: format!("state/{number}"), body: Some(body) };
        world.store.keep(&"CP-1".into(), vec![Record::Fact(state)]).await.unwrap();
    }
    let page = get("/chargers?q=CP-1").await;
    assert_eq!(page.matches("class=\"connector\"").count(), limits::CONNECTORS_SHOWN, "{page}");
    assert!(page.contains("and 2 more"), "{page}");

    for number in 0..limits::SWITCHES_SHOWN + 2 {
        let to = if number % 2 == 0 { "acme" } else { "" };
        let form = format!("backoffice={to}&reason=reason-{number:03}");
        assert_eq!(world.post(&anna, "/chargers/CP-1/leader", &form).await.status, 303);
    }
    let page = get("/chargers/CP-1/proxy").await;
    let shown = |number: usize| page.contains(&format!("reason-{number:03}"));
    assert_eq!(
        (0..limits::SWITCHES_SHOWN + 2).filter(|number| shown(*number)).count(),
        limits::SWITCHES_SHOWN
    );
    assert!(!shown(0) && !shown(1));

    for number in 0..limits::ADMISSIONS_SHOWN + 2 {
        let form = format!("charger=NEW-{number:03}&key=none");
        assert_eq!(world.post(&anna, "/knocking/admit", &form).await.status, 200);
    }
    let page = get("/knocking").await;
    assert_eq!(page.matches("admitted without a key").count(), limits::ADMISSIONS_SHOWN);
}

#[test]
fn places_for_tails_and_files_are_bounded() {
    use crate::tail::Places;
    let mut tried = 0;
    for (all, each) in [(limits::TAILS, limits::TAILS_EACH), (limits::EXPORTS, limits::EXPORTS_EACH)] {
        let places = Places::new(all, each);
        let of_one: Vec<_> = (0..all).filter_map(|_| places.take("anna")).collect();
        let of_others: Vec<_> = (0..all).filter_map(|number| places.take(&number.to_string())).collect();
        assert_eq!((of_one.len(), of_one.len() + of_others.len()), (each, all));
        tried += 1;
    }
    assert_eq!(tried, 2);
}

/// The server on a socket of its own.
async fn serving(world: &World) -> Server {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    Server::start(bind(any).unwrap(), world.state.clone())
}

/// The status of the answer to a request with these headers; none when the connection is closed without one.
async fn status(stream: &mut TcpStream, headers: &str) -> Option<String> {
    let request = format!("GET /login HTTP/1.1\r\nHost: portal.test\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.ok()?;
    Some(String::from_utf8(head[9..].to_vec()).unwrap())
}

#[tokio::test]
async fn the_head_of_a_request_is_bounded() {
    let world = World::new().await;
    let server = serving(&world).await;
    let headers = |count: usize| (0..count).map(|number| format!("X-{number}: x\r\n")).collect::<String>();
    let mut tried = 0;
    for (headers, is_taken) in [
        // The host is one.
        (headers(limits::REQUEST_HEADERS - 1), true),
        (headers(limits::REQUEST_HEADERS), false),
        (format!("X: {}\r\n", "x".repeat(limits::REQUEST_HEAD_BYTES / 2)), true),
        // What came with the last read is read.
        (format!("X: {}\r\n", "x".repeat(2 * limits::REQUEST_HEAD_BYTES)), false),
    ] {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let status = status(&mut stream, &headers).await;
        // 431, unless what was not read any more keeps the answer back.
        assert_eq!(status.as_deref() == Some("200"), is_taken, "{status:?} to {} bytes", headers.len());
        tried += 1;
    }
    assert_eq!(tried, 4);
}

#[tokio::test]
async fn half_a_request_is_closed() {
    let world = World::new().await;
    let server = serving(&world).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(b"GET /login HTTP/1.1\r\nHost: portal.test\r\n").await.unwrap();
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(begun.elapsed() >= limits::HEADER_READ_TIMEOUT, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn more_connections_than_there_is_room_for_wait() {
    let world = World::new().await;
    let server = serving(&world).await;
    // One is with whoever accepts.
    let others = u32::try_from(limits::CONNECTIONS - 1).unwrap();
    let others = server.room.clone().acquire_many_owned(others).await.unwrap();
    let mut last = TcpStream::connect(server.address()).await.unwrap();
    assert_eq!(status(&mut last, "").await.as_deref(), Some("200"));
    assert_eq!(server.room.available_permits(), 0);
    let mut waiting = TcpStream::connect(server.address()).await.unwrap();
    let asked = status(&mut waiting, "");
    let mut asked = std::pin::pin!(asked);
    // As long as it takes to serve another a few pages.
    for _ in 0..3 {
        world.get("/login", None).await;
        assert!(asked.as_mut().now_or_never().is_none());
    }
    drop(others);
    assert_eq!(asked.await.as_deref(), Some("200"));
}
