//! The links to the backoffices: dialing, signs of life, one CALL at a time, heartbeats.

use std::collections::VecDeque;
use std::time::Duration;

use uuid::Uuid;

use crate::actions::Keeping;
use crate::frame;
use crate::session::boot::Verdict;
use crate::session::outbox::{Asked, Copy, Outbox, Purpose};
use crate::session::{Earliest, Session};
use crate::{
    AnswerNote, BackofficeId, Departure, DialFailure, Effect, FrameKind, Note, Outcome, Reason, Side, Text,
    Tick, TraceId, actions, limits,
};

/// One backoffice of one session.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: BackofficeId,
    pub(super) state: LinkState,
    /// Counts the connections, so that nothing of an earlier one is matched (semantics F-50).
    pub(super) epoch: u32,
    failures: u32,
    up_since: Tick,
    last_heard: Tick,
    pings: u32,
    last_ping: Tick,
    garbage: VecDeque<Tick>,
    pub(super) outbox: Outbox,
    /// Messages that it was found not to know since the link is open.
    pub(super) unsupported: Vec<&'static str>,
    /// The one CALL that it has not answered yet (semantics F-21).
    pub(super) asked: Option<Asked>,
    /// CALLs whose time is over; their answers may still say something (semantics F-53, F-54).
    pub(super) overdue: VecDeque<Asked>,
    last_asked: Tick,
    /// What it answered to this charger's BootNotification.
    pub(super) boot: Option<Verdict>,
    /// When it is asked again, since it has not accepted the charger yet.
    pub(super) boot_again: Option<Tick>,
    /// How often it wants a Heartbeat.
    pub(super) heartbeat: Duration,
    next_heartbeat: Tick,
    last_heartbeat: Tick,
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
    fn waits_for_boot(&self) -> bool {
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

    fn ping_at(&self) -> Tick {
        self.last_heard.max(self.last_ping) + limits::BACKOFFICE_PING
    }
}

impl Session {
    /// Dials every backoffice that was not tried yet, the leader first.
    pub(super) fn dial_new(&mut self) {
        for at in 0..self.links.len() {
            if self.links[at].state == LinkState::Down(None) {
                self.dial(at);
            }
        }
    }

    fn dial(&mut self, at: usize) {
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
        let retry_in_ms = u64::try_from(retry.as_millis()).ok();
        self.note(Note::LinkDown { backoffice: id.clone(), departure, retry_in_ms });
        if self.leads(id) {
            self.leader_lost();
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
    fn redial_after(&mut self, at: usize, departure: &Departure) -> Duration {
        let link = &mut self.links[at];
        if link.is_up() && self.now.tick.since(link.up_since) >= limits::REDIAL_FORGET {
            link.failures = 0;
        }
        let ceiling = limits::REDIAL_LAST.min(limits::REDIAL_FIRST * (1 << link.failures.min(6)));
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
    }

    pub(super) fn hang_up_all(&mut self, reason: Reason) {
        for at in 0..self.links.len() {
            self.hang_up_link(at, reason, None);
        }
    }

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
            if self.leads(&id) {
                self.leader_lost();
            }
        }
    }

    /// Queues a message for a backoffice; its turn comes in [`Self::feed_links`].
    pub(super) fn tell(&mut self, at: usize, copy: Copy) {
        if copy.keeping() == Keeping::InOrder {
            return self.deliver(at, copy);
        }
        let link = &mut self.links[at];
        let is_told = link.is_up() && (!link.waits_for_boot() || self.leader == link.id);
        if !is_told && copy.keeping() == Keeping::Volatile && copy.purpose != Purpose::ChargerWaits {
            return self.not_asked(at, &copy);
        }
        let dropped = link.outbox.push(copy, is_told);
        if let Some(dropped) = dropped {
            let id = self.links[at].id.clone();
            self.alert(
                "outbox_full",
                format!("{id} was not told of a {}: too much waits for it", dropped.name()),
            );
        }
    }

    /// Whoever looks for this backoffice's answer is to find why there is none.
    fn not_asked(&mut self, at: usize, copy: &Copy) {
        if copy.purpose == Purpose::Inform {
            let answer = AnswerNote {
                trace: copy.trace,
                backoffice: self.links[at].id.clone(),
                led: false,
                action: copy.name(),
                outcome: Outcome::Unanswered("not_connected"),
                latency_us: 0,
                verdict: crate::Verdict::NotComparable,
                differences: Vec::new(),
            };
            self.note(Note::Answer(Box::new(answer)));
        }
    }

    /// Sends the next message to a backoffice that can take one.
    pub(super) fn feed_links(&mut self) -> bool {
        for at in 0..self.links.len() {
            let link = &self.links[at];
            if !link.is_up() || link.asked.is_some() {
                continue;
            }
            let Some(copy) = self.next_copy(at) else { continue };
            self.ask(at, copy);
            return true;
        }
        false
    }

    fn next_copy(&mut self, at: usize) -> Option<Copy> {
        let now = self.now.tick;
        let link = &mut self.links[at];
        link.outbox.remove(|copy| {
            copy.purpose == Purpose::Inform
                && copy.keeping() == Keeping::Volatile
                && now.since(copy.queued) >= limits::VOLATILE_AGE
        });
        if link.waits_for_boot() && self.leader != link.id {
            return link.outbox.take_first(|copy| copy.name() == "BootNotification");
        }
        link.outbox.next(now)
    }

    fn ask(&mut self, at: usize, copy: Copy) {
        let id = self.links[at].id.clone();
        let Some(payload) = self.payload_for(&id, &copy) else {
            self.not_told(at, &copy);
            return;
        };
        let message_id = self.mint_message_id();
        let text = frame::write_call(message_id, &copy.action_token, &payload);
        let led = self.leads(&id);
        let patience = match copy.purpose {
            // Its own, not the charger's: a second CALL must not follow while this one may still be
            // answered, whether or not the charger still waits.
            Purpose::ChargerWaits => limits::LEADER_ANSWER,
            Purpose::Inform | Purpose::Synthetic => limits::FOLLOWER_ANSWER,
        };
        self.start_sent(&id, &copy);
        let name = copy.name();
        let link = &mut self.links[at];
        link.last_asked = self.now.tick;
        link.asked =
            Some(Asked { message_id, copy, sent: self.now.tick, answer_by: self.now.tick + patience, led });
        self.say_to(&id, FrameKind::Call, name, text);
    }

    /// The CALL of a backoffice that this message id answers; with whether it is overdue.
    pub(super) fn asked_by(&mut self, at: usize, message_id: Uuid) -> Option<(Asked, bool)> {
        let link = &mut self.links[at];
        if link.asked.as_ref().is_some_and(|asked| asked.message_id == message_id) {
            return link.asked.take().map(|asked| (asked, false));
        }
        let overdue = link.overdue.iter().position(|asked| asked.message_id == message_id)?;
        link.overdue.remove(overdue).map(|asked| (asked, true))
    }

    pub(super) fn pass_time_links(&mut self) {
        for at in 0..self.links.len() {
            if self.is_over {
                return;
            }
            let now = self.now.tick;
            match self.links[at].state {
                LinkState::Down(Some(when)) if when <= now => self.dial(at),
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
            if link.overdue.len() == limits::LATE_ANSWERS {
                link.overdue.pop_front();
            }
            link.overdue.push_back(asked.clone());
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
        let id = link.id.clone();
        let wait = self.redial_after(at, &Departure::Lost);
        self.hang_up_link(at, Reason::Silent, Some(now + wait));
        if self.leads(&id) {
            self.leader_lost();
        }
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

    /// Says something to a backoffice on the charger's behalf.
    pub(super) fn synthesise(&mut self, at: usize, action: &'static str, payload: Text) {
        if action == "Heartbeat" {
            self.links[at].last_heartbeat = self.now.tick;
        }
        let copy = self.synthetic(action, payload);
        self.tell(at, copy);
    }

    pub(super) fn synthetic(&mut self, action: &'static str, payload: Text) -> Copy {
        Copy {
            trace: self.mint_trace(),
            action: actions::known(action),
            action_token: Text::from(format!("\"{action}\"")),
            payload,
            transaction: None,
            queued: self.now.tick,
            held_until: None,
            purpose: Purpose::Synthetic,
            number: None,
            attempts: 0,
            retry_at: None,
            order: 0,
        }
    }

    pub(super) fn link_deadlines(&self, earliest: &mut Earliest) {
        for link in &self.links {
            match link.state {
                LinkState::Down(Some(when)) => earliest.at(when),
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
