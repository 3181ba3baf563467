//! The links to the backoffices: dialing, signs of life, one CALL at a time, heartbeats.

use std::collections::VecDeque;
use std::time::Duration;

use crate::session::boot::Verdict;
use crate::session::outbox::{Asked, Outbox};
use crate::session::{Earliest, Session};
use crate::{BackofficeId, Departure, Effect, Outcome, Reason, Side, Text, Tick, TraceId, limits};

/// One backoffice of one session.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: BackofficeId,
    pub(super) state: LinkState,
    /// Counts the connections, so that nothing of an earlier one is matched (semantics F-50).
    pub(super) epoch: u32,
    pub(super) failures: u32,
    pub(super) up_since: Tick,
    pub(super) last_heard: Tick,
    pub(super) pings: u32,
    last_ping: Tick,
    pub(super) garbage: VecDeque<Tick>,
    pub(super) outbox: Outbox,
    /// Messages that it was found not to know since the link is open.
    pub(super) unsupported: Vec<&'static str>,
    /// The one CALL that it has not answered yet (semantics F-21).
    pub(super) asked: Option<Asked>,
    /// CALLs whose time is over; their answers may still say something (semantics F-53, F-54).
    pub(super) overdue: VecDeque<Asked>,
    pub(super) last_asked: Tick,
    /// What it answered to this charger's BootNotification.
    pub(super) boot: Option<Verdict>,
    /// When it is asked again, since it has not accepted the charger yet.
    pub(super) boot_again: Option<Tick>,
    /// How often it wants a Heartbeat.
    pub(super) heartbeat: Duration,
    pub(super) next_heartbeat: Tick,
    pub(super) last_heartbeat: Tick,
}

/// How far a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkState {
    /// Not open; dialed again then, if at all.
    Down(Option<Tick>),
    /// Being opened.
    Dialing,
    /// Open.
    Up,
}

impl Link {
    pub(super) fn new(id: BackofficeId) -> Self {
        Self {
            id,
            state: LinkState::Down(None),
            epoch: 0,
            failures: 0,
            up_since: Tick(0),
            last_heard: Tick(0),
            pings: 0,
            last_ping: Tick(0),
            garbage: VecDeque::new(),
            outbox: Outbox::default(),
            unsupported: Vec::new(),
            asked: None,
            overdue: VecDeque::new(),
            last_asked: Tick(0),
            boot: None,
            boot_again: None,
            heartbeat: limits::HEARTBEAT_DEFAULT,
            next_heartbeat: Tick(0),
            last_heartbeat: Tick(0),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.state == LinkState::Up
    }

    /// Whether it has refused, or not yet decided about, this charger: it then gets nothing but
    /// BootNotification (semantics C-3).
    pub(super) fn waits_for_boot(&self) -> bool {
        matches!(self.boot, Some(Verdict::Pending | Verdict::Rejected))
    }

    pub(super) fn heartbeat_from(&mut self, now: Tick) {
        self.next_heartbeat = now + self.heartbeat;
    }

    /// Whether something that it is told now, or next, belongs to the transaction.
    pub(super) fn refers_to(&self, transaction: TraceId) -> bool {
        self.outbox.refers_to(transaction)
            || self.asked.as_ref().is_some_and(|asked| asked.copy.transaction == Some(transaction))
    }

    pub(super) fn remember_overdue(&mut self, asked: Asked) {
        if self.overdue.len() == limits::LATE_ANSWERS {
            self.overdue.pop_front();
        }
        self.overdue.push_back(asked);
    }

    fn ping_at(&self) -> Tick {
        self.last_heard.max(self.last_ping) + limits::BACKOFFICE_PING
    }
}

impl Session {
    /// Notes a sign of life. Returns where the link is, if it is up.
    pub(super) fn heard_from(&mut self, id: &BackofficeId) -> Option<usize> {
        let at = self.at(id)?;
        let link = &mut self.links[at];
        link.last_heard = self.now.tick;
        link.pings = 0;
        link.is_up().then_some(at)
    }

    pub(super) fn link_ponged(&mut self, id: &BackofficeId) {
        self.heard_from(id);
    }

    pub(super) fn pass_time_links(&mut self) {
        for at in 0..self.links.len() {
            if self.is_over {
                return;
            }
            let now = self.now.tick;
            match self.links[at].state {
                // While the charger is away there is nothing to dial for (semantics T-75).
                LinkState::Down(Some(when)) if when <= now && self.charger.is_here => self.dial(at),
                LinkState::Up => {
                    self.pass_time_asked(at);
                    self.pass_time_life(at);
                    self.pass_time_heartbeat(at);
                    if self.links[at].boot_again.is_some_and(|when| when <= now) {
                        self.boot_for(at);
                    }
                }
                _ => {}
            }
        }
    }

    fn pass_time_asked(&mut self, at: usize) {
        let now = self.now.tick;
        let link = &mut self.links[at];
        if link.asked.as_ref().is_none_or(|asked| asked.answer_by > now) {
            return;
        }
        if let Some(asked) = link.asked.take() {
            link.remember_overdue(asked.clone());
            self.backoffice_did_not_answer(at, &asked, Outcome::Unanswered("timeout"));
        }
    }

    /// Two missed pongs end a link (semantics F-83).
    fn pass_time_life(&mut self, at: usize) {
        let now = self.now.tick;
        let link = &mut self.links[at];
        if !link.is_up() || link.ping_at() > now {
            return;
        }
        if link.pings < 2 {
            link.pings += 1;
            link.last_ping = now;
            self.effects.push_back(Effect::Ping(Side::Backoffice(link.id.clone())));
            return;
        }
        let wait = self.redial_after(at, &Departure::Lost);
        self.hang_up_link(at, Reason::Silent, Some(now + wait));
    }

    /// Each follower gets Heartbeats of its own at its own interval, while the charger is
    /// verifiably alive (semantics B-30).
    fn pass_time_heartbeat(&mut self, at: usize) {
        let now = self.now.tick;
        if self.is_over
            || !self.links[at].is_up()
            || self.leads(&self.links[at].id)
            || self.links[at].next_heartbeat > now
        {
            return;
        }
        let link = &mut self.links[at];
        let recently_asked = now.since(link.last_asked) < link.heartbeat;
        let charger_is_alive = self.charger.is_here && self.charger.last_alive() > link.last_heartbeat;
        if recently_asked {
            link.next_heartbeat = link.last_asked + link.heartbeat;
        } else {
            link.next_heartbeat = now + link.heartbeat;
            if charger_is_alive && !link.outbox.holds(|copy| copy.name() == "Heartbeat") {
                self.synthesise(at, "Heartbeat", Text::from_static("{}"));
            }
        }
    }

    pub(super) fn link_deadlines(&self, earliest: &mut Earliest) {
        for link in &self.links {
            match link.state {
                LinkState::Down(Some(when)) if self.charger.is_here => earliest.at(when),
                LinkState::Up => {
                    earliest.at(link.ping_at());
                    if let Some(when) = link.boot_again {
                        earliest.at(when);
                    }
                    if !self.leads(&link.id) {
                        earliest.at(link.next_heartbeat);
                    }
                    match (&link.asked, link.outbox.ready_at(self.now.tick)) {
                        (Some(asked), _) => earliest.at(asked.answer_by),
                        (None, Some(when)) => earliest.at(when),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
    }
}
