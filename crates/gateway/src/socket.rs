//! One polled WebSocket with a bounded outgoing queue. Nothing here waits: what cannot be written
//! now stays in the queue, and a queue over its bound means that the peer is too slow.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use engine::{Departure, Text, Violation};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};

use crate::limits::{
    DEPARTING_READ_BYTES, MESSAGE_COMPLETION, QUEUED_PINGS, READ_BYTES_PER_TURN, WRITE_STALL,
};
use crate::wire::Wire;

/// A WebSocket after its handshake.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: WebSocketStream<Wire>,
    waiting: VecDeque<Message>,
    /// Payload bytes in `waiting` and of the message that is being written.
    unsent_bytes: usize,
    /// Of the message that is being written.
    in_flight_bytes: usize,
    /// Something was handed to the stream that may not be on the wire yet.
    unflushed: bool,
    /// What may wait besides one message of any size.
    queue_bytes: usize,
    waiting_pings: usize,
    /// A close frame has been queued: nothing more is said.
    closing: bool,
    /// The WebSocket layer will not read any further.
    read_ended: bool,
    /// The WebSocket layer has asked for more than there was.
    read_on: bool,
    /// It is ourselves who do not read at present.
    held_back: bool,
    progress: Option<Progress>,
}

/// When unsent bytes last moved.
#[derive(Debug, Clone, Copy)]
struct Progress {
    at: Instant,
    written: u64,
}

/// What a socket brings.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A text message.
    Text(Text),
    /// A ping or a pong.
    Alive,
    /// It is over. After anything but [`Departure::Lost`] there is still a close frame to send.
    Gone(Departure),
}

/// The queue is over its bound.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooSlow;

impl Socket {
    /// Takes over a stream after its handshake; `queue_bytes` may wait besides one message.
    pub(crate) fn new(stream: WebSocketStream<Wire>, queue_bytes: usize) -> Self {
        Self {
            stream,
            waiting: VecDeque::new(),
            unsent_bytes: 0,
            in_flight_bytes: 0,
            unflushed: false,
            queue_bytes,
            waiting_pings: 0,
            closing: false,
            read_ended: false,
            read_on: false,
            held_back: false,
            progress: None,
        }
    }

    /// Queues a text message.
    pub(crate) fn say(&mut self, text: String) -> Result<(), TooSlow> {
        if self.closing {
            return Ok(());
        }
        if self.unsent_bytes > self.queue_bytes {
            return Err(TooSlow);
        }
        self.unsent_bytes += text.len();
        self.waiting.push_back(Message::Text(text.into()));
        Ok(())
    }

    /// Queues a ping; without effect when enough of them wait already.
    pub(crate) fn ping(&mut self) {
        if !self.closing && self.waiting_pings < QUEUED_PINGS {
            self.waiting_pings += 1;
            self.waiting.push_back(Message::Ping(Bytes::new()));
        }
    }

    /// Queues a close frame behind what waits; nothing is said after it.
    pub(crate) fn close(&mut self, code: u16, text: &'static str) {
        if !self.closing {
            self.closing = true;
            let frame = CloseFrame { code: code.into(), reason: Utf8Bytes::from_static(text) };
            self.waiting.push_back(Message::Close(Some(frame)));
        }
    }

    /// Forgets what waits, so that a close frame is not stuck behind it.
    pub(crate) fn forget_waiting(&mut self) {
        self.waiting.clear();
        self.waiting_pings = 0;
        self.unsent_bytes = self.in_flight_bytes;
    }

    /// Writes what can be written. Ready when nothing is left, or when the peer is gone.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Departure>> {
        loop {
            if self.unflushed {
                match Pin::new(&mut self.stream).poll_flush(cx) {
                    Poll::Ready(Ok(())) => self.flushed(),
                    Poll::Ready(Err(Error::ConnectionClosed)) => self.flushed(),
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Departure::Lost)),
                    Poll::Pending => {
                        self.mark_progress();
                        return Poll::Pending;
                    }
                }
            }
            let Some(message) = self.waiting.pop_front() else {
                self.progress = None;
                return Poll::Ready(Ok(()));
            };
            match &message {
                Message::Text(text) => self.in_flight_bytes = text.len(),
                Message::Ping(_) => self.waiting_pings -= 1,
                _ => {}
            }
            match Pin::new(&mut self.stream).start_send(message) {
                Ok(()) => self.unflushed = true,
                // The peer has closed: what was to be said has no listener.
                Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_)) => self.flushed(),
                Err(_) => return Poll::Ready(Err(Departure::Lost)),
            }
        }
    }

    fn flushed(&mut self) {
        self.unflushed = false;
        self.unsent_bytes -= self.in_flight_bytes;
        self.in_flight_bytes = 0;
        self.progress = None;
    }

    fn mark_progress(&mut self) {
        let written = self.stream.get_ref().written();
        if self.progress.is_none_or(|progress| progress.written != written) {
            self.progress = Some(Progress { at: Instant::now(), written });
        }
    }

    /// When the peer counts as stalled unless bytes move before.
    pub(crate) fn stalls_at(&self) -> Option<Instant> {
        self.progress.map(|progress| progress.at + WRITE_STALL)
    }

    /// Whether unsent bytes have not moved for too long.
    pub(crate) fn has_stalled(&mut self, now: Instant) -> bool {
        if self.progress.is_some() {
            self.mark_progress();
        }
        self.stalls_at().is_some_and(|at| at <= now)
    }

    /// Says that the socket is not read for now, for a reason of ours: meanwhile the peer cannot finish what
    /// it began.
    pub(crate) fn hold_back(&mut self) {
        self.held_back = true;
    }

    /// When the message that the peer has begun must have come in whole.
    pub(crate) fn unfinished_until(&mut self) -> Option<Instant> {
        if self.held_back || self.closing {
            return None;
        }
        let since = self.stream.get_mut().framing()?.unfinished_since()?;
        Some(since + MESSAGE_COMPLETION)
    }

    /// When something must be done about the peer unless bytes move before.
    pub(crate) fn patience_ends(&mut self) -> Option<Instant> {
        self.stalls_at().into_iter().chain(self.unfinished_until()).min()
    }

    /// Why the peer's time is up, if it is.
    pub(crate) fn out_of_patience(&mut self, now: Instant) -> Option<Departure> {
        if self.has_stalled(now) {
            return Some(Departure::TooSlow);
        }
        let until = self.unfinished_until()?;
        (until <= now).then_some(Departure::Violated(Violation::Unfinished))
    }

    /// Gives up what waits and closes with the code for what the peer did wrong.
    pub(crate) fn break_off(&mut self, violation: Violation) {
        self.forget_waiting();
        let (code, text) = answer(violation);
        self.close(code, text);
    }

    /// The next thing the peer brings. After [`Heard::Gone`] it is not to be called again.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Heard> {
        if std::mem::take(&mut self.held_back)
            && let Some(framing) = self.stream.get_mut().framing()
        {
            framing.resume(Instant::now());
        }
        // Most often it is another socket of the task that brings something.
        if self.read_on && !self.stream.get_mut().may_bring(cx) {
            return Poll::Pending;
        }
        self.stream.get_mut().grant(READ_BYTES_PER_TURN);
        let item = Pin::new(&mut self.stream).poll_next(cx);
        self.read_on = item.is_pending();
        let item = ready!(item);
        let heard = match item {
            Some(Ok(Message::Text(text))) => match Text::try_from(Bytes::from(text)) {
                Ok(text) => Heard::Text(text),
                Err(_) => Heard::Gone(Departure::Violated(Violation::NotUtf8)),
            },
            Some(Ok(Message::Ping(_))) => {
                // The pong is queued inside the stream.
                self.unflushed = true;
                Heard::Alive
            }
            Some(Ok(Message::Pong(_))) => Heard::Alive,
            Some(Ok(Message::Binary(_) | Message::Frame(_))) => {
                Heard::Gone(Departure::Violated(Violation::BinaryMessage))
            }
            Some(Ok(Message::Close(frame))) => {
                self.unflushed = true;
                // Our answer to it is already queued inside the stream.
                self.closing = true;
                Heard::Gone(Departure::Closed(frame.map(|frame| frame.code.into())))
            }
            Some(Err(error)) => {
                self.read_ended = true;
                Heard::Gone(departure(&error))
            }
            None => {
                self.read_ended = true;
                Heard::Gone(Departure::Lost)
            }
        };
        if let Heard::Gone(Departure::Violated(violation)) = &heard {
            self.break_off(*violation);
        }
        Poll::Ready(heard)
    }

    /// Brings a closing socket to its end: close frame out, the peer's in, then TCP. Ready when the
    /// socket can be dropped. The caller sets the deadline.
    pub(crate) fn poll_departure(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.stream.get_mut().grant(DEPARTING_READ_BYTES);
        let written = self.poll_write(cx);
        if let Poll::Ready(Err(_)) = written {
            return Poll::Ready(());
        }
        // Until the peer has closed, its messages are read and forgotten: unread bytes would turn our
        // close into a reset, and the peer would never see the code.
        while !self.read_ended {
            match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                Some(Ok(Message::Ping(_) | Message::Close(_))) => self.unflushed = true,
                Some(Ok(_)) => {}
                Some(Err(Error::ConnectionClosed)) | None => {
                    self.read_ended = true;
                    return self.poll_shutdown(cx);
                }
                Some(Err(_)) => self.read_ended = true,
            }
        }
        ready!(written).ok();
        ready!(self.poll_shutdown(cx));
        let mut scrap = [0; 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut scrap);
            match ready!(Pin::new(self.stream.get_mut()).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(self.stream.get_mut()).poll_shutdown(cx).map(|_| ())
    }
}

fn departure(error: &Error) -> Departure {
    Departure::Violated(match error {
        Error::Protocol(ProtocolError::NonZeroReservedBits) => Violation::CompressedFrame,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return Departure::Lost,
        Error::Protocol(_) => Violation::WebSocketProtocol,
        Error::Capacity(_) => Violation::TooBig,
        Error::Utf8(_) => Violation::NotUtf8,
        _ => return Departure::Lost,
    })
}

/// The close code for what a peer did wrong (RFC 6455 §7.4), and a text.
fn answer(violation: Violation) -> (u16, &'static str) {
    match violation {
        Violation::BinaryMessage => (1003, "OCPP-J is text, not binary"),
        Violation::NotUtf8 => (1007, "text is not UTF-8"),
        Violation::TooBig => (1009, "message too big"),
        Violation::CompressedFrame => (1002, "compressed frame, but compression was not agreed"),
        Violation::WebSocketProtocol => (1002, "WebSocket protocol error"),
        Violation::Unfinished => (1008, "message not finished in time"),
    }
}
