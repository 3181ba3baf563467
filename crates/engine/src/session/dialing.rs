//! Opening and closing links: when a backoffice is dialed, and what is forgotten when it goes
//! (semantics §1.5, §1.10).

use std::time::Duration;

use crate::actions::Keeping;
use crate::session::Session;
use crate::session::links::LinkState;
use crate::session::status::Ended;
use crate::{BackofficeId, Departure, DialFailure, Effect, Note, Reason, Side, Tick, limits};

impl Session {
    /// Dials every backoffice that was not tried yet, the leader first.
    pub(super) fn dial_new(&mut self) {
        for at in 0..self.links.len() {
            if self.links[at].state == LinkState::Down(None) {
                self.dial(at);
            }
        }
    }

    pub(super) fn dial(&mut self, at: usize) {
        let link = &mut self.links[at];
        link.state = LinkState::Dialing;
        self.effects.push_back(Effect::Dial(link.id.clone()));
    }

    pub(super) fn link_up(&mut self, id: &BackofficeId) {
        let Some(at) = self.at(id) else { return };
        let now = self.now.tick;
        self.epochs += 1;
        let link = &mut self.links[at];
        link.state = LinkState::Up;
        link.epoch = self.epochs;
        link.up_since = now;
        link.last_heard = now;
        link.pings = 0;
        link.next_heartbeat = now + link.heartbeat;
        self.note(Note::LinkUp(id.clone()));
        self.introduce(at);
    }

    pub(super) fn link_down(&mut self, id: &BackofficeId, departure: Departure) {
        let Some(at) = self.at(id) else { return };
        let retry = self.redial_after(at, &departure);
        self.close_link(at, Some(self.now.tick + retry));
        self.links[at].ended = Some(Ended::Left(departure.clone()));
        let retry_in_ms = u64::try_from(retry.as_millis()).ok();
        self.note(Note::LinkDown { backoffice: id.clone(), departure, retry_in_ms });
        if self.leads(id) {
            self.leader_lost_its_link();
        }
    }

    /// Where it is now it has not failed yet.
    pub(super) fn backoffice_moved(&mut self, id: &BackofficeId) {
        let Some(at) = self.at(id) else { return };
        self.links[at].failures = 0;
        if matches!(self.links[at].state, LinkState::Down(Some(_))) {
            self.dial(at);
        }
    }

    /// Forgets the connection, not what the backoffice still has to be told.
    fn close_link(&mut self, at: usize, redial: Option<Tick>) {
        let link = &mut self.links[at];
        link.state = LinkState::Down(redial);
        link.overdue.clear();
        link.garbage.clear();
        link.unsupported.clear();
        let id = link.id.clone();
        if let Some(asked) = link.asked.take() {
            if asked.copy.keeping() != Keeping::Volatile {
                // Being disconnected says nothing about whether it was booked: it is told again, with
                // a new message id (semantics T-58, T-60).
                link.outbox.put_back(asked.copy);
            } else if asked.copy.name() == "StartTransaction" {
                self.start_unanswered(&id, &asked);
            }
        }
        let link = &mut self.links[at];
        link.outbox.remove(|copy| copy.keeping() == Keeping::Volatile);
        self.requester_left(&id);
    }

    /// The wait before the next dial (semantics §1.5, §1.10, F-66).
    pub(super) fn redial_after(&mut self, at: usize, departure: &Departure) -> Duration {
        let leads = self.leads(&self.links[at].id);
        let first = if leads { limits::LEADER_REDIAL_FIRST } else { limits::REDIAL_FIRST };
        let link = &mut self.links[at];
        if link.is_up() && self.now.tick.since(link.up_since) >= limits::REDIAL_FORGET {
            link.failures = 0;
        }
        let ceiling = limits::REDIAL_LAST.min(first * (1 << link.failures.min(9)));
        link.failures += 1;
        let jitter = |random: &mut fastrand::Rng, span: Duration| span.mul_f64(random.f64());
        match departure {
            Departure::Undialable(DialFailure::Refused { retry_after_s: Some(seconds), .. }) => {
                let asked = Duration::from_secs((*seconds).into()).min(limits::REDIAL_ASKED);
                asked + jitter(&mut self.random, asked / 5)
            }
            Departure::Undialable(
                DialFailure::Refused { status: 400..=404 | 426, .. } | DialFailure::Incompatible,
            ) => limits::REDIAL_REFUSED.mul_f64(0.8) + jitter(&mut self.random, limits::REDIAL_REFUSED / 5),
            _ if ceiling == limits::REDIAL_LAST => {
                limits::REDIAL_STEADY + jitter(&mut self.random, limits::REDIAL_LAST - limits::REDIAL_STEADY)
            }
            _ => jitter(&mut self.random, ceiling),
        }
    }

    pub(super) fn hang_up_link(&mut self, at: usize, reason: Reason, redial: Option<Tick>) {
        if matches!(self.links[at].state, LinkState::Down(_)) {
            self.links[at].state = LinkState::Down(redial);
            return;
        }
        let side = Side::Backoffice(self.links[at].id.clone());
        self.effects.push_back(Effect::HangUp(side.clone(), reason));
        self.note(Note::HungUp(side, reason));
        self.close_link(at, redial);
        self.links[at].ended = Some(Ended::HungUp(reason));
    }

    pub(super) fn hang_up_all(&mut self, reason: Reason) {
        for at in 0..self.links.len() {
            self.hang_up_link(at, reason, None);
        }
    }

    /// Counts what is no frame; too much of it ends the link (semantics X-25).
    pub(super) fn backoffice_sent_garbage(&mut self, at: usize, kind: &'static str) {
        let id = self.links[at].id.clone();
        self.violation(Side::Backoffice(id.clone()), kind);
        let now = self.now.tick;
        let garbage = &mut self.links[at].garbage;
        garbage.retain(|when| now.since(*when) < Duration::from_secs(60));
        garbage.push_back(now);
        if garbage.len() >= limits::GARBAGE_PER_MINUTE {
            let wait = self.redial_after(at, &Departure::Lost);
            self.hang_up_link(at, Reason::TooMuchGarbage, Some(now + wait));
            self.alert("garbage", format!("{id} sent too many malformed messages; its link was closed"));
        }
    }
}
