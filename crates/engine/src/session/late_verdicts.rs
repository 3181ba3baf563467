//! Verdicts that come late: the leader refuses the card of a transaction that began while it was away
//! (semantics T-67).

use std::collections::VecDeque;

use crate::session::Session;
use crate::session::command_queue::Command;
use crate::{BackofficeId, LateReject, Text, TraceId, TransactionState, actions, payload};

impl Session {
    /// A backoffice has been told of a start that was answered without it. Only the verdict of the
    /// leader in whose place the charger was answered counts, and only if the charger was told otherwise.
    pub(super) fn settle_late(&mut self, id: &BackofficeId, trace: TraceId) {
        let leads = self.leads(id);
        let Some(row) = self.transactions.get_mut(trace) else { return };
        let was_accepted = |answer: &String| payload::id_tag_status(answer).as_deref() == Some("Accepted");
        let verdict = row.peers.get(id).and_then(|peer| peer.status.as_deref());
        // That a card is in use is an artefact of telling it again.
        let refuses = verdict.is_some_and(|status| !matches!(status, "Accepted" | "ConcurrentTx"));
        let runs = row.state == TransactionState::Open && !row.superseded;
        let accepted = row.start_answer.as_ref().is_some_and(was_accepted);
        let is_its = leads && row.leader_at_start == *id && row.provisional;
        if !(is_its && refuses && runs && accepted) {
            return;
        }
        if self.plan.outage.late_reject == LateReject::Ignore || !self.configuration.stops_on_invalid_id {
            let detail =
                format!("{id} refuses the card of a transaction that runs; it goes on, as configured");
            return self.alert("late_reject", detail);
        }
        row.refused_late = true;
        self.promise_transaction(trace, []);
        self.alert("late_reject", format!("{id} refuses the card of a transaction that runs; it is stopped"));
        if self.charger.is_here {
            self.stop_refused(trace);
        }
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
        };
        self.queue_command(command);
    }

    /// Whether a command of the proxy's own is overtaken: the transaction has ended by itself.
    pub(super) fn is_moot(&self, command: &Command) -> bool {
        let row = command.transaction.and_then(|trace| self.transactions.get(trace));
        command.requesters.is_empty() && row.is_some_and(|row| row.state != TransactionState::Open)
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
