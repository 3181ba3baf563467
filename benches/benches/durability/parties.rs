//! Chargers and backoffices that do nothing but what is measured.

use std::net::SocketAddr;
use std::time::Instant;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// MeterValues in a session.
const SAMPLES: usize = 8;
/// Heartbeats in a session.
const HEARTBEATS: usize = 4;
/// Messages of a session that must not be lost.
pub(crate) const TRANSACTION_MESSAGES: usize = SAMPLES + 2;
/// All calls of a session.
pub(crate) const CALLS: usize = TRANSACTION_MESSAGES + HEARTBEATS;

/// How long answers took, in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Times {
    pub(crate) kept_us: Vec<f64>,
    pub(crate) heartbeat_us: Vec<f64>,
}

impl Times {
    pub(crate) fn add(&mut self, other: Times) {
        self.kept_us.extend(other.kept_us);
        self.heartbeat_us.extend(other.heartbeat_us);
    }
}

/// A charger that says one thing at a time, as OCPP wants it.
pub(crate) struct Charger {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    calls: u64,
}

impl Charger {
    /// Connected and booted.
    pub(crate) async fn connect(gateway: SocketAddr, name: &str) -> Self {
        let url = format!("ws://{gateway}/ocpp/{name}").parse().unwrap();
        let request = ClientRequestBuilder::new(url).with_sub_protocol("ocpp1.6");
        let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        let mut charger = Self { socket, calls: 0 };
        let boot = r#"{"chargePointVendor":"Bench","chargePointModel":"1"}"#;
        charger.call("BootNotification", boot).await;
        charger
    }

    /// One charging session.
    pub(crate) async fn charge(&mut self) -> Times {
        let mut times = Times::default();
        // No two messages are equal: a charger that repeats itself is told apart from one that goes on.
        let start = format!(
            r#"{{"connectorId":1,"idTag":"CARD","meterStart":{},"timestamp":"{}"}}"#,
            self.calls,
            self.timestamp()
        );
        let (answer, took) = self.call("StartTransaction", &start).await;
        times.kept_us.push(took);
        let number = answer["transactionId"].as_i64().unwrap();
        for sample in 0..SAMPLES {
            let values = format!(
                r#"{{"connectorId":1,"transactionId":{number},"meterValue":[{{"timestamp":"{}","sampledValue":[{{"value":"{}","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register","unit":"Wh"}},{{"value":"16.02","context":"Sample.Periodic","measurand":"Current.Import","phase":"L1","unit":"A"}}]}}]}}"#,
                self.timestamp(),
                self.calls
            );
            times.kept_us.push(self.call("MeterValues", &values).await.1);
            if sample < HEARTBEATS {
                times.heartbeat_us.push(self.call("Heartbeat", "{}").await.1);
            }
        }
        let stop = format!(
            r#"{{"transactionId":{number},"meterStop":{},"timestamp":"{}"}}"#,
            self.calls,
            self.timestamp()
        );
        times.kept_us.push(self.call("StopTransaction", &stop).await.1);
        times
    }

    /// The charger's own clock goes by what it has said.
    fn timestamp(&self) -> String {
        let (minute, second) = (self.calls / 60 % 60, self.calls % 60);
        format!("2026-11-22T{:02}:{minute:02}:{second:02}Z", self.calls / 3600 % 24)
    }

    /// The answer, and after how many microseconds it was there.
    async fn call(&mut self, action: &str, payload: &str) -> (Value, f64) {
        self.calls += 1;
        let begun = Instant::now();
        let call = format!("[2,\"{}\",\"{action}\",{payload}]", self.calls);
        self.socket.send(Message::text(call)).await.unwrap();
        loop {
            let message = self.socket.next().await.expect("the proxy stays").unwrap();
            let took = begun.elapsed().as_secs_f64() * 1e6;
            if let Message::Text(text) = message {
                let (kind, id, answer): (u8, String, Value) = serde_json::from_str(&text).unwrap();
                assert_eq!((kind, id), (3, self.calls.to_string()), "{text}");
                return (answer, took);
            }
        }
    }
}

/// A backoffice that answers everything at once. It is gone when this is dropped.
pub(crate) struct Backoffice {
    pub(crate) address: SocketAddr,
    /// StartTransaction, MeterValues and StopTransaction heard.
    heard: watch::Receiver<u64>,
    expected: u64,
    listening: JoinHandle<()>,
}

impl Backoffice {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (counted, heard) = watch::channel(0);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, counted.clone()));
            }
        });
        Self { address, heard, expected: 0, listening }
    }

    /// Resolves when it has heard so many more transaction messages than before.
    pub(crate) async fn has_heard(&mut self, more: u64) {
        self.expected += more;
        let expected = self.expected;
        self.heard.wait_for(|heard| *heard >= expected).await.unwrap();
    }
}

impl Drop for Backoffice {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn answer(stream: TcpStream, heard: watch::Sender<u64>) {
    #[expect(clippy::result_large_err, reason = "the shape of the callback is the WebSocket library's")]
    let agree = |_: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("ocpp1.6"));
        Ok(response)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, agree).await else { return };
    let mut transactions = 0;
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        let Ok((2, id, action, _)) = serde_json::from_str::<(u8, String, String, Value)>(&text) else {
            continue;
        };
        let payload = match action.as_str() {
            "BootNotification" => {
                r#"{"status":"Accepted","currentTime":"2026-11-22T12:00:00Z","interval":300}"#.to_owned()
            }
            "Heartbeat" => r#"{"currentTime":"2026-11-22T12:00:00Z"}"#.to_owned(),
            "StartTransaction" => {
                transactions += 1;
                format!(r#"{{"transactionId":{transactions},"idTagInfo":{{"status":"Accepted"}}}}"#)
            }
            _ => "{}".to_owned(),
        };
        if socket.send(Message::text(format!("[3,\"{id}\",{payload}]"))).await.is_err() {
            return;
        }
        if matches!(action.as_str(), "StartTransaction" | "MeterValues" | "StopTransaction") {
            heard.send_modify(|heard| *heard += 1);
        }
    }
}
