//! Copies for the backoffices: true to what the charger said, in order, and not before what they
//! rest on is durable.

use engine::{BackofficeId, Side, Tick};

use super::{Copied, Judge};
use crate::frame::Frame;
use crate::world::content::{blanked, number, without_ids};
use crate::world::store::Kept;

impl Judge {
    /// I-2, I-6: a copy is what the charger sent, but for the numbers.
    pub(super) fn check_copy(
        &mut self,
        now: Tick,
        to: &BackofficeId,
        id: &str,
        action: &str,
        payload: &str,
        (led, live): (bool, bool),
    ) {
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
        self.copies.insert((to.clone(), id.to_owned()), Copied { message, order, led, live, asked_at: now });
    }

    /// Whether the charger has said this, but for the numbers, and has no answer yet.
    pub(super) fn charger_waits_for(&self, action: &str, payload: &str) -> bool {
        let Some(charger) = self.peers.get(&Side::Charger) else { return false };
        let meant = without_ids(payload);
        charger.open.iter().any(|call| call.action == action && without_ids(&call.payload) == meant)
    }

    /// I-5: what a delivery rests on is durable by the time it leaves.
    pub(in crate::world) fn delivered(&mut self, side: &Side, text: &str, kept: &Kept) {
        match (side, Frame::read(text)) {
            (Side::Charger, Some(Frame::Result { id, payload })) => {
                let answered = self.acknowledged(id, kept);
                let Some(told) = number(payload, "transactionId") else { return };
                // What a failed store held back was never told.
                if let Some(((action, start), in_place_of)) = answered
                    && action == "StartTransaction"
                {
                    self.check_told_number(told, &start);
                    in_place_of.into_iter().for_each(|leader| self.refusals.told_in_place_of(told, leader));
                }
                if !kept.transactions().any(|row| row.charger_number.is_some_and(|number| number.0 == told)) {
                    self.accuse(format!("I-5: the charger was told {told} before that was kept"));
                }
            }
            (Side::Backoffice(to), Some(Frame::Call { id, action, payload })) => {
                self.check_given(to, id);
                let meant = without_ids(payload);
                if action == "StartTransaction"
                    && !kept.transactions().any(|row| without_ids(&row.raw_start) == meant)
                {
                    self.accuse(format!("T-22: {to} was sent a start before that was kept: {payload}"));
                }
            }
            _ => {}
        }
    }
}
