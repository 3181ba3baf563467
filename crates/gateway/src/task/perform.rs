//! Handing events to the engine and carrying out what it orders.

use std::time::Duration;

use engine::{
    BackofficeId, Departure, DialFailure, Effect, Event, Keep, Note, Reason, Record, Side, Urgency,
};
use tokio::time::Instant;

use super::{Peer, Talk};
use crate::held::Order;
use crate::limits::{CLOSE_TIMEOUT, POSTPONED_FOR, UNAWAITED_FOR};
use crate::links::State;
use crate::notes;
use crate::postponed::{Spared, is_delivery};
use crate::socket::TooSlow;

impl Talk {
    /// Hands in what happened and carries out all that follows.
    pub(super) fn tell(&mut self, event: Event) {
        self.session.handle(self.shared.clock.now(), event);
        while let Some(effect) = self.session.poll_effect() {
            self.perform(effect);
        }
    }

    /// As [`Talk::tell`], and says what the proxy itself took for it.
    pub(super) fn tell_message(&mut self, event: Event) -> Duration {
        let begun = Instant::now();
        self.tell(event);
        begun.elapsed()
    }

    pub(super) fn hand_in_raised(&mut self) {
        while let Some(event) = self.raised.pop_front() {
            self.tell(event);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::SayToCharger(text) => {
                if self.seat.as_ref().is_some_and(|present| !present.seat.muted) {
                    self.order(Side::Charger, Order::Say(text));
                }
            }
            Effect::SayToBackoffice(backoffice, text) => {
                if self.live_slot(&backoffice).is_some() {
                    self.order(Side::Backoffice(backoffice), Order::Say(text));
                }
            }
            Effect::Ping(Side::Charger) => {
                if let Some(present) = &mut self.seat {
                    present.seat.socket.ping();
                }
            }
            Effect::Ping(Side::Backoffice(backoffice)) => {
                let at = self.live_slot(&backoffice);
                if let Some(seat) = at.and_then(|at| self.slots[at].live()) {
                    seat.socket.ping();
                }
            }
            Effect::Dial(backoffice) => self.dial(backoffice),
            Effect::HangUp(side, reason) => self.hang_up(side, reason),
            Effect::Keep(keep) => self.keep(keep),
            Effect::KeepKey(new) => self.keep_key(new),
            Effect::KeyAccepted { backoffice, trace, is_told } => {
                self.key_accepted(&backoffice, trace, is_told);
            }
            Effect::KeyRefused { backoffice, trace, was_sent } => {
                self.key_refused(&backoffice, trace, was_sent);
            }
            Effect::Recall { backoffice, after } => {
                // Whoever reads is to see everything.
                self.keep_postponed();
                let (store, charger) = (self.shared.store.clone(), self.charger.clone());
                let pace = self.shared.paces.of(&backoffice);
                self.recalls.begin(pace, store, charger, backoffice, after);
            }
            Effect::Note(note) => {
                let source = self.lead.noted(&self.shared.metrics, &self.plan, &note);
                if let (Some(source), Note::LeaderChanged { from, to }) = (source, &note) {
                    source.record(&self.shared.store, &self.charger, from, to);
                }
                notes::take(&self.shared, &self.charger, note);
            }
        }
    }

    fn keep(&mut self, keep: Keep) {
        let Keep { mut records, before, urgency } = keep;
        let spared = self.postponed.spare(&mut records);
        if spared == Spared::Nobody {
            for (side, order) in self.held.spare() {
                self.carry_out(&side, order);
            }
        }
        let is_now = match urgency {
            _ if spared == Spared::Awaited => true,
            _ if records.is_empty() => return,
            Urgency::Now => true,
            Urgency::AfterDeliveries => !self.postponed.delivers() && !records.iter().any(is_delivery),
            Urgency::WithTheNext | Urgency::WithinSeconds | Urgency::Soon => false,
        };
        let is_delivered = |record: &Record| matches!(record, Record::Delivered { .. });
        if is_now && self.postponed.delivers() && records.iter().all(is_delivered) {
            // What is on its way may still be spared: it comes behind these.
            self.held.keep_apart(self.shared.store.keep(&self.charger, records), before);
        } else if is_now {
            let all = self.postponed.take(records);
            self.held.keep(self.shared.store.keep(&self.charger, all), before);
        } else {
            if self.postponed.holds_back(&records) {
                self.keep_postponed();
            }
            let span = if urgency == Urgency::WithinSeconds { UNAWAITED_FOR } else { POSTPONED_FOR };
            let until = self.shared.clock.after_at_least(span);
            self.postponed.add(records, urgency, &before, until);
            if !before.is_empty() {
                self.held.postpone(before);
            }
        }
    }

    /// Has what was postponed kept after all.
    pub(super) fn keep_postponed(&mut self) {
        let records = self.postponed.take(Vec::new());
        if !records.is_empty() {
            self.held.keep(self.shared.store.keep(&self.charger, records), Vec::new());
        }
    }

    fn order(&mut self, side: Side, order: Order) {
        match self.held.admit(&side, order) {
            Ok(Some(order)) => self.carry_out(&side, order),
            Ok(None) => {}
            Err(_overfull) => {
                tracing::error!(charger = %self.charger, "too much waits for the store");
                for (side, order) in self.held.forget_said() {
                    self.carry_out(&side, order);
                }
                self.raised.push_back(Event::StoreFailed);
            }
        }
    }

    /// Does what may be done now. The peer may have gone while the order was held.
    pub(super) fn carry_out(&mut self, side: &Side, order: Order) {
        match order {
            Order::Say(text) => self.say(side, text),
            Order::HangUp(reason) => self.close(side, reason),
        }
    }

    fn say(&mut self, side: &Side, text: String) {
        let (peer, seat) = match side {
            Side::Charger => (Peer::Charger, self.seat.as_mut().map(|present| &mut present.seat)),
            Side::Backoffice(backoffice) => {
                let Some(at) = self.slots.iter().position(|slot| slot.backoffice == *backoffice) else {
                    return;
                };
                (Peer::Link(at), self.slots[at].seat())
            }
        };
        if let Some(Err(TooSlow)) = seat.map(|seat| seat.socket.say(text)) {
            self.too_slow(peer, side);
        }
    }

    /// The bound of what may wait is reached: the socket ends now, the engine hears of it after the
    /// batch.
    fn too_slow(&mut self, peer: Peer, side: &Side) {
        let (seat, event) = match (peer, side) {
            (Peer::Link(at), Side::Backoffice(backoffice)) => {
                let event = Event::BackofficeDown(backoffice.clone(), Departure::TooSlow);
                (self.slots[at].vacate().map(|seat| *seat), event)
            }
            _ => (self.seat.take().map(|present| present.seat), Event::ChargerLeft(Departure::TooSlow)),
        };
        let Some(seat) = seat else { return };
        self.held.forget(side);
        let (muted, mut socket) = (seat.muted, seat.socket);
        socket.forget_waiting();
        socket.close(1008, "too slow: it stopped reading");
        self.departures.add(side.clone(), socket, Instant::now() + CLOSE_TIMEOUT);
        if !muted {
            self.raised.push_back(event);
        }
    }

    fn dial(&mut self, backoffice: BackofficeId) {
        let Some(at) = self.slot(&backoffice) else {
            let failure = DialFailure::Unreachable("it is not configured".to_owned());
            self.raised.push_back(Event::BackofficeDown(backoffice, Departure::Undialable(failure)));
            return;
        };
        // A former link may be there still: it was hung up, but the order waits for a record. It need
        // not wait any longer.
        self.close(&Side::Backoffice(backoffice), Reason::NotInPlan);
        self.slots[at].state = State::Wanted;
    }

    fn hang_up(&mut self, side: Side, reason: Reason) {
        match &side {
            Side::Charger => match &mut self.seat {
                Some(present) => present.seat.muted = true,
                None => return,
            },
            Side::Backoffice(backoffice) => {
                let slot = self.slots.iter_mut().find(|slot| slot.backoffice == *backoffice);
                let Some(slot) = slot else { return };
                match &mut slot.state {
                    State::Up(seat) => seat.muted = true,
                    state => {
                        *state = State::Idle;
                        return;
                    }
                }
            }
        }
        self.order(side, Order::HangUp(reason));
    }

    fn close(&mut self, side: &Side, reason: Reason) {
        let seat = match side {
            Side::Charger => self.seat.take().map(|present| present.seat),
            Side::Backoffice(backoffice) => {
                let slot = self.slots.iter_mut().find(|slot| slot.backoffice == *backoffice);
                slot.and_then(|slot| slot.vacate()).map(|seat| *seat)
            }
        };
        self.held.forget(side);
        if let Some(seat) = seat {
            self.part(side.clone(), seat.socket, reason, Instant::now() + CLOSE_TIMEOUT);
        }
    }

    fn live_slot(&mut self, backoffice: &BackofficeId) -> Option<usize> {
        let at = self.slots.iter().position(|slot| slot.backoffice == *backoffice)?;
        self.slots[at].live().is_some().then_some(at)
    }
}
