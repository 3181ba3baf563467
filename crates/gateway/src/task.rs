//! One task per charger. It owns the charger's socket and its links and polls them all around the
//! engine's session: perform effects until there are none, wait for the next thing to happen, hand
//! it in. Nothing here ever waits for one peer.

mod charger;
mod describe;
mod keys;
mod lead;
mod perform;
mod poll;
mod rules;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use engine::{
    BackofficeId, ChargerId, Departure, DialFailure, Event, NewKey, Note, Plan, Reason, Session, Side,
    Violation,
};
use futures_channel::mpsc::UnboundedReceiver;
use hyper::header::HeaderValue;
use store::{Kept, Recalled, StoreError};
use tokio::time::{Instant, Sleep, timeout};

use crate::dial::Link;
use crate::fleet::{Control, Knock, Membership};
use crate::greeting::{Greeted, greet};
use crate::held::{Held, Settled};
use crate::limits::{CLOSE_TIMEOUT, FORCED_CLOSE, UNFINISHED_CLOSE_TIMEOUT};
use crate::links::{Departures, Seat, Slot, State};
use crate::metrics::Counted;
use crate::notes;
use crate::postponed::Postponed;
use crate::recalls::Recalls;
use crate::shared::Shared;
use crate::socket::{Heard, Socket};
use crate::subprotocol::Version;
use crate::tls::Fingerprint;
use keys::KeysKept;
use lead::{Lead, Source};

/// Serves one charger from its first knock until its session is over.
pub(crate) async fn run(place: Membership, mut controls: UnboundedReceiver<Control>) {
    // The place in the fleet is given up before the channel closes: whoever finds it closed starts
    // another task.
    let place = place;
    // On the heap, each as long as it lasts: the task itself is there for days, and as large as the larger of both.
    let Some(greeted) = Box::pin(greet(&place, &mut controls)).await else { return };
    let mut talk = Box::new(Talk::begin(&place, greeted));
    place.set_online(talk.seat.is_some());
    while !talk.is_over() {
        let happening = poll_fn(|cx| talk.poll(cx, &mut controls)).await;
        talk.take_in(happening);
        place.set_online(talk.seat.is_some());
    }
    Box::pin(talk.end()).await;
    drop(place);
}

/// Brings a socket whose close frame is queued to its end.
pub(crate) async fn see_off(mut socket: Socket, limit: Duration) {
    // When the time is up the socket is dropped, which closes it.
    let _ = timeout(limit, poll_fn(|cx| socket.poll_departure(cx))).await;
}

/// A session in progress.
struct Talk {
    shared: Arc<Shared>,
    charger: ChargerId,
    session: Session,
    plan: Arc<Plan>,
    version: Version,
    seat: Option<ChargerSeat>,
    /// Where the charger last came from.
    from: IpAddr,
    /// The `Authorization` header that it last sent.
    charger_sent: Option<HeaderValue>,
    /// The backoffice that is shown that header has taken it.
    is_proved_there: bool,
    /// The leader's first.
    slots: Vec<Slot>,
    departures: Departures,
    held: Held<Kept>,
    postponed: Postponed,
    recalls: Recalls,
    keys_kept: KeysKept,
    /// Facts that came up while effects were performed; handed in after the batch.
    raised: VecDeque<Event>,
    /// A handshake from elsewhere that waits for the present socket to show that it lives.
    challenge: Option<(Knock, Instant)>,
    /// Where the handshake came from that the present socket had no sign of life against.
    yielded_to: Option<IpAddr>,
    timer: Pin<Box<Sleep>>,
    stopping: bool,
    /// What sockets that are still open are told at the end, and how long they get to close.
    farewell: (Reason, Duration),
    lead: Lead,
    _counted: Counted,
}

struct ChargerSeat {
    seat: Seat,
    from: IpAddr,
    certificate: Option<Fingerprint>,
    since_unix_ms: i64,
}

/// Who a happening is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    Charger,
    /// By its place among the slots.
    Link(usize),
}

/// What the task wakes for.
enum Happening {
    Told(Control),
    Settled(Settled<StoreError>),
    /// More of a lane was read.
    Recalled(BackofficeId, Result<Recalled, StoreError>),
    /// A key is durable, or cannot be.
    KeyKept(NewKey, bool),
    Dialed(usize, Result<Link, DialFailure>),
    Heard(Peer, Heard),
    /// Writing failed.
    Broke(Peer, Departure),
    TimeCame,
}

impl Talk {
    fn begin(place: &Membership, greeted: Greeted) -> Self {
        let shared = place.shared.clone();
        let Greeted { charger, plan, leader, version, arrival, dialed_with, remembered, lanes_changed } =
            greeted;
        let session = Session::new(charger.clone(), plan.clone(), remembered, seed());
        let mut talk = Self {
            session,
            version,
            seat: None,
            from: arrival.from,
            charger_sent: dialed_with,
            is_proved_there: false,
            slots: Vec::new(),
            departures: Departures::default(),
            held: Held::default(),
            postponed: Postponed::default(),
            recalls: Recalls::default(),
            keys_kept: KeysKept::default(),
            raised: VecDeque::new(),
            challenge: None,
            yielded_to: None,
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            stopping: false,
            farewell: (Reason::ChargerLeft, CLOSE_TIMEOUT),
            lead: Lead::default(),
            _counted: shared.metrics.count_session(),
            shared,
            charger,
            plan,
        };
        let id = talk.plan.leader.clone();
        match leader {
            Ok(link) => {
                if let Some(at) = talk.slot(&id) {
                    talk.link_opened(at, link);
                }
            }
            Err(failure) => talk.tell(Event::BackofficeDown(id, Departure::Undialable(failure))),
        }
        for backoffice in lanes_changed {
            talk.tell(Event::LaneChanged(backoffice));
        }
        talk.arrived(arrival);
        talk.lead.count(&talk.shared.metrics, talk.seat.is_some());
        talk
    }

    /// Whether nothing is left to do but to see the sockets off.
    fn is_over(&self) -> bool {
        self.stopping || (self.session.is_over() && self.held.is_empty())
    }

    /// Closes whatever is still open, and waits a little for the other sides.
    async fn end(mut self: Box<Self>) {
        self.keep_postponed();
        let (reason, limit) = self.farewell;
        let until = Instant::now() + limit;
        if let Some(seat) = self.seat.take() {
            self.part(Side::Charger, seat.seat.socket, reason, until);
        }
        for slot in std::mem::take(&mut self.slots) {
            let mut slot = slot;
            if let Some(seat) = slot.vacate() {
                self.part(slot.side, seat.socket, reason, until);
            }
        }
        self.departures.shorten(until);
        let departures = &mut self.departures;
        let closed = poll_fn(|cx| {
            departures.poll(cx);
            if departures.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        });
        // When the time is up the sockets are dropped, which closes them.
        let _ = tokio::time::timeout_at(until, closed).await;
    }

    fn take_in(&mut self, happening: Happening) {
        match happening {
            Happening::Told(control) => self.told(control),
            Happening::Settled(settled) => self.settled(settled),
            Happening::Recalled(backoffice, outcome) => self.recalled(backoffice, outcome),
            Happening::KeyKept(new, is_kept) => self.key_kept(new, is_kept),
            Happening::Dialed(at, outcome) => self.dialed(at, outcome),
            Happening::Heard(peer, heard) => self.heard(peer, heard),
            Happening::Broke(peer, departure) => self.lost(peer, departure),
            Happening::TimeCame => self.time_came(),
        }
        self.hand_in_raised();
        if self.session.is_over() {
            // Nobody is spared it any more.
            self.keep_postponed();
        }
        // Only here do slots change their places: while something is taken in they are named by them.
        let plan = &self.plan;
        self.slots.retain(|slot| !matches!(slot.state, State::Idle) || plan.names(&slot.backoffice));
        self.slots.sort_by_key(|slot| slot.backoffice != plan.leader);
        self.lead.count(&self.shared.metrics, self.seat.is_some());
    }

    fn told(&mut self, control: Control) {
        match control {
            Control::Knock(knock) => self.knocked(knock),
            Control::Arrived(arrival) => self.arrived(arrival),
            Control::LaneChanged(backoffice) => self.tell(Event::LaneChanged(backoffice)),
            Control::RoutingChanged => self.rules_changed(Source::File),
            Control::LeaderChosen => self.rules_changed(Source::Operator),
            // Whoever asked may have gone.
            Control::Describe(reply) => drop(reply.send(self.describe())),
            Control::Drain => self.tell(Event::DrainBegan),
            Control::Stop => {
                self.dismiss_charger(Reason::Shutdown);
                self.farewell = (Reason::Shutdown, FORCED_CLOSE);
                self.stopping = true;
            }
        }
    }

    fn settled(&mut self, settled: Settled<StoreError>) {
        for (side, order) in settled.released {
            self.carry_out(&side, order);
        }
        if let Some(error) = settled.failure {
            tracing::error!(charger = %self.charger, %error, "what must be kept cannot be");
            self.tell(Event::StoreFailed);
        }
    }

    fn recalled(&mut self, backoffice: BackofficeId, outcome: Result<Recalled, StoreError>) {
        match outcome {
            Ok(Recalled { deliveries, transactions, waiting }) => {
                self.tell(Event::Recalled { backoffice, deliveries, transactions, waiting });
            }
            Err(error) => {
                tracing::error!(charger = %self.charger, %backoffice, %error, "its lane cannot be read");
                self.tell(Event::StoreFailed);
            }
        }
    }

    fn dialed(&mut self, at: usize, outcome: Result<Link, DialFailure>) {
        match outcome {
            Ok(link) => self.link_opened(at, link),
            Err(failure) => {
                let slot = &mut self.slots[at];
                slot.state = State::Idle;
                let backoffice = slot.backoffice.clone();
                self.charger_may_be_refused(at, &failure);
                self.tell(Event::BackofficeDown(backoffice, Departure::Undialable(failure)));
            }
        }
    }

    fn link_opened(&mut self, at: usize, link: Link) {
        let slot = &mut self.slots[at];
        let (shared, charger) = (&self.shared, &self.charger);
        shared.keys_of_links.tried(&shared.store, charger, &slot.backoffice, &link.tried);
        let counted = shared.metrics.count_link(&slot.backoffice);
        slot.state = State::Up(Box::new(Seat::new(*link.socket, counted)));
        self.is_proved_there |= slot.destination.settings.forward_authorization;
        let backoffice = slot.backoffice.clone();
        self.tell(Event::BackofficeUp(backoffice));
    }

    fn heard(&mut self, peer: Peer, heard: Heard) {
        if peer == Peer::Charger && !matches!(heard, Heard::Gone(_)) {
            self.charger_is_alive();
        }
        match (peer, heard) {
            (Peer::Charger, Heard::Text(text)) => {
                let taken = self.tell_message(Event::ChargerSaid(text));
                self.shared.metrics.overhead_from_charger(taken);
            }
            (Peer::Charger, Heard::Alive) => self.tell(Event::Ponged(Side::Charger)),
            (Peer::Link(at), Heard::Text(text)) => {
                let backoffice = self.slots[at].backoffice.clone();
                let taken = self.tell_message(Event::BackofficeSaid(backoffice, text));
                self.shared.metrics.overhead_from_backoffice(taken);
            }
            (Peer::Link(at), Heard::Alive) => {
                let side = self.slots[at].side.clone();
                self.tell(Event::Ponged(side));
            }
            (peer, Heard::Gone(departure)) => self.lost(peer, departure),
        }
    }

    /// A socket has ended, or ends now because its peer left no choice.
    fn lost(&mut self, peer: Peer, departure: Departure) {
        let (side, seat) = match peer {
            Peer::Charger => (Side::Charger, self.seat.take().map(|present| present.seat)),
            Peer::Link(at) => (self.slots[at].side.clone(), self.slots[at].vacate().map(|seat| *seat)),
        };
        let Some(seat) = seat else { return };
        self.held.forget(&side);
        let (muted, mut socket) = (seat.muted, seat.socket);
        let mut patience = CLOSE_TIMEOUT;
        match &departure {
            Departure::TooSlow => {
                socket.forget_waiting();
                socket.close(1008, "too slow: it stopped reading");
            }
            Departure::Violated(violation) => {
                if *violation == Violation::Unfinished {
                    socket.break_off(*violation);
                    patience = UNFINISHED_CLOSE_TIMEOUT;
                }
                let note = Note::ProtocolViolation { peer: side.clone(), kind: violation.label() };
                notes::take(&self.shared, &self.charger, note);
                let now = Instant::now();
                if (&side, *violation) == (&Side::Charger, Violation::TooBig)
                    && self.shared.quarantine.offended(&self.charger, now)
                {
                    let detail = "it keeps sending messages that are too big: refused for a while".to_owned();
                    let note = Note::Alert { kind: "quarantined", detail };
                    notes::take(&self.shared, &self.charger, note);
                }
            }
            _ => {}
        }
        if departure != Departure::Lost {
            self.departures.add(side.clone(), socket, Instant::now() + patience);
        }
        if side == Side::Charger
            && let Some((knock, _)) = self.challenge.take()
        {
            knock.welcome(self.version);
        }
        if !muted {
            self.tell(match side {
                Side::Charger => Event::ChargerLeft(departure),
                Side::Backoffice(backoffice) => Event::BackofficeDown(backoffice, departure),
            });
        }
    }

    fn time_came(&mut self) {
        let now = Instant::now();
        self.departures.expire(now);
        if let Some((knock, _)) = self.challenge.take_if(|(_, until)| *until <= now) {
            self.yield_to(knock);
        }
        let charger = self.seat.as_mut().and_then(|present| present.seat.socket.out_of_patience(now));
        if let Some(departure) = charger {
            self.lost(Peer::Charger, departure);
        }
        for at in 0..self.slots.len() {
            if let Some(departure) = self.slots[at].seat().and_then(|seat| seat.socket.out_of_patience(now)) {
                self.lost(Peer::Link(at), departure);
            }
        }
        if self.postponed.until().is_some_and(|until| until <= now) {
            self.keep_postponed();
        }
        let due = self.session.poll_deadline().map(|tick| self.shared.clock.instant(tick));
        if due.is_some_and(|due| due <= now) {
            self.tell(Event::DeadlinePassed);
        }
    }

    /// The place of a backoffice's slot, made if need be; `None` when there is no such backoffice.
    fn slot(&mut self, backoffice: &BackofficeId) -> Option<usize> {
        if let Some(at) = self.slots.iter().position(|slot| slot.backoffice == *backoffice) {
            return Some(at);
        }
        let destination = self.shared.served.load().destination(backoffice)?.clone();
        self.slots.push(Slot::new(backoffice.clone(), destination));
        Some(self.slots.len() - 1)
    }

    fn part(&mut self, side: Side, mut socket: Socket, reason: Reason, until: Instant) {
        socket.close(reason.close_code(), reason.text());
        self.departures.add(side, socket, until);
    }
}

/// Unpredictable: the message ids of a session come from it.
fn seed() -> u64 {
    let mut bytes = [0; 8];
    let filled = rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(&mut bytes);
    if filled.is_err() {
        // Weaker, but different for every session.
        return fastrand::u64(..);
    }
    u64::from_le_bytes(bytes)
}
