//! A small backoffice on a real socket: everything a charger needs to hear, for any charger.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use engine::{Moment, Tick};
use sim::{Backoffice, BackofficeNews, BackofficeSettings, Command};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::wire::{Clock, Order, Party, converse};

type Desks = Arc<Mutex<HashMap<String, mpsc::UnboundedSender<Order<Backoffice>>>>>;

/// A listening backoffice.
#[derive(Debug)]
pub(super) struct BackofficeServer {
    pub(super) address: SocketAddr,
    desks: Desks,
}

impl BackofficeServer {
    /// Listens on a free port of this machine.
    pub(super) async fn start(settings: BackofficeSettings, clock: Clock) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no free port for a backoffice")?;
        let address = listener.local_addr().context("a listening socket has no address")?;
        let desks = Desks::default();
        let all = desks.clone();
        tokio::spawn(async move {
            // When accepting fails, the demo has no use for this backoffice any more.
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, settings.clone(), clock, all.clone()));
            }
        });
        Ok(Self { address, desks })
    }

    /// Has a command sent to a charger.
    ///
    /// # Errors
    /// The charger is not connected here.
    pub(super) fn command(&self, charger: &str, command: Command) -> anyhow::Result<()> {
        let desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        let desk =
            desks.get(charger).with_context(|| format!("{charger} is not connected to this backoffice"))?;
        let order: Order<Backoffice> = Box::new(move |backoffice, now| backoffice.command(now, command));
        desk.send(order).ok().with_context(|| format!("the link of {charger} has just ended"))
    }
}

/// One charger's connection, from the handshake to its end.
async fn serve(socket: TcpStream, settings: BackofficeSettings, clock: Clock, desks: Desks) {
    let mut charger = String::new();
    #[expect(clippy::result_large_err, reason = "the shape of the callback is the WebSocket library's")]
    let greet = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        charger = request.uri().path().trim_start_matches('/').to_owned();
        let version = HeaderValue::from_static("ocpp1.6");
        response.headers_mut().insert("Sec-WebSocket-Protocol", version);
        Ok(response)
    };
    let Ok(socket) = tokio_tungstenite::accept_hdr_async(socket, greet).await else { return };
    let (orders, mut taken) = mpsc::unbounded_channel();
    let (news, unread) = mpsc::unbounded_channel();
    // What happens here is told from the proxy's side.
    drop(unread);
    desks.lock().unwrap_or_else(PoisonError::into_inner).insert(charger, orders);
    let mut backoffice = Backoffice::new(settings, u64::from(clock.now().unix_ms.unsigned_abs() as u32));
    backoffice.connected(clock.now());
    // However the connection ends, the proxy will dial again.
    let _ = converse(&mut backoffice, socket, clock, &mut taken, &news).await;
}

impl Party for Backoffice {
    type News = BackofficeNews;

    fn heard(&mut self, now: Moment, text: &str) {
        self.heard(now, text);
    }

    fn woke(&mut self, now: Moment) {
        self.woke(now);
    }

    fn poll_frame(&mut self) -> Option<String> {
        self.poll_frame()
    }

    fn poll_deadline(&self) -> Option<Tick> {
        self.poll_deadline()
    }

    fn poll_news(&mut self) -> Option<BackofficeNews> {
        self.poll_news()
    }
}
