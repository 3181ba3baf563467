//! Verdicts that come late: the leader refuses the card of a transaction that began while it was away
//! (semantics T-67).

use std::collections::VecDeque;

use crate::session::Session;
use crate::session::command_queue::Command;
use crate::{
    BackofficeId, LateReject, Side, Text, TraceId, TransactionRow, TransactionState, actions, payload,
};

impl Session {
    /// A backoffice has been told of a start that was answered without it. Only the verdict of the
    /// leader in whose place the charger was answered counts, and only if the charger was told otherwise.
    pub(super) fn settle_late(&mut self, id: &BackofficeId, trace: TraceId) {
        let leads = self.leads(id);
        let Some(row) = self.transactions.get(trace) else { return };
        let was_accepted = |answer: &String| payload::id_tag_status(answer).as_deref() == Some("Accepted");
        let verdict = row.peers.get(id).and_then(|peer| peer.status.as_deref());
        let refuses = verdict.is_some_and(is_refusal);
        let runs = row.state == TransactionState::Open && !row.superseded;
        let accepted = row.start_answer.as_ref().is_some_and(was_accepted);
        let is_its = leads && row.leader_at_start == *id && row.provisional && self.is_leaders_to_judge(row);
        // Each time it was asked may have an answer of its own.
        let is_settled = self.settled_late.contains(&trace);
        if !(is_its && refuses && runs && accepted) || is_settled {
            return;
        }
        self.settled_late.retain(|trace| self.transactions.running().any(|row| row.trace == *trace));
        self.settled_late.push(trace);
        if self.plan.outage.late_reject == LateReject::Ignore || !self.configuration.stops_on_invalid_id {
            let detail =
                format!("{id} refuses the card of a transaction that runs; it goes on, as configured");
            return self.alert("late_reject", detail);
        }
        if let Some(row) = self.transactions.get_mut(trace) {
            row.refused_late = true;
        }
        self.promise_transaction(trace, []);
        self.alert("late_reject", format!("{id} refuses the card of a transaction that runs; it is stopped"));
        if self.charger.is_here {
            self.stop_refused(trace);
        }
    }

    /// The charger repeats a start that was answered in the leader's place, so it has not heard that
    /// answer: it hears of the refusal at once, and ends the transaction itself.
    pub(super) fn take_late_verdict(&mut self, trace: TraceId) {
        let stops =
            self.plan.outage.late_reject == LateReject::Stop && self.configuration.stops_on_invalid_id;
        let is_its = self.transactions.get(trace).is_some_and(|row| self.is_leaders_to_judge(row));
        let is_affected = |row: &&mut TransactionRow| row.provisional && stops && is_its;
        let Some(row) = self.transactions.get_mut(trace).filter(is_affected) else { return };
        let peer = row.peers.get(&row.leader_at_start);
        let status = peer.and_then(|peer| peer.status.as_deref()).filter(|status| is_refusal(status));
        let (Some(status), Some(number)) = (status, row.charger_number) else { return };
        let info = serde_json::json!({ "status": status });
        row.start_answer = Some(format!(r#"{{"idTagInfo":{info},"transactionId":{}}}"#, number.0));
        row.refused_late = false;
        self.promise_transaction(trace, [Side::Charger]);
    }

    /// What was to be stopped when the charger left is stopped now.
    pub(super) fn stop_all_refused(&mut self) {
        let refused: Vec<TraceId> =
            self.transactions.running().filter(|row| row.refused_late).map(|row| row.trace).collect();
        refused.into_iter().for_each(|trace| self.stop_refused(trace));
    }

    fn stop_refused(&mut self, trace: TraceId) {
        // The charger's number is put in when it is sent.
        let payload = Text::from_static(r#"{"transactionId":0}"#);
        let command = Command {
            trace: self.mint_trace(),
            requesters: Vec::new(),
            action: actions::known("RemoteStopTransaction"),
            action_token: Text::from_static(r#""RemoteStopTransaction""#),
            payload: payload.clone(),
            received: self.now,
            steps: VecDeque::from([payload]),
            transaction: Some(trace),
            consequences: Vec::new(),
            any_accepted: false,
            is_replied: true,
            flags: Vec::new(),
        };
        self.queue_command(command);
    }

    /// Whether a command of the proxy's own is overtaken: the transaction has ended by itself, or the charger
    /// was told already.
    pub(super) fn is_moot(&self, command: &Command) -> bool {
        let row = command.transaction.and_then(|trace| self.transactions.get(trace));
        command.requesters.is_empty()
            && row.is_some_and(|row| row.state != TransactionState::Open || !row.refused_late)
    }

    /// The charger answered a command of the proxy's own.
    pub(super) fn own_command_answered(&mut self, command: &Command, is_accepted: bool) {
        let Some(row) = command.transaction.and_then(|trace| self.transactions.get_mut(trace)) else {
            return;
        };
        row.refused_late = false;
        let trace = row.trace;
        self.promise_transaction(trace, []);
        if !is_accepted {
            let detail = "the charger did not stop a transaction whose card the leader refused late";
            self.alert("late_reject_failed", detail);
        }
    }
}

/// That a card is in use is an artefact of telling a start again.
fn is_refusal(status: &str) -> bool {
    !matches!(status, "Accepted" | "ConcurrentTx")
}
