//! The links of one session: for each backoffice a slot that is empty, being dialed, or open.

use std::sync::Arc;
use std::task::{Context, Poll};

use engine::{BackofficeId, ChargerId, DialFailure, Side};
use tokio::time::Instant;

use crate::dial::{Destination, Dialing, Link};
use crate::limits::{DEPARTING_SOCKETS, DIAL_TIMEOUT, READS_PER_TURN};
use crate::metrics::Counted;
use crate::proofs::Proofs;
use crate::socket::Socket;
use crate::subprotocol::Version;

/// A socket that is spoken and listened to.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) socket: Socket,
    /// The engine has hung up: nothing of it is told any more.
    pub(crate) muted: bool,
    /// How many messages may still be read before it is the others' turn.
    pub(crate) credit: u8,
    _counted: Counted,
}

impl Seat {
    pub(crate) fn new(socket: Socket, counted: Counted) -> Self {
        Self { socket, muted: false, credit: READS_PER_TURN, _counted: counted }
    }
}

/// The place of one backoffice.
pub(crate) struct Slot {
    pub(crate) side: Side,
    pub(crate) backoffice: BackofficeId,
    pub(crate) destination: Arc<Destination>,
    pub(crate) state: State,
}

/// How far a link is.
pub(crate) enum State {
    Idle,
    /// To be dialed as soon as the former socket is closed: some backoffices cannot bear two of one
    /// charger.
    Wanted,
    Dialing(Dialing),
    Up(Box<Seat>),
}

impl Slot {
    pub(crate) fn new(backoffice: BackofficeId, destination: Arc<Destination>) -> Self {
        let side = Side::Backoffice(backoffice.clone());
        Self { side, backoffice, destination, state: State::Idle }
    }

    /// The link, when it is open and has not been hung up.
    pub(crate) fn live(&mut self) -> Option<&mut Seat> {
        match &mut self.state {
            State::Up(seat) if !seat.muted => Some(seat),
            _ => None,
        }
    }

    pub(crate) fn seat(&mut self) -> Option<&mut Seat> {
        match &mut self.state {
            State::Up(seat) => Some(seat),
            _ => None,
        }
    }

    /// Leaves the slot empty and gives back its socket.
    pub(crate) fn vacate(&mut self) -> Option<Box<Seat>> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Up(seat) => Some(seat),
            _ => None,
        }
    }

    /// Moves a dial on. Ready when it has an outcome.
    pub(crate) fn poll_dial(
        &mut self,
        cx: &mut Context<'_>,
        charger: &ChargerId,
        version: Version,
        departing: &[Departing],
        proofs: impl Fn(&BackofficeId, &Destination) -> Proofs,
    ) -> Poll<Result<Link, DialFailure>> {
        if matches!(self.state, State::Wanted) {
            if departing.iter().any(|former| former.side == self.side) {
                return Poll::Pending;
            }
            let proofs = proofs(&self.backoffice, &self.destination);
            self.state = State::Dialing(self.destination.dial(charger, &[version], proofs, DIAL_TIMEOUT));
        }
        match &mut self.state {
            State::Dialing(dial) => dial.as_mut().poll(cx),
            _ => Poll::Pending,
        }
    }
}

/// A socket that is being closed; nothing of it is told any more.
#[derive(Debug)]
pub(crate) struct Departing {
    pub(crate) side: Side,
    pub(crate) socket: Socket,
    pub(crate) until: Instant,
}

/// The sockets that are being closed.
#[derive(Debug, Default)]
pub(crate) struct Departures(Vec<Departing>);

impl Departures {
    /// Sees a socket off until then; its close frame is queued already.
    pub(crate) fn add(&mut self, side: Side, socket: Socket, until: Instant) {
        if self.0.len() >= DEPARTING_SOCKETS {
            self.0.remove(0);
        }
        self.0.push(Departing { side, socket, until });
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) {
        self.0.retain_mut(|departing| departing.socket.poll_departure(cx).is_pending());
    }

    /// Drops those whose time is up.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.0.retain(|departing| departing.until > now);
    }

    /// When the next one's time is up.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.0.iter().map(|departing| departing.until).min()
    }

    pub(crate) fn shorten(&mut self, until: Instant) {
        for departing in &mut self.0 {
            departing.until = departing.until.min(until);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn as_slice(&self) -> &[Departing] {
        &self.0
    }
}
