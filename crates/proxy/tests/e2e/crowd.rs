//! Five hundred chargers come at once, as after a power cut.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant as TokioInstant, sleep_until, timeout};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::peer::{Backoffice, Library};
use crate::support::proxy::{Proxy, rules};

const CROWD: usize = 500;

/// Connects, again and again as chargers do, until it is served; boots, and stays.
async fn boot(url: String) -> (usize, impl Sized) {
    let mut refusals = 0;
    loop {
        let mut request = url.as_str().into_client_request().unwrap();
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("ocpp1.6"));
        let host = request.uri().authority().unwrap().to_string();
        let refused = match TcpStream::connect(host).await {
            Ok(stream) => match client_async(request, stream).await {
                Ok((mut socket, _)) => {
                    let boot = json!([2, "1", "BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One"}]);
                    socket.send(Message::text(boot.to_string())).await.unwrap();
                    while let Some(message) = socket.next().await {
                        let Ok(Message::Text(text)) = message else { continue };
                        let frame: Value = serde_json::from_str(&text).unwrap();
                        assert_eq!(
                            (&frame[0], &frame[1], &frame[2]["status"]),
                            (&json!(3), &json!("1"), &json!("Accepted"))
                        );
                        return (refusals, socket);
                    }
                    panic!("{url} was closed before its boot was answered");
                }
                Err(Error::Http(answer)) => answer.status().as_u16(),
                Err(error) => panic!("{url}: {error}"),
            },
            Err(error) => panic!("{url}: {error}"),
        };
        assert!(refused == 503 || refused == 429, "{url} was refused with {refused}");
        refusals += 1;
        // A charger comes again after a moment of its own choosing.
        let moment = Duration::from_millis(200 + (url.len() as u64 * 37 + refusals as u64 * 53) % 400);
        sleep_until(TokioInstant::now() + moment).await;
    }
}

#[test]
fn five_hundred_chargers_at_once_are_all_served() {
    let leader = Backoffice::start(Library::Node, json!({}));
    let follower = Backoffice::start(Library::Node, json!({}));
    let proxy =
        Proxy::start(&rules(("volt", leader.url(), ""), &[(("acme", follower.url(), ""), "observer")]));
    let before = proxy.memory_mib();
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (refusals, sockets) = runtime.block_on(async {
        let mut crowd = JoinSet::new();
        for number in 0..CROWD {
            crowd.spawn(timeout(Duration::from_secs(20), boot(proxy.url(&format!("CP{number:03}")))));
        }
        let mut refusals = 0;
        let mut sockets = Vec::new();
        while let Some(served) = crowd.join_next().await {
            let (refused, socket) = served.unwrap().expect("served within its time");
            refusals += refused;
            sockets.push(socket);
        }
        (refusals, sockets)
    });
    assert_eq!(sockets.len(), CROWD);
    eprintln!("{CROWD} chargers were served in {:?} after {refusals} refusals", began.elapsed());
    proxy.wait_metric("ocpp_proxy_charger_connections", &[], CROWD as f64);
    let grown = proxy.memory_mib().saturating_sub(before);
    assert!(grown < 100, "memory grew by {grown} MiB");
    leader.wait_calls("BootNotification", CROWD);
    follower.wait_calls("BootNotification", CROWD);
}
