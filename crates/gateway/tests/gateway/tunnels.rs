//! Backoffices behind an HTTP proxy.

use gateway::{BackofficeSettings, ForwardProxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::backoffice::{Backoffice, Manner};
use crate::charger::Charger;
use crate::world::{World, mirrored, routing_with};

/// Takes one request and answers it thus; if that is a 200, passes everything on to `to`. Gives the request.
async fn forward_once(listener: TcpListener, answer: &'static str, to: std::net::SocketAddr) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let _ = stream.write_all(answer.as_bytes()).await;
    if answer.starts_with("HTTP/1.1 200") {
        let mut onward = TcpStream::connect(to).await.unwrap();
        tokio::spawn(async move { copy_bidirectional(&mut stream, &mut onward).await });
    }
    String::from_utf8(head).unwrap()
}

/// A leader whose name only the proxy knows.
async fn world(proxy: &TcpListener) -> World {
    let settings = BackofficeSettings {
        proxy: Some(ForwardProxy { host: "127.0.0.1".to_owned(), port: proxy.local_addr().unwrap().port() }),
        ..BackofficeSettings::new("ws://volt.invalid:8080/{charger}".to_owned())
    };
    World::new(mirrored(routing_with(&[("volt", settings)]))).await
}

#[tokio::test]
async fn a_backoffice_is_reached_through_a_proxy() {
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (world, backoffice) = (world(&proxy).await, Backoffice::new().await);
    let answer = "HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n";
    let (asked, (heard, link), mut charger) = tokio::join!(
        forward_once(proxy, answer, backoffice.address),
        backoffice.link(Manner::Agree),
        Charger::dial(world.address, "CP1"),
    );
    assert_eq!(asked, "CONNECT volt.invalid:8080 HTTP/1.1\r\nHost: volt.invalid:8080\r\n\r\n");
    assert_eq!(heard.path, "/CP1");
    assert_eq!(charger.status, 101);
    charger.assert_served().await;
    drop(link);
}

#[tokio::test]
async fn a_proxy_that_opens_no_tunnel_is_an_unreachable_backoffice() {
    let answers = [
        "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "",
    ];
    for answer in answers {
        let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (world, backoffice) = (world(&proxy).await, Backoffice::new().await);
        let (_, charger) = tokio::join!(
            forward_once(proxy, answer, backoffice.address),
            Charger::dial(world.address, "CP1")
        );
        assert_eq!(charger.status, 503, "{answer:?}");
        let failed = "ocpp_proxy_backoffice_connects_total{backoffice=\"volt\",result=\"unreachable\"}";
        assert_eq!(world.metric(failed).await, 1.0, "{answer:?}");
        backoffice.assert_untouched();
    }
    assert_eq!(answers.len(), 5);
}

/// The charger's own credentials are between it and us.
#[tokio::test]
async fn the_chargers_credentials_reach_no_backoffice() {
    use crate::charger::UPGRADE;
    let (leader, follower) = (Backoffice::new().await, Backoffice::new().await);
    let settings = |backoffice: &Backoffice| BackofficeSettings::new(backoffice.url());
    let routing = routing_with(&[("volt", settings(&leader)), ("acme", settings(&follower))]);
    let world = World::new(routing).await;
    let headers =
        format!("{UPGRADE}Sec-WebSocket-Protocol: ocpp1.6\r\nAuthorization: Basic Q1AxOmNhbmFyeQ==\r\n");
    let ((to_leader, _one), charger, (to_follower, _other)) = tokio::join!(
        leader.link(Manner::Agree),
        Charger::request(world.address, "127.0.0.1", "GET /ocpp/CP1 HTTP/1.1", &headers),
        follower.link(Manner::Agree),
    );
    assert_eq!(charger.status, 101);
    assert_eq!((to_leader.authorization, to_follower.authorization), (None, None));
}
