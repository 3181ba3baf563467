//! The leader's place while it is away, too slow, or still hearing of what it missed: the proxy answers
//! the charger, and books what the leader must be told (semantics §2.9).

use crate::actions::{Keeping, StandIn};
use crate::session::charger::ChargerCall;
use crate::session::outbox::{Asked, Copy, Purpose};
use crate::session::{Earliest, Reply, Session};
use crate::{BackofficeId, Decider, Departure, OnLeaderLost, PeerState, Reason, Side, Tick, TraceId, limits};

/// The leader's absence, if it is away.
#[derive(Debug, Default)]
pub(super) struct Absence {
    since: Option<Tick>,
    /// When the charger is sent away, where nobody is to answer in the leader's place for long.
    ends_session: Option<Tick>,
    /// Calls in a row that the leader left unanswered.
    timeouts: u32,
}

impl Absence {
    pub(super) fn since(&self) -> Option<Tick> {
        self.since
    }

    pub(super) fn has_begun(&self) -> bool {
        self.since.is_some()
    }

    /// Until when a call that only the leader can answer waits for it: it may be back soon.
    fn waits_until(&self) -> Option<Tick> {
        Some(self.since? + limits::LEADER_BLINK)
    }

    /// Another leads.
    pub(super) fn begin_anew(&mut self) {
        *self = Self::default();
    }

    pub(super) fn leader_answered(&mut self) {
        self.timeouts = 0;
    }
}

impl Session {
    /// Whether the leader is there to answer. One that was told of a boot late and refuses a charger that
    /// believes itself accepted is as good as away (semantics B-15).
    pub(super) fn has_leader(&self) -> bool {
        self.at(&self.leader).is_some_and(|at| self.is_told(at))
    }

    /// Notices when the leader goes, and when it comes back.
    pub(super) fn watch_leader(&mut self) -> bool {
        match (self.has_leader(), self.absence.since) {
            // Another takes its place at once.
            (false, None) if self.charger.current.is_none() && self.next_leader().is_some() => false,
            (false, None) if self.charger.is_here => {
                let now = self.now.tick;
                self.absence.since = Some(now);
                self.alert("leader_lost", format!("{}, which leads, is not there", self.leader));
                self.end_when_grace_is_over();
                true
            }
            (true, Some(_)) => {
                self.absence.begin_anew();
                self.alert("leader_back", format!("{}, which leads, is there again", self.leader));
                self.ask_leader_again();
                true
            }
            _ => false,
        }
    }

    /// One that was only not accepting the charger is away for good now.
    pub(super) fn leader_lost_its_link(&mut self) {
        if self.absence.has_begun() {
            self.end_when_grace_is_over();
        }
    }

    /// What the plan of now wants of an absence that goes on. Where the charger is to be sent away, not all
    /// of a site are at the same moment (semantics T-69).
    pub(super) fn end_when_grace_is_over(&mut self) {
        let mirrors = self.plan.outage.on_leader_lost == OnLeaderLost::Mirror;
        let Some(since) = self.absence.since.filter(|_| mirrors) else {
            self.absence.ends_session = None;
            return;
        };
        let mut grace = self.plan.outage.grace;
        if self.at(&self.leader).is_some_and(|at| self.links[at].is_up()) {
            // It has a link, and is yet to say whether it accepts the charger.
            grace = grace.max(limits::LEADER_ANSWER);
        }
        let ends = since + grace + grace.mul_f64(self.random.f64());
        self.absence.ends_session = Some(ends);
        if ends <= self.now.tick {
            self.end(Reason::LeaderLost);
        }
    }

    /// A call that has waited for a leader is said to it, unless it is told that as a follower.
    pub(super) fn ask_leader_again(&mut self) {
        let Some(call) = &self.charger.current else { return };
        if self.is_told_as_follower(call) {
            return;
        }
        let copy = self.copy(call, Purpose::ChargerWaits);
        let Some(at) = self.at(&self.leader) else { return };
        if !self.links[at].outbox.holds(|copy| copy.purpose == Purpose::ChargerWaits) {
            self.tell(at, copy);
        }
    }

    pub(super) fn pass_time_absence(&mut self) {
        if self.absence.ends_session.is_some_and(|when| when <= self.now.tick) {
            self.end(Reason::LeaderLost);
        }
    }

    pub(super) fn absence_deadlines(&self, earliest: &mut Earliest) {
        self.absence.ends_session.into_iter().for_each(|when| earliest.at(when));
        let is_ahead = |when: &Tick| self.charger.current.is_some() && *when > self.now.tick;
        self.absence.waits_until().filter(is_ahead).into_iter().for_each(|when| earliest.at(when));
    }

    /// Answers the call in progress if the leader cannot be asked.
    pub(super) fn stand_in(&mut self) -> bool {
        let Some(call) = &self.charger.current else { return false };
        if self.is_owed(call) {
            let Some(call) = self.charger.current.take() else { return false };
            self.answer_again(call);
            return true;
        }
        if self.is_ballot_open() {
            return false;
        }
        match self.absence.waits_until() {
            // Who takes the lead now is asked, too.
            Some(until)
                if (self.now.tick < until || self.next_leader().is_some()) && !self.can_stand_in(call) =>
            {
                return false;
            }
            None if !self.waits_behind_deliveries(call) => return false,
            _ => {}
        }
        let Some(call) = self.charger.current.take() else { return false };
        if self.absence.has_begun() {
            self.answer_in_leaders_place(call, "T-65");
        } else {
            self.answer_in_leaders_place(call, "T-66");
        }
        true
    }

    /// What is booked already is not asked.
    fn answer_again(&mut self, mut call: ChargerCall) {
        if let Some(at) = self.at(&self.leader) {
            self.links[at].outbox.remove(|copy| copy.purpose == Purpose::ChargerWaits);
        }
        call.flags.push("repeated");
        self.answer_charger(call, Reply::result("{}"), Decider::Proxy("T-60"));
    }

    /// Whether the proxy has something better to say than that it cannot tell.
    fn can_stand_in(&self, call: &ChargerCall) -> bool {
        match call.stand_in() {
            StandIn::None => false,
            StandIn::Card => self.card_reply(&call.payload).is_some(),
            _ => true,
        }
    }

    /// A transaction message of now waits behind those that the leader missed, and the charger does not
    /// wait for that (semantics T-66, T-71).
    fn waits_behind_deliveries(&self, call: &ChargerCall) -> bool {
        self.at(&self.leader).is_some_and(|at| {
            let link = &self.links[at];
            let asked = link.asked.as_ref().map(|asked| &asked.copy);
            let is_asked = asked.is_some_and(|asked| asked.trace == call.asks && asked.number.is_none());
            let is_delivery = |asked: &Copy| asked.number.is_some() && asked.has_its_order();
            let delivers = link.outbox.has_transactions() || asked.is_some_and(is_delivery);
            delivers && !is_asked && self.copy(call, Purpose::ChargerWaits).is_of_transactions()
        })
    }

    /// The leader has not answered, and the charger waits no longer (semantics E16, E17, X-4). One that is
    /// away could not answer (T-65).
    pub(super) fn leader_did_not_answer(&mut self) {
        let Some(call) = self.charger.current.take() else { return };
        let books = call.stand_in() == StandIn::Booked;
        let is_there = self.has_leader();
        let is_away = self.absence.has_begun() && !is_there;
        if is_there {
            let name = call.name();
            self.alert("leader_timeout", format!("{} did not answer a {name} in time", self.leader));
            self.absence.timeouts += 1;
        }
        if books && self.plan.outage.on_leader_lost == OnLeaderLost::Mirror {
            // An error would cost the charger one of its attempts; a closed socket costs none.
            self.charger.current = Some(call);
            self.hang_up_charger(Reason::LeaderLost, "leader_timeout");
        } else if books {
            let rule = if is_away { "T-65" } else { "E17" };
            self.answer_in_leaders_place(call, rule);
        } else if call.ballot.is_some() {
            self.answer_late_authorize(call);
        } else {
            let rule = if is_away { "T-65" } else { "E16" };
            self.answer_in_leaders_place(call, rule);
        }
        if is_there && self.absence.timeouts >= limits::LEADER_TIMEOUTS {
            self.give_up_leaders_link();
        }
    }

    /// A leader that answers nothing is as good as away, and may be better on another connection.
    fn give_up_leaders_link(&mut self) {
        let Some(at) = self.at(&self.leader) else { return };
        self.alert(
            "leader_unresponsive",
            format!("{} leaves everything unanswered; dialing it anew", self.leader),
        );
        let wait = self.redial_after(at, &Departure::Lost);
        self.hang_up_link(at, Reason::Silent, Some(self.now.tick + wait));
    }

    /// Answers a call, which must not be in progress any more, as far as the proxy can.
    pub(super) fn answer_in_leaders_place(&mut self, mut call: ChargerCall, rule: &'static str) {
        if let Some(ballot) = &call.ballot {
            call.flags.push(ballot.policy());
        }
        if let Some(at) = self.at(&self.leader) {
            self.links[at].outbox.remove(|copy| copy.purpose == Purpose::ChargerWaits);
        }
        let is_away = self.absence.has_begun();
        let why =
            if is_away { "the backoffice is not available" } else { "the backoffice did not answer in time" };
        let unknown = || Reply::error("GenericError", why);
        let reply = match call.stand_in() {
            StandIn::Booked => self.book(&call),
            StandIn::Empty => {
                self.tell_leader_later(&call);
                Reply::result("{}")
            }
            StandIn::Clock => Reply::result(format!(r#"{{"currentTime":"{}"}}"#, self.now.to_ocpp())),
            StandIn::Boot => {
                self.tell_leader_later(&call);
                self.boot_in_leaders_place()
            }
            StandIn::Card => self.card_reply(&call.payload).unwrap_or_else(unknown),
            StandIn::Rejected => Reply::result(r#"{"status":"Rejected"}"#),
            StandIn::None if call.action.is_none() => {
                Reply::error("NotImplemented", "this action is not known")
            }
            StandIn::None => unknown(),
        };
        self.answer_charger(call, reply, Decider::Proxy(rule));
    }

    /// The newest state is told to a leader that is away; one that is only slow has been asked.
    fn tell_leader_later(&mut self, call: &ChargerCall) {
        if self.absence.has_begun() {
            let copy = self.copy(call, Purpose::Inform);
            let leader = self.leader.clone();
            self.tell_one(&leader, copy);
        }
    }

    /// Books a transaction message: durable before the charger hears its answer, and told to the leader
    /// in its place (semantics T-65, T-68).
    fn book(&mut self, call: &ChargerCall) -> Reply {
        match (call.name(), call.transaction) {
            ("StartTransaction", Some(trace)) => self.book_start(call, trace),
            ("StopTransaction", Some(trace)) => {
                self.book_stop(call, trace);
                Reply::result("{}")
            }
            _ => {
                if !self.has_answered(call) {
                    self.owe(call);
                }
                Reply::result("{}")
            }
        }
    }

    fn book_start(&mut self, call: &ChargerCall, trace: TraceId) -> Reply {
        let leader = self.leader.clone();
        self.owe_start(call, trace, &leader);
        if let Some(answer) = self.stored_start_answer(trace) {
            return Reply::result(answer);
        }
        let number = self.transactions.number_for_charger(None);
        let tag = self.transactions.get(trace).map(|row| row.id_tag.clone()).unwrap_or_default();
        let info = match self.verdict_on_start(trace, call.ballot.as_deref()) {
            Some(info) => info,
            None => self.card_of_start(&tag).to_owned(),
        };
        let answer = format!(r#"{{"idTagInfo":{info},"transactionId":{}}}"#, number.0);
        if let Some(row) = self.transactions.get_mut(trace) {
            row.provisional = true;
            row.leader_at_start = leader.clone();
        }
        self.start_is_answered(trace, &answer);
        self.promise_transaction(trace, [Side::Charger, Side::Backoffice(leader)]);
        Reply::result(answer)
    }

    fn owe_start(&mut self, call: &ChargerCall, trace: TraceId, leader: &BackofficeId) {
        let Some(row) = self.transactions.get_mut(trace) else { return };
        // It may have followed when the charger first said this.
        let has_copy = row.peers.get(leader).is_some_and(|peer| peer.state != PeerState::Asked);
        if !has_copy {
            row.peers.entry(leader.clone()).or_default().state = PeerState::Queued;
            self.owe(call);
        }
    }

    fn book_stop(&mut self, call: &ChargerCall, trace: TraceId) {
        let leader = self.leader.clone();
        let is_told =
            self.transactions.get(trace).and_then(|row| row.peers.get(&leader)).is_some_and(|p| p.stop_told);
        if !is_told {
            self.owe(call);
        }
        self.stop_is_answered(trace, &leader, "{}");
    }

    /// Gives a call its place among the deliveries to the leader. Where the leader was asked already
    /// that question becomes the delivery, so that its answer settles it.
    pub(super) fn owe(&mut self, call: &ChargerCall) {
        let copy = self.copy(call, Purpose::Inform);
        if copy.keeping() != Keeping::InOrder {
            return;
        }
        let Some(at) = self.at(&self.leader) else { return };
        let number = self.deliver(at, copy);
        let link = &mut self.links[at];
        let asks = |copy: &Copy| copy.trace == call.asks && copy.purpose == Purpose::ChargerWaits;
        if let Some(asked) = link.asked.as_mut().filter(|asked| asks(&asked.copy)) {
            asked.copy.purpose = Purpose::Inform;
            asked.copy.number = Some(number);
            link.outbox.take(number);
        } else if let Some(asked) = link.overdue.iter_mut().find(|asked| asks(&asked.copy)) {
            // It may have been booked: its late answer is awaited in full (semantics T-61).
            asked.copy.purpose = Purpose::Inform;
            asked.copy.number = Some(number);
            link.outbox.put_off(number, self.now.tick + limits::DELIVERY_INTERVAL);
        }
    }

    /// The leader could not process a transaction message, and the plan wants that absorbed
    /// (semantics E18).
    pub(super) fn absorbs(&self, reply: &Reply) -> bool {
        let Reply::Error { code, .. } = reply else { return false };
        let books = self.charger.current.as_ref().is_some_and(|call| call.stand_in() == StandIn::Booked);
        books && self.plan.outage.absorb_leader_errors && matches!(&**code, "InternalError" | "GenericError")
    }

    pub(super) fn absorb_error(&mut self, at: usize, asked: Asked) {
        let Some(call) = self.charger.current.take() else { return };
        // What it could not process now it may process later.
        self.links[at].remember_overdue(asked);
        self.answer_in_leaders_place(call, "E18");
    }
}
