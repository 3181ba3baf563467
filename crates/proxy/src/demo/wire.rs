//! Puts a simulated party on a real WebSocket.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine::{Moment, Tick};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

/// A party of the simulation that can be put on a socket.
pub(super) trait Party: Send {
    /// What it has to tell.
    type News: Send;
    fn heard(&mut self, now: Moment, text: &str);
    fn woke(&mut self, now: Moment);
    fn poll_frame(&mut self) -> Option<String>;
    fn poll_deadline(&self) -> Option<Tick>;
    fn poll_news(&mut self) -> Option<Self::News>;
}

/// Something to do with a party, at the moment it is its turn.
pub(super) type Order<P> = Box<dyn FnOnce(&mut P, Moment) + Send>;

/// The demo's clock, for all parties.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    start: Instant,
    start_unix: Duration,
}

impl Clock {
    pub(super) fn start() -> Self {
        let start_unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: Instant::now(), start_unix }
    }

    pub(super) fn now(&self) -> Moment {
        let elapsed = self.start.elapsed();
        let unix_ms = (self.start_unix + elapsed).as_millis();
        Moment { tick: Tick(elapsed.as_micros() as u64), unix_ms: i64::try_from(unix_ms).unwrap_or(i64::MAX) }
    }

    /// Returns once the tick has come; never without one.
    async fn reaches(&self, tick: Option<Tick>) {
        match tick {
            Some(tick) => tokio::time::sleep_until((self.start + Duration::from_micros(tick.0)).into()).await,
            None => std::future::pending().await,
        }
    }
}

/// Lets a party talk until its socket ends.
///
/// # Errors
/// The socket failed in the middle.
pub(super) async fn converse<P: Party, S: AsyncRead + AsyncWrite + Unpin>(
    party: &mut P,
    mut socket: WebSocketStream<S>,
    clock: Clock,
    orders: &mut mpsc::UnboundedReceiver<Order<P>>,
    news: &mpsc::UnboundedSender<P::News>,
) -> Result<(), Error> {
    loop {
        while let Some(text) = party.poll_frame() {
            socket.send(Message::text(text)).await?;
        }
        while let Some(item) = party.poll_news() {
            // Nobody may be listening any more.
            let _ = news.send(item);
        }
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => party.heard(clock.now(), &text),
                Some(Ok(Message::Close(_))) | None => return Ok(()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
            },
            Some(order) = orders.recv() => order(party, clock.now()),
            () = clock.reaches(party.poll_deadline()) => party.woke(clock.now()),
        }
    }
}
