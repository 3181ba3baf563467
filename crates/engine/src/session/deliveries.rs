//! Deliveries: what a backoffice must be told reaches it, in order, however long it is away
//! (semantics §2.8).

use std::time::Duration;

use crate::session::Session;
use crate::session::links::LinkState;
use crate::session::outbox::{Asked, Copy, Outbox};
use crate::{
    BackofficeId, Delivery, Effect, Lane, Note, Outcome, PeerState, PeerTransaction, Record, Side, Text,
    TraceId, Urgency, limits,
};

/// What becomes of a delivery after an answer, or after none.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// It was booked.
    Delivered,
    /// It is tried again after this.
    Again(Duration),
    /// Its backoffice does not know such messages and loses nothing that is billed.
    Pointless,
    /// It is not tried again by itself; an operator sees it.
    Parked(&'static str),
}

impl Session {
    /// Gives a copy its place in a backoffice's lane. It is durable before that backoffice, or the
    /// charger, hears anything more; what a backoffice is told at once while the charger waits is durable, or
    /// delivered, before the charger does. Returns its number.
    pub(super) fn deliver(&mut self, at: usize, copy: Copy) -> u64 {
        let unix_ms = self.now.unix_ms;
        // What the charger waits for it says again after a crash.
        let waits = self.charger.current.as_ref().is_some_and(|call| call.trace == copy.trace);
        let is_soon_told = match copy.name() {
            "MeterValues" => self.catches_up(at),
            _ => waits && self.is_idle(at),
        };
        let is_told_at_once = copy.held_until.is_none() && is_soon_told;
        let link = &mut self.links[at];
        let number = link.outbox.next_number();
        let delivery = Record::Delivery(Box::new(copy.delivery(&link.id, number, unix_ms)));
        link.outbox.deliver(copy, number);
        if is_told_at_once {
            self.promise_on_its_way(delivery);
        } else {
            let side = Side::Backoffice(link.id.clone());
            self.promise(delivery, [Side::Charger, side]);
        }
        number
    }

    /// Whether a backoffice hears what it is told now before anything else.
    fn is_idle(&self, at: usize) -> bool {
        let link = &self.links[at];
        self.is_told(at) && link.asked.is_none() && link.outbox.waiting() == 0
    }

    /// Whether a backoffice is idle, or only a few meter values behind and answers them at once. If the charger did not
    /// wait for it then, each message would wait for a commit before it is said, and for another before the next is, for ever.
    fn catches_up(&self, at: usize) -> bool {
        let link = &self.links[at];
        let is_prompt = |asked: &Asked| self.now.tick.since(asked.sent) < limits::PROMPT;
        self.is_told(at)
            && link.outbox.waiting() <= limits::CATCHING_UP
            && link.outbox.has_only_samples()
            && link.asked.as_ref().is_none_or(is_prompt)
    }

    /// Backoffices that the plan has just named are told first of the transactions that run
    /// (semantics T-70).
    pub(super) fn tell_newcomers(&mut self) {
        for at in 0..self.links.len() {
            self.tell_running_transactions(at);
        }
    }

    fn tell_running_transactions(&mut self, at: usize) {
        let id = self.links[at].id.clone();
        let is_asked = self.leads(&id) || self.plan.leader == id;
        let leads = self.leads(&id);
        let unknown = self.transactions.running().filter(|row| {
            // The charger may have asked who led then, and leads still.
            let is_given_up = row.given_up && (!leads || row.leader_at_start != id);
            let is_unknown = match row.peers.get(&id) {
                // The charger itself asks whoever leads, or is about to. Who did not answer then may
                // have booked it, and is told again when it is known to run.
                None => row.start_answer.is_some() || is_given_up || !is_asked && row.leader_at_start != id,
                // Who was asked as leader follows now, and what comes next must not overtake it.
                Some(peer) => {
                    peer.state == PeerState::Asked && !leads && (row.start_answer.is_some() || is_given_up)
                }
            };
            is_unknown && !row.superseded
        });
        let mut traces = Vec::new();
        let mut messages = Vec::new();
        for row in unknown {
            traces.push((row.trace, row.raw_stop.is_some()));
            let start = Text::from(row.raw_start.as_str());
            messages.push((row.received_unix_ms, row.trace, "StartTransaction", start));
            // A stop that waits for the leader's answer was told to the others already.
            if let Some(stop) = &row.raw_stop {
                let received = row.stop_received_unix_ms.unwrap_or(i64::MAX);
                messages.push((received, row.trace, "StopTransaction", Text::from(stop.as_str())));
            }
        }
        for (trace, stop_told) in traces {
            if let Some(row) = self.transactions.get_mut(trace) {
                let peer = PeerTransaction { stop_told, ..Default::default() };
                row.peers.insert(id.clone(), peer);
            }
            self.promise_transaction(trace, [Side::Backoffice(id.clone())]);
        }
        // In the order in which the charger said them (semantics T-56).
        messages.sort_by_key(|(received_unix_ms, ..)| *received_unix_ms);
        for (_, trace, action, request) in messages {
            self.tell_of_transaction(at, trace, action, request);
        }
    }

    fn tell_of_transaction(&mut self, at: usize, trace: TraceId, action: &'static str, request: Text) {
        let mut copy = self.synthetic(action, request);
        copy.trace = trace;
        copy.transaction = Some(trace);
        self.tell(at, copy);
    }

    /// A delivery was answered in time.
    pub(super) fn delivery_answered(&mut self, at: usize, asked: &Asked, outcome: &Outcome) {
        let Some(number) = asked.copy.number else { return self.answered_as_leader(at, asked, outcome) };
        match fate(asked.copy.name(), outcome, asked.copy.attempts) {
            Fate::Delivered => self.delivered(at, number),
            Fate::Pointless => {
                self.say_once_unsupported(at, asked.copy.name());
                self.delivered(at, number);
            }
            Fate::Again(wait) => {
                if matches!(outcome, Outcome::Error { code, .. } if *code == "SecurityError") {
                    // Most likely it has forgotten that it accepted the charger (semantics T-58).
                    self.links[at].boot = None;
                    self.boot_for(at);
                }
                self.deliver_again(at, asked.copy.clone(), wait, outcome);
            }
            Fate::Parked(why) => self.park(at, &asked.copy, why),
        }
    }

    /// What it answered as leader it is not told as follower: neither what waits in its lane by now,
    /// nor when the charger says it again.
    fn answered_as_leader(&mut self, at: usize, asked: &Asked, outcome: &Outcome) {
        if asked.copy.number.is_some() || !matches!(outcome, Outcome::Result(_)) {
            return;
        }
        self.remember_answered(at, &asked.copy);
        if let Some(number) = self.links[at].outbox.take_delivered(&asked.copy) {
            self.delivered(at, number);
        }
    }

    /// An answer after its time shows that the delivery was booked, unless it is on its way again.
    pub(super) fn late_delivery(&mut self, at: usize, asked: &Asked, outcome: &Outcome) {
        self.answered_as_leader(at, asked, outcome);
        if let Outcome::Result(_) = outcome
            && asked.copy.number.is_some()
            && let Some(number) = self.links[at].outbox.take_delivered(&asked.copy)
        {
            self.delivered(at, number);
        }
    }

    /// The delivery is done with; what its backoffice hears next waits until that is durable, so that a crash
    /// repeats one message at most.
    pub(super) fn delivered(&mut self, at: usize, number: u64) {
        let backoffice = self.links[at].id.clone();
        let side = Side::Backoffice(backoffice.clone());
        if self.take_back_promise(at, number) {
            return;
        }
        // Nothing else waits for it: that takes no commit of its own, if something else is kept within moments.
        let urgency = match self.links[at].outbox.waiting() {
            0 => Urgency::Soon,
            _ => Urgency::Now,
        };
        self.promise_in_time(urgency, Record::Delivered { backoffice, number }, [side]);
    }

    fn deliver_again(&mut self, at: usize, mut copy: Copy, wait: Duration, outcome: &Outcome) {
        copy.attempts += 1;
        // What timed out may have been booked: its late answer is awaited in full (semantics T-61).
        let wait = match outcome {
            Outcome::Unanswered(_) => wait,
            _ => wait.mul_f64(self.random.f64()),
        };
        copy.retry_at = Some(self.now.tick + wait);
        self.start_waits(&self.links[at].id.clone(), &copy, PeerState::Queued);
        self.keep_delivery(at, &copy, None);
        self.links[at].outbox.put_back(copy);
    }

    fn say_once_unsupported(&mut self, at: usize, name: &'static str) {
        let link = &mut self.links[at];
        if !link.unsupported.contains(&name) {
            link.unsupported.push(name);
            let detail = format!("{} does not take {name}; it is not told of any", link.id);
            self.alert("not_supported", detail);
        }
    }

    /// What cannot be delivered is never lost silently.
    pub(super) fn park(&mut self, at: usize, copy: &Copy, why: &'static str) {
        let id = self.links[at].id.clone();
        self.start_waits(&id, copy, PeerState::Failed);
        self.keep_delivery(at, copy, Some(why));
        let name = copy.name();
        self.note(Note::Alert {
            kind: "delivery_parked",
            detail: format!("{id} will not be told of a {name} ({why}); see `ocpp-proxy deliveries`"),
        });
    }

    fn keep_delivery(&mut self, at: usize, copy: &Copy, parked: Option<&str>) {
        let Some(number) = copy.number else { return };
        let waited = self.now.tick.since(copy.queued).as_millis();
        let queued = self.now.unix_ms - i64::try_from(waited).unwrap_or(0);
        let mut delivery = copy.delivery(&self.links[at].id, number, queued);
        delivery.parked = parked.map(str::to_owned);
        // Those behind it go on, but not before it is known to be parked: else a crash would put it
        // after them.
        let waits = parked.map(|_| Side::Backoffice(self.links[at].id.clone()));
        self.take_back_promise(at, number);
        self.promise(Record::Delivery(Box::new(delivery)), waits);
    }

    fn start_waits(&mut self, id: &BackofficeId, copy: &Copy, state: PeerState) {
        if copy.name() == "StartTransaction"
            && let Some(trace) = copy.transaction
            && let Some(row) = self.transactions.get_mut(trace)
        {
            row.peers.entry(id.clone()).or_default().state = state;
            let record = self.transaction_record(trace);
            self.promised.extend(record);
        }
    }

    /// Reads on in the lanes of which too little is in memory.
    pub(super) fn recall_lanes(&mut self) {
        for at in 0..self.links.len() {
            if self.links[at].state == LinkState::Up
                && let Some(after) = self.links[at].outbox.recall_after()
            {
                let backoffice = self.links[at].id.clone();
                self.effects.push_back(Effect::Recall { backoffice, after });
            }
        }
    }

    pub(super) fn recalled(&mut self, id: &BackofficeId, deliveries: Vec<Delivery>, waiting: u64) {
        let now = self.now.tick;
        if let Some(at) = self.at(id) {
            let link = &mut self.links[at];
            let asked = link.asked.as_ref().and_then(|asked| asked.copy.number);
            link.outbox.recalled(deliveries, waiting, asked, now);
        }
    }

    /// An operator had parked deliveries tried again or dropped: the lane is read anew.
    pub(super) fn lane_changed(&mut self, id: &BackofficeId) {
        if let Some(at) = self.at(id) {
            self.links[at].outbox.reread();
            self.effects.push_back(Effect::Recall { backoffice: id.clone(), after: 0 });
        }
    }

    pub(super) fn remember_lane(&mut self, lane: Lane) {
        match self.at(&lane.backoffice) {
            Some(at) => self.links[at].outbox = Outbox::of(lane, self.now.tick),
            None => self.other_lanes.push(lane),
        }
    }
}

/// What the kind of answer says about trying again (semantics T-58).
fn fate(name: &str, outcome: &Outcome, attempts: u32) -> Fate {
    let Outcome::Error { code, .. } = outcome else {
        return match outcome {
            Outcome::Result(_) => Fate::Delivered,
            _ => again(attempts),
        };
    };
    match &**code {
        "NotImplemented" | "NotSupported" if matches!(name, "StartTransaction" | "StopTransaction") => {
            Fate::Parked("not_supported")
        }
        "NotImplemented" | "NotSupported" => Fate::Pointless,
        "FormationViolation"
        | "OccurenceConstraintViolation"
        | "PropertyConstraintViolation"
        | "ProtocolError"
        | "TypeConstraintViolation"
            if attempts > 0 =>
        {
            Fate::Parked("refused_as_malformed")
        }
        _ => again(attempts),
    }
}

fn again(attempts: u32) -> Fate {
    if attempts + 1 >= limits::DELIVERY_ATTEMPTS {
        return Fate::Parked("attempts_spent");
    }
    Fate::Again((limits::DELIVERY_INTERVAL * (attempts + 1)).min(limits::DELIVERY_LONGEST))
}
