//! Copies for the backoffices: true to what the charger said, in order, and not before what they
//! rest on is durable.

use engine::{BackofficeId, Record, Side, TransactionRow};

use super::{Copied, Judge, TRANSACTION_ACTIONS};
use crate::frame::Frame;
use crate::world::content::{blanked, number, without_ids};

impl Judge {
    /// I-2, I-4, I-6: a copy is what the charger sent, but for the numbers, and in order.
    pub(super) fn check_copy(&mut self, to: &BackofficeId, id: &str, action: &str, payload: &str, led: bool) {
        let message = (action.to_owned(), blanked(payload));
        let found = match self.said.get(&message) {
            Some(said) => Some((message, said.order)),
            // A number that is not this backoffice's may also be left out altogether.
            None => {
                let meant = without_ids(payload);
                let left_out = self.said.iter().find(|((said_action, said), _)| {
                    said_action == action
                        && said.contains('#')
                        && without_ids(&said.replace('#', "0")) == meant
                });
                left_out.map(|(message, said)| (message.clone(), said.order))
            }
        };
        let Some((message, order)) = found else {
            if action != "Heartbeat" || led {
                self.accuse(format!("I-6: {to} was sent {action} {payload}, which the charger never said"));
            }
            return;
        };
        if TRANSACTION_ACTIONS.contains(&action) {
            let last = self.last_order.entry(to.clone()).or_insert(order);
            if order < *last {
                self.accuse(format!("T-56: {to} was sent {action} {payload} after what came later"));
            } else {
                *last = order;
            }
        }
        if let Some(said) = self.said.get_mut(&message) {
            said.given_to.insert(to.clone());
        }
        self.copies.insert((to.clone(), id.to_owned()), Copied { message, led });
    }

    /// What followers that are still in the plan have missed (semantics §2.8).
    pub(in crate::world) fn missed(&self) -> Vec<String> {
        let mut missed = Vec::new();
        for ((action, payload), said) in &self.said {
            if TRANSACTION_ACTIONS.contains(&action.as_str()) {
                let lacking =
                    said.followers.iter().filter(|id| self.plan.names(id) && !said.given_to.contains(id));
                missed.extend(lacking.map(|id| format!("{id} was never given {action} {payload}")));
            }
        }
        missed
    }

    /// I-5: what a delivery rests on is durable by the time it leaves.
    pub(in crate::world) fn delivered<'a>(
        &mut self,
        side: &Side,
        text: &str,
        mut kept: impl Iterator<Item = &'a TransactionRow>,
    ) {
        match (side, Frame::read(text)) {
            (Side::Charger, Some(Frame::Result { payload, .. })) if payload.contains("\"transactionId\"") => {
                let Some(told) = number(payload, "transactionId") else { return };
                if !kept.any(|row| row.charger_number.is_some_and(|number| number.0 == told)) {
                    self.accuse(format!("I-5: the charger was told {told} before that was kept"));
                }
            }
            // A follower's copy may leave while the commit that its leader waited for is still on its way:
            // other batches do not wait. What that risks is a second copy after a crash.
            (Side::Backoffice(to), Some(Frame::Call { action: "StartTransaction", payload, .. }))
                if *to == self.leader =>
            {
                let meant = without_ids(payload);
                if !kept.any(|row| without_ids(&row.raw_start) == meant) {
                    self.accuse(format!("T-22: {to} was sent a start before that was kept: {payload}"));
                }
            }
            _ => {}
        }
    }
}

/// The transaction rows among the records kept.
pub(in crate::world) fn rows<'a>(
    kept: impl Iterator<Item = &'a Record>,
) -> impl Iterator<Item = &'a TransactionRow> {
    kept.filter_map(|record| match record {
        Record::Transaction(row) => Some(&**row),
        Record::Fact(_) => None,
    })
}
