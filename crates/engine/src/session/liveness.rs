//! Signs of life of the charger, its patience, and how a session ends (semantics §1.9, F-25).

use std::time::Duration;

use crate::session::{Earliest, Session};
use crate::{Effect, Note, Reason, Side, Tick, limits};

impl Session {
    /// The charger has given up on the call in progress: from now on it is answered sooner
    /// (semantics F-25). What happens before `least` has other reasons.
    pub(super) fn learn_patience(&mut self, least: Duration) {
        let Some(call) = &self.charger.current else { return };
        let waited = self.now.tick.since(call.received.tick);
        let learned = waited.mul_f64(0.8).max(limits::IMPATIENT_LEAST);
        if waited >= least && self.charger.patience.is_none_or(|known| learned < known) {
            self.charger.patience = Some(learned);
            let seconds = waited.as_secs();
            self.alert("impatient_charger", format!("the charger waits only {seconds} s for an answer"));
        }
    }

    pub(super) fn ponged(&mut self, side: &Side) {
        match side {
            Side::Charger => {
                self.charger.last_heard = self.now.tick;
                self.charger.answers_pings |= self.charger.pinged.take().is_some();
            }
            Side::Backoffice(id) => self.link_ponged(id),
        }
    }

    /// Closes the charger's socket; the session goes on for the grace. `unanswered` says what became
    /// of its open calls.
    pub(super) fn hang_up_charger(&mut self, reason: Reason, unanswered: &'static str) {
        if self.charger.is_here {
            self.effects.push_back(Effect::HangUp(Side::Charger, reason));
            self.note(Note::HungUp(Side::Charger, reason));
            self.charger_is_gone(reason.label(), unanswered);
        }
    }

    /// Ends the session for good.
    pub(super) fn end(&mut self, reason: Reason) {
        if self.is_over {
            return;
        }
        // Before the charger is sent away, so that its going does not end the session again.
        self.is_draining = false;
        self.hang_up_charger(reason, reason.label());
        let to_backoffices = match reason {
            Reason::Shutdown => reason,
            Reason::StoreFailed => Reason::ProxyFailed,
            _ => Reason::ChargerLeft,
        };
        self.hang_up_all(to_backoffices);
        self.is_over = true;
    }

    pub(super) fn drain(&mut self) {
        self.is_draining = true;
        if !self.charger.is_here {
            self.end(Reason::Shutdown);
        }
        self.end_drain_when_quiet();
    }

    /// A draining session ends once nothing is in flight.
    pub(super) fn end_drain_when_quiet(&mut self) {
        if self.is_draining && self.charger.current.is_none() && self.queue.is_quiet() && self.keys.is_quiet()
        {
            self.end(Reason::Shutdown);
        }
    }

    pub(super) fn pass_time_charger(&mut self) {
        if let Some(left) = self.charger.left
            && !self.charger.is_here
        {
            if self.now.tick >= left + limits::CHARGER_GRACE {
                self.end(Reason::ChargerLeft);
            }
            return;
        }
        if !self.charger.is_here {
            return;
        }
        if self.charger.current.as_ref().is_some_and(|call| call.answer_by <= self.now.tick) {
            self.leader_did_not_answer();
        }
        if !self.charger.is_here {
            return;
        }
        let (silent_at, ping_at) = self.silence();
        if self.now.tick >= silent_at {
            self.hang_up_charger(Reason::Silent, "disconnected");
        } else if self.now.tick >= ping_at {
            self.charger.pinged = Some(self.now.tick);
            self.effects.push_back(Effect::Ping(Side::Charger));
        }
    }

    /// When the charger counts as gone, and when it is pinged next (semantics F-81).
    fn silence(&self) -> (Tick, Tick) {
        let patience = limits::CHARGER_SILENCE.max(self.boot.heartbeat_interval() * 3);
        let never = self.charger.last_heard + patience;
        match self.charger.pinged {
            Some(pinged) if self.charger.answers_pings => (pinged + limits::CHARGER_PONG, Tick(u64::MAX)),
            Some(pinged) => (never, pinged + limits::CHARGER_PING),
            None => (never, self.charger.last_heard + limits::CHARGER_PING),
        }
    }

    pub(super) fn charger_deadlines(&self, earliest: &mut Earliest) {
        if let Some(left) = self.charger.left
            && !self.charger.is_here
        {
            earliest.at(left + limits::CHARGER_GRACE);
        }
        if self.charger.is_here {
            let (silent_at, ping_at) = self.silence();
            earliest.at(silent_at);
            earliest.at(ping_at);
            if let Some(call) = &self.charger.current {
                earliest.at(call.answer_by);
            }
        }
    }
}
