//! A backoffice that does as it is told during the handshake and then listens.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

pub(crate) struct Backoffice {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// What it does with a handshake.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Manner {
    /// Chooses the first version that it is offered.
    Agree,
    /// Chooses no version.
    Silent,
    /// Chooses a version that it was not offered.
    Other,
    /// Answers with an HTTP status.
    Refuse(u16),
    /// Chooses an extension that it was not offered.
    Compress,
}

/// What it was asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) offered: String,
    pub(crate) authorization: Option<String>,
}

impl Backoffice {
    pub(crate) async fn new() -> Backoffice {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Backoffice { address: listener.local_addr().unwrap(), listener }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/csms/{{charger}}", self.address)
    }

    /// The next connection, before its handshake.
    pub(crate) async fn connection(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }

    /// The next link; `None` when the manner was to refuse it.
    pub(crate) async fn link(&self, manner: Manner) -> (Asked, Option<WebSocketStream<TcpStream>>) {
        shake_hands(self.connection().await, manner).await
    }

    /// Nobody has dialed so far.
    pub(crate) fn assert_untouched(self) {
        let listener = self.listener.into_std().unwrap();
        let nobody = listener.accept().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        assert!(nobody, "the backoffice was dialed");
    }

    /// Agrees with everyone for ever, and keeps the links open.
    pub(crate) fn agree_with_all(self) {
        tokio::spawn(async move {
            let mut links = Vec::new();
            loop {
                links.push(self.link(Manner::Agree).await);
            }
        });
    }
}

/// Answers every CALL with this payload until the link ends.
pub(crate) async fn answer_all(mut link: WebSocketStream<TcpStream>, payload: &str) {
    while let Some(Ok(message)) = link.next().await {
        if let Message::Text(text) = message
            && let (2, id, ..) = serde_json::from_str::<(u8, String, String, Value)>(&text).unwrap()
        {
            let answer = format!("[3,\"{id}\",{payload}]");
            if link.send(Message::text(answer)).await.is_err() {
                return;
            }
        }
    }
}

#[expect(clippy::result_large_err, reason = "the library's own callback type")]
pub(crate) async fn shake_hands<S>(stream: S, manner: Manner) -> (Asked, Option<WebSocketStream<S>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut asked = Asked::default();
    let callback = |request: &Request, mut response: Response| {
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        asked.path = request.uri().to_string();
        asked.offered = header("sec-websocket-protocol").unwrap_or_default();
        asked.authorization = header("authorization");
        assert_eq!(header("sec-websocket-extensions"), None);
        let mut choose = |version: &str| {
            response.headers_mut().insert("sec-websocket-protocol", version.parse().unwrap());
        };
        match manner {
            Manner::Agree => choose("ocpp1.6"),
            Manner::Other => choose("ocpp2.0.1"),
            Manner::Silent => {}
            Manner::Refuse(status) => {
                let mut refusal = ErrorResponse::new(None);
                *refusal.status_mut() = status.try_into().unwrap();
                return Err(refusal);
            }
            Manner::Compress => {
                choose("ocpp1.6");
                response
                    .headers_mut()
                    .insert("sec-websocket-extensions", "permessage-deflate".parse().unwrap());
            }
        }
        Ok(response)
    };
    let link = accept_hdr_async(stream, callback).await.ok();
    (asked, link)
}
