//! The charger's socket: the first one, a newer one, and one from somewhere else (semantics F-70).

use engine::{Departure, DialFailure, Event, Note, Reason, Side};
use hyper::header::HeaderValue;
use tokio::time::Instant;

use super::{ChargerSeat, Talk};
use crate::clock::unix_ms;
use crate::fleet::{Arrival, Knock, Verdict};
use crate::limits::{CHALLENGE_TIMEOUT, CLOSE_TIMEOUT, REPLACED_CLOSE_TIMEOUT};
use crate::links::{Seat, State};
use crate::notes;

impl Talk {
    pub(super) fn knocked(&mut self, knock: Knock) {
        match &mut self.seat {
            Some(present) if !present.seat.muted && present.from != knock.from => {
                if self.challenge.is_some() {
                    knock.answer(Verdict::Duplicate);
                    return;
                }
                present.seat.socket.ping();
                self.challenge = Some((knock, Instant::now() + CHALLENGE_TIMEOUT));
            }
            // Whether a session goes on while nobody leads it the engine decides.
            _ => knock.welcome(self.version),
        }
    }

    /// The present socket has shown that it lives: whoever knocked meanwhile is somebody else.
    pub(super) fn charger_is_alive(&mut self) {
        if let Some((knock, _)) = self.challenge.take() {
            let detail = format!("a second socket from {} was refused: the first one is alive", knock.from);
            notes::take(&self.shared, &self.charger, Note::Alert { kind: "duplicate_refused", detail });
            knock.answer(Verdict::Duplicate);
        }
    }

    pub(super) fn arrived(&mut self, arrival: Box<Arrival>) {
        let present = self.seat.as_ref().filter(|present| !present.seat.muted);
        if present.is_some_and(|present| present.from != arrival.from)
            && self.yielded_to != Some(arrival.from)
        {
            // Both were let in before either was there. Who came first is not displaced unasked.
            let detail =
                format!("a second socket from {} was closed: the first one came before it", arrival.from);
            notes::take(&self.shared, &self.charger, Note::Alert { kind: "duplicate_refused", detail });
            self.shared.metrics.charger_connected("duplicate_refused");
            self.part(
                Side::Charger,
                arrival.socket,
                Reason::Replaced,
                Instant::now() + REPLACED_CLOSE_TIMEOUT,
            );
            return;
        }
        self.yielded_to = None;
        self.charger_proved(arrival.sent);
        let seat = Seat::new(arrival.socket, self.shared.metrics.count_charger());
        // The new one is installed first, so that the end of the old one cannot disturb it.
        let Arrival { from, certificate, .. } = *arrival;
        let former = self.seat.replace(ChargerSeat { seat, from, certificate, since_unix_ms: unix_ms() });
        self.from = from;
        self.held.forget(&Side::Charger);
        let result = if former.is_some() { "duplicate_replaced" } else { "accepted" };
        self.shared.metrics.charger_connected(result);
        if let Some(former) = former {
            let mut socket = former.seat.socket;
            socket.forget_waiting();
            self.part(Side::Charger, socket, Reason::Replaced, Instant::now() + REPLACED_CLOSE_TIMEOUT);
        }
        self.tell(Event::ChargerArrived);
    }

    /// A link that was opened with the charger's own header is another's when that is another.
    fn charger_proved(&mut self, sent: Option<HeaderValue>) {
        if self.charger_sent == sent {
            return;
        }
        self.charger_sent = sent;
        self.is_proved_there = false;
        for at in 0..self.slots.len() {
            let slot = &mut self.slots[at];
            if !slot.destination.settings.forward_authorization {
                continue;
            }
            match slot.state {
                State::Dialing(_) => slot.state = State::Wanted,
                State::Up(_) => self.move_link(at, "the charger has sent another Authorization header"),
                State::Idle => {
                    let backoffice = slot.backoffice.clone();
                    self.tell(Event::BackofficeMoved(backoffice));
                }
                State::Wanted => {}
            }
        }
    }

    /// Who came while nobody could judge its header goes when the leader, which alone can, does not take it. Where that
    /// has taken it once it is an outage like any other.
    pub(super) fn charger_may_be_refused(&mut self, at: usize, failure: &DialFailure) {
        let slot = &self.slots[at];
        let leads = slot.backoffice == self.plan.leader;
        if !leads || self.is_proved_there || !slot.destination.refuses_header(failure) {
            return;
        }
        let (shared, sent) = (&self.shared, self.charger_sent.is_some());
        shared.entrance.proves_nothing(&shared.store, &self.charger, self.from, sent, Instant::now());
        self.dismiss_charger(Reason::Unproved);
        // Without it there is no grace: it has to knock, and the leader is asked first.
        self.stopping = true;
    }

    /// The present socket did not show in time that it lives: whoever knocked takes its place.
    pub(super) fn yield_to(&mut self, knock: Knock) {
        let detail = format!("its socket gave no sign of life: one from {} takes its place", knock.from);
        notes::take(&self.shared, &self.charger, Note::Alert { kind: "duplicate_replaced", detail });
        self.yielded_to = Some(knock.from);
        knock.welcome(self.version);
    }

    /// Whether it came with a certificate that was taken back meanwhile.
    pub(super) fn is_revoked(&self) -> bool {
        let shown = self.seat.as_ref().and_then(|present| present.certificate);
        let listening = self.shared.listening.load();
        let revoked = listening.as_ref().map(|listening| &listening.certificates.revoked);
        shown.zip(revoked).is_some_and(|(shown, revoked)| revoked.contains(&shown))
    }

    /// Closes the charger's socket for a reason that the engine does not know of.
    pub(super) fn dismiss_charger(&mut self, reason: Reason) {
        if let Some(present) = self.seat.take() {
            self.held.forget(&Side::Charger);
            self.part(Side::Charger, present.seat.socket, reason, Instant::now() + CLOSE_TIMEOUT);
            if !present.seat.muted {
                notes::take(&self.shared, &self.charger, Note::HungUp(Side::Charger, reason));
                self.tell(Event::ChargerLeft(Departure::Closed(Some(reason.close_code()))));
            }
        }
    }
}
