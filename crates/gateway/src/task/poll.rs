//! Waiting for the next thing to happen. Everything is polled in a fixed order; nobody who sends
//! much can keep the others from their turn.

use std::future::Future;
use std::task::{Context, Poll};

use engine::BackofficeId;
use futures_channel::mpsc::UnboundedReceiver;
use futures_util::StreamExt;
use tokio::time::Instant;

use super::{Happening, Peer, Talk};
use crate::dial::Destination;
use crate::fleet::Control;
use crate::limits::READS_PER_TURN;
use crate::socket::Heard;

impl Talk {
    /// Ready with the next thing to take in.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        controls: &mut UnboundedReceiver<Control>,
    ) -> Poll<Happening> {
        // What was said goes out before anything new is taken in.
        if let Poll::Ready(broke) = self.poll_writes(cx) {
            return Poll::Ready(broke);
        }
        // The fleet holds the other end as long as this task is in it. Whoever knocks at a session that is over, but
        // whose last records are on their way to the disk, is let in by the next one.
        if !self.session.is_over()
            && let Poll::Ready(Some(control)) = controls.poll_next_unpin(cx)
        {
            return Poll::Ready(Happening::Told(control));
        }
        if let Poll::Ready(settled) = self.held.poll_settled(cx) {
            return Poll::Ready(Happening::Settled(settled));
        }
        if let Poll::Ready((backoffice, outcome)) = self.recalls.poll(cx) {
            return Poll::Ready(Happening::Recalled(backoffice, outcome));
        }
        if let Poll::Ready((new, is_kept)) = self.keys_kept.poll(cx) {
            return Poll::Ready(Happening::KeyKept(new, is_kept));
        }
        self.departures.poll(cx);
        let (shared, charger, sent) = (&self.shared, &self.charger, self.charger_sent.as_ref());
        let proofs = |backoffice: &BackofficeId, destination: &Destination| {
            shared.proofs(charger, backoffice, destination, sent)
        };
        for (at, slot) in self.slots.iter_mut().enumerate() {
            let dial = slot.poll_dial(cx, charger, self.version, self.departures.as_slice(), proofs);
            if let Poll::Ready(outcome) = dial {
                return Poll::Ready(Happening::Dialed(at, outcome));
            }
        }
        if self.poll_timer(cx).is_ready() {
            return Poll::Ready(Happening::TimeCame);
        }
        self.poll_reads(cx).map(|(peer, heard)| Happening::Heard(peer, heard))
    }

    fn poll_writes(&mut self, cx: &mut Context<'_>) -> Poll<Happening> {
        if let Some(present) = &mut self.seat
            && let Poll::Ready(Err(departure)) = present.seat.socket.poll_write(cx)
        {
            return Poll::Ready(Happening::Broke(Peer::Charger, departure));
        }
        for (at, slot) in self.slots.iter_mut().enumerate() {
            if let Some(seat) = slot.seat()
                && let Poll::Ready(Err(departure)) = seat.socket.poll_write(cx)
            {
                return Poll::Ready(Happening::Broke(Peer::Link(at), departure));
            }
        }
        Poll::Pending
    }

    /// The charger first, then the leader, then the followers; each may bring a few messages before
    /// it has to wait for the others to have had their turn.
    fn poll_reads(&mut self, cx: &mut Context<'_>) -> Poll<(Peer, Heard)> {
        for _turn in 0..2 {
            if let Some(present) = &mut self.seat {
                let seat = &mut present.seat;
                let may_read = !seat.muted
                    && self.session.may_read(&engine::Side::Charger)
                    && self.held.may_read(&engine::Side::Charger);
                if !may_read {
                    seat.socket.hold_back();
                } else if seat.credit > 0
                    && let Poll::Ready(heard) = seat.socket.poll_read(cx)
                {
                    seat.credit -= 1;
                    return Poll::Ready((Peer::Charger, heard));
                }
            }
            for (at, slot) in self.slots.iter_mut().enumerate() {
                if !self.session.may_read(&slot.side) || !self.held.may_read(&slot.side) {
                    if let Some(seat) = slot.seat() {
                        seat.socket.hold_back();
                    }
                    continue;
                }
                if let Some(seat) = slot.live()
                    && seat.credit > 0
                    && let Poll::Ready(heard) = seat.socket.poll_read(cx)
                {
                    seat.credit -= 1;
                    return Poll::Ready((Peer::Link(at), heard));
                }
            }
            // Everyone with credit left has nothing: a new turn begins.
            if let Some(present) = &mut self.seat {
                present.seat.credit = READS_PER_TURN;
            }
            for seat in self.slots.iter_mut().filter_map(|slot| slot.seat()) {
                seat.credit = READS_PER_TURN;
            }
        }
        Poll::Pending
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.next_wake() else { return Poll::Pending };
        loop {
            // A timer that is set too early costs one idle wake-up, less than setting it each time.
            if self.timer.is_elapsed() || at < self.timer.deadline() {
                self.timer.as_mut().reset(at);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if self.timer.deadline() >= at {
                return Poll::Ready(());
            }
        }
    }

    fn next_wake(&mut self) -> Option<Instant> {
        let session = self.session.poll_deadline().map(|tick| self.shared.clock.instant(tick));
        let charger = self.seat.as_mut().and_then(|present| present.seat.socket.patience_ends());
        let links = self.slots.iter_mut().filter_map(|slot| slot.seat()?.socket.patience_ends()).min();
        let challenge = self.challenge.as_ref().map(|(_, until)| *until);
        let departures = self.departures.next_expiry();
        let postponed = self.postponed.until();
        [session, postponed, charger, links, challenge, departures].into_iter().flatten().min()
    }
}
