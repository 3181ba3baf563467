//! Messages that carry numbers: each party is told its own (semantics §2.3–2.5, §3.6).

use crate::session::charger::ChargerCall;
use crate::session::intents::{Announced, Intent};
use crate::session::outbox::{Asked, Copy, Purpose};
use crate::session::own_numbers::with_integer;
use crate::session::transactions::{Start, is_stopped_by};
use crate::session::{Reply, Session};
use crate::{
    BackofficeId, BackofficeTransactionId, ChargerTransactionId, Decider, PeerState, Side, Text, TraceId,
    TransactionRow, TransactionState, Urgency, payload,
};

impl Session {
    // StartTransaction (semantics §2.3)

    pub(super) fn start_received(&mut self, mut call: ChargerCall) {
        let start = Start::read(&call.payload);
        if let Some(row) = self.transactions.repeated_start(&start) {
            let trace = row.trace;
            return self.start_repeated(call, trace);
        }
        call.transaction = Some(call.trace);
        let announced = self.intents.of(&start.id_tag, Some(start.connector_id), self.now.unix_ms).cloned();
        // One on the same connector is superseded.
        let connector_id = start.connector_id;
        self.starts_are_given_up(|row| row.connector_id != connector_id);
        let peers: Vec<BackofficeId> =
            self.plan.backoffices().filter(|id| !self.leads(id)).cloned().collect();
        let superseded = self.transactions.open(
            call.trace,
            self.now,
            start,
            &call.payload,
            &self.leader,
            peers.into_iter(),
        );
        let links = &self.links;
        self.transactions
            .forget_old(self.now.unix_ms, |trace| links.iter().any(|link| link.refers_to(trace)));
        for trace in superseded {
            self.alert("superseded", "a transaction started on a connector whose last one was never stopped");
            self.promise_transaction(trace, []);
        }
        // Nobody hears of a transaction that a crash could make the proxy forget (semantics T-22).
        let everyone = self.links.iter().map(|link| Side::Backoffice(link.id.clone()));
        let everyone: Vec<Side> = everyone.chain([Side::Charger]).collect();
        if let Some(row) = self.transactions.get_mut(call.trace) {
            row.authoriser = announced.as_ref().map(|intent| intent.by.clone());
            let is_start = |intent: &&Intent| intent.purpose == Announced::RemoteStart;
            row.remote_start_by = announced.as_ref().filter(is_start).map(|intent| intent.by.clone());
        }
        self.promise_transaction(call.trace, everyone);
        self.ask_everyone(call);
        // What was announced has come.
        if let Some(announced) = announced {
            self.withdraw(|other| *other == announced);
        }
    }

    /// The same start again: its answer was lost, or never came (semantics T-20, T-76).
    fn start_repeated(&mut self, mut call: ChargerCall, trace: TraceId) {
        call.transaction = Some(trace);
        call.flags.push("repeated");
        self.take_late_verdict(trace);
        if let Some(answer) = self.stored_start_answer(trace) {
            return self.answer_charger(call, Reply::result(answer), Decider::Proxy("T-20"));
        }
        call.ballot = self.open_ballot(&call);
        self.ask_leader_once(call);
    }

    /// A repeated call waits for the answer that the leader still owes to the first one, if any
    /// (semantics T-20, §4.4).
    fn ask_leader_once(&mut self, mut call: ChargerCall) {
        if self.is_told_as_follower(&call) {
            self.charger.current = Some(call);
            return;
        }
        let asked = self.at(&self.leader).and_then(|at| self.links[at].asked.as_ref());
        let first = asked.filter(|asked| {
            asked.copy.purpose == Purpose::ChargerWaits
                && asked.copy.name() == call.name()
                && asked.copy.transaction == call.transaction
        });
        match first.map(|asked| asked.copy.trace) {
            Some(first) => {
                call.asks = first;
                self.charger.current = Some(call);
            }
            None => self.ask_leader(call),
        }
    }

    /// Whether the leader of now is told this start as a follower, or was and has answered. It is not asked about it as
    /// well: its answer to that counts (semantics T-62).
    pub(super) fn is_told_as_follower(&self, call: &ChargerCall) -> bool {
        let Some(trace) = call.transaction.filter(|_| call.name() == "StartTransaction") else {
            return false;
        };
        let row = self.transactions.get(trace);
        match row.and_then(|row| row.peers.get(&self.leader)).map(|peer| peer.state) {
            Some(PeerState::Queued | PeerState::Sent) => true,
            Some(PeerState::Mapped) => self.answer_on_row(trace, &self.leader).is_some(),
            Some(PeerState::Asked | PeerState::Failed) | None => false,
        }
    }

    /// What a backoffice answered to a start, as far as the row remembers it.
    pub(super) fn answer_on_row(&self, trace: TraceId, id: &BackofficeId) -> Option<Text> {
        let peer = self.transactions.get(trace)?.peers.get(id)?;
        let (number, status) = peer.number.zip(peer.status.as_deref())?;
        let status = serde_json::Value::from(status);
        Some(format!(r#"{{"idTagInfo":{{"status":{status}}},"transactionId":{}}}"#, number.0).into())
    }

    pub(super) fn stored_start_answer(&mut self, trace: TraceId) -> Option<String> {
        if let Some(answer) = &self.transactions.get(trace)?.start_answer {
            return Some(answer.clone());
        }
        // The leader of now, or the one that is about to lead, answered it while it followed
        // (semantics T-62).
        let answer = self
            .answer_on_row(trace, &self.leader)
            .or_else(|| self.answer_on_row(trace, &self.plan.leader))?;
        let answer = self.final_start_answer(trace, &answer, None).to_string();
        self.start_is_answered(trace, &answer);
        self.promise_transaction(trace, [Side::Charger]);
        Some(answer)
    }

    /// The number the charger uses for it, allocated now if it has none yet.
    fn chargers_number(
        &mut self,
        trace: TraceId,
        leaders: Option<BackofficeTransactionId>,
    ) -> ChargerTransactionId {
        match self.transactions.get(trace).and_then(|row| row.charger_number) {
            Some(number) => number,
            None => self.transactions.number_for_charger(leaders),
        }
    }

    /// A backoffice is about to be sent its copy of a start.
    pub(super) fn start_sent(&mut self, id: &BackofficeId, copy: &Copy) {
        if copy.name() != "StartTransaction" {
            return;
        }
        let Some(row) = copy.transaction.and_then(|trace| self.transactions.get_mut(trace)) else { return };
        row.peers.entry(id.clone()).or_default().state = match copy.purpose {
            Purpose::ChargerWaits => PeerState::Asked,
            Purpose::Inform | Purpose::Synthetic => PeerState::Sent,
        };
    }

    /// A backoffice answered its copy of a start: its number is known from now on, and durable
    /// before anything else is said to it.
    pub(super) fn start_answered(&mut self, id: &BackofficeId, asked: &Asked, reply: &Reply) {
        let Some(trace) = asked.copy.transaction else { return };
        let Some(row) = self.transactions.get_mut(trace) else { return };
        let peer = row.peers.entry(id.clone()).or_default();
        match reply {
            Reply::Result(answer) => {
                peer.number = payload::integer(answer, "transactionId").map(BackofficeTransactionId);
                peer.status = payload::id_tag_status(answer).map(|status| status.into_owned());
                peer.state = if peer.number.is_some() { PeerState::Mapped } else { PeerState::Failed };
            }
            Reply::Error { .. } if asked.copy.purpose == Purpose::ChargerWaits => {
                return self.start_unanswered(id, asked);
            }
            Reply::Error { .. } => peer.state = PeerState::Failed,
        }
        // Who led when it was asked and leads no more has no verdict to give (semantics F-55).
        let decides = asked.led && self.leader == *id && row.start_answer.is_none();
        let waiting = self.charger.current.as_ref().filter(|call| call.transaction == Some(trace));
        let asks_leader_alone = waiting.map(|call| call.ballot.is_none());
        // Where others have a say, too, the charger's answer waits for them.
        if decides
            && asks_leader_alone != Some(false)
            && let Reply::Result(answer) = reply
        {
            let answer = match asks_leader_alone {
                Some(_) => self.with_chargers_number(trace, answer),
                // The charger is gone meanwhile, and will ask again.
                None => self.final_start_answer(trace, answer, None),
            };
            self.start_is_answered(trace, &answer);
            let before = [Side::Charger, Side::Backoffice(id.clone())];
            self.promise_transaction_in_time(Urgency::AfterDeliveries, trace, before);
        } else {
            self.promise_transaction_in_time(Urgency::Soon, trace, [Side::Backoffice(id.clone())]);
            self.settle_late(id, trace);
        }
    }

    pub(super) fn start_unanswered(&mut self, id: &BackofficeId, asked: &Asked) {
        let Some(trace) = asked.copy.transaction else { return };
        let Some(row) = self.transactions.get_mut(trace) else { return };
        if asked.copy.purpose == Purpose::ChargerWaits {
            // The charger will ask whoever leads then. Should this one follow by that time, it is
            // told like one that has just joined; it may have been by now.
            if row.peers.get(id).is_some_and(|peer| peer.state == PeerState::Asked) {
                row.peers.remove(id);
                self.promise_transaction(trace, []);
            }
        } else {
            row.peers.entry(id.clone()).or_default().state = PeerState::Failed;
        }
    }

    pub(super) fn start_is_answered(&mut self, trace: TraceId, answer: &str) {
        let number = payload::integer(answer, "transactionId").map(ChargerTransactionId);
        if let Some(row) = self.transactions.get_mut(trace) {
            row.charger_number = number;
            row.start_answer = Some(answer.to_owned());
            if row.state == TransactionState::Starting {
                row.state = TransactionState::Open;
            }
        }
        // Among them a former leader that was asked and never answered.
        self.tell_newcomers();
    }

    /// The answer with the number the charger is to use; untouched where that is the leader's own.
    pub(super) fn with_chargers_number(&mut self, trace: TraceId, answer: &Text) -> Text {
        let Some(token) = payload::field(answer, "transactionId") else { return answer.clone() };
        let leaders = token.parse().ok().map(BackofficeTransactionId);
        let number = self.chargers_number(trace, leaders);
        with_integer(answer, token, number.0)
    }

    pub(super) fn start_reply(&mut self, call: &ChargerCall, reply: Reply) -> Reply {
        let stored = call.transaction.and_then(|trace| self.transactions.get(trace)?.start_answer.clone());
        match (reply, stored) {
            (Reply::Result(_), Some(answer)) => Reply::result(answer),
            (reply, _) => reply,
        }
    }

    // StopTransaction (semantics §2.5)

    pub(super) fn stop_received(&mut self, mut call: ChargerCall) {
        let repeated = self.transactions.repeated_stop(&call.payload);
        if let Some(answer) = repeated.and_then(|row| row.stop_answer.clone()) {
            call.flags.push("repeated");
            return self.answer_charger(call, Reply::result(answer), Decider::Proxy("T-43"));
        }
        let belongs = self.transactions.of_stop(&call.payload);
        call.flags.extend(belongs.flag());
        call.transaction = belongs.trace();
        self.starts_are_given_up(|_| true);
        let Some(row) = call.transaction.and_then(|trace| self.transactions.get_mut(trace)) else {
            // It was never started here: the leader may know it, a follower cannot (semantics T-44).
            self.alert("unknown_transaction", "a StopTransaction belongs to no transaction known here");
            return self.ask_leader(call);
        };
        let is_repeated = is_stopped_by(row, &call.payload);
        if row.state == TransactionState::Closed {
            call.flags.push("conflicting_stop");
        } else {
            row.state = TransactionState::Stopping;
        }
        if is_repeated {
            call.flags.push("repeated");
        } else {
            let trace = row.trace;
            self.transactions.stop(trace, &call.payload, call.received);
        }
        self.ask_about_stop(call);
    }

    /// The leader is asked, and every follower is told that was not told before: also one that led
    /// when the stop was first said and never answered it.
    fn ask_about_stop(&mut self, call: ChargerCall) {
        let Some(trace) = call.transaction else { return };
        let copy = self.copy(&call, Purpose::Inform);
        self.ask_leader_once(call);
        let followers: Vec<BackofficeId> =
            self.plan.backoffices().filter(|id| !self.leads(id)).cloned().collect();
        for id in followers {
            let Some(row) = self.transactions.get_mut(trace) else { return };
            let peer = row.peers.entry(id.clone()).or_default();
            if !std::mem::replace(&mut peer.stop_told, true) {
                self.tell_one(&id, copy.clone());
            }
        }
        // Told again after a crash, it must be known again.
        self.promise_transaction_in_time(Urgency::Soon, trace, []);
    }

    /// The leader answered a stop, whether or not the charger is still there to hear it.
    pub(super) fn stop_answered(&mut self, id: &BackofficeId, asked: &Asked, reply: &Reply) {
        let Some(trace) = asked.copy.transaction else { return };
        let Some(row) = self.transactions.get_mut(trace) else { return };
        let Reply::Result(answer) = reply else {
            // The charger will try again.
            if row.state == TransactionState::Stopping {
                row.state = TransactionState::Open;
            }
            return;
        };
        let answer = self.stop_reply(Some(trace), &asked.copy.payload, answer);
        self.stop_is_answered(trace, id, &answer);
    }

    pub(super) fn stop_is_answered(&mut self, trace: TraceId, leader: &BackofficeId, answer: &str) {
        let unix_ms = self.now.unix_ms;
        let Some(row) = self.transactions.get_mut(trace) else { return };
        row.state = TransactionState::Closed;
        row.peers.entry(leader.clone()).or_default().stop_told = true;
        row.stop_answer = Some(answer.to_owned());
        row.closed_unix_ms = Some(unix_ms);
        let forgotten = self.owned.release(|owned| owned.transaction == Some(trace));
        self.promise_facts(forgotten, []);
        self.promise_transaction_in_time(Urgency::AfterDeliveries, trace, [Side::Charger]);
    }

    // MeterValues (semantics §2.4)

    pub(super) fn meter_values_received(&mut self, mut call: ChargerCall) {
        let message = call.message.clone();
        let Some(meter) = &message.meter else { return self.ask_everyone(call) };
        if let Some(number) = &meter.transaction {
            let belongs = self.transactions.of_meter_values(number, meter.connector.unwrap_or(0));
            call.flags.extend(belongs.flag());
            call.transaction = belongs.trace();
        }
        // One that was triggered says nothing of others: it waits behind none (semantics T-30).
        let (is_triggered, transaction) = (meter.is_triggered, call.transaction);
        self.starts_are_given_up(|row| !is_triggered || transaction == Some(row.trace));
        self.ask_everyone(call);
    }

    /// The charger goes on to another transaction message though the start of a transaction has no
    /// answer: it keeps their order, and so does not ask for that one any more (semantics T-2). Who led
    /// then and follows now has perhaps not booked it (semantics T-52).
    fn starts_are_given_up(&mut self, which: impl Fn(&TransactionRow) -> bool) {
        let is_unanswered = |row: &&TransactionRow| row.start_answer.is_none() && !row.given_up && which(row);
        let traces: Vec<TraceId> =
            self.transactions.running().filter(is_unanswered).map(|row| row.trace).collect();
        for trace in &traces {
            if let Some(row) = self.transactions.get_mut(*trace) {
                row.given_up = true;
            }
            self.promise_transaction(*trace, []);
        }
        if !traces.is_empty() {
            self.tell_newcomers();
        }
    }
}
