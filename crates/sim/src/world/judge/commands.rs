//! Commands to the charger: who asked for them, and what they meant.

use std::collections::BTreeMap;

use engine::{BackofficeId, Side};

use super::grants::FORBIDDEN_SETTINGS;
use super::{Judge, OpenCall};
use crate::charger::{Charger, Number};
use crate::world::content::{blanked, number, without_level};
use crate::world::links::Member;

impl Judge {
    /// I-4, I-7: a command is one that a backoffice sent that may, for what it meant.
    pub(super) fn check_command(
        &mut self,
        action: &str,
        payload: &str,
        charger: &Charger,
        books: &Books<'_>,
    ) {
        if action == "ChangeConfiguration" && FORBIDDEN_SETTINGS.iter().any(|key| payload.contains(key)) {
            self.accuse(format!("I-7: the charger was sent {action} {payload}"));
            return;
        }
        let wanted = blanked(payload);
        let mut askers: Vec<(BackofficeId, String)> = Vec::new();
        for (side, peer) in &self.peers {
            if let Side::Backoffice(by) = side {
                let calls = peer.open.iter().filter(|call| {
                    call.action == action
                        && self.is_asked_by(call, action, &wanted)
                        && self.may_still_send(by, call)
                });
                askers.extend(calls.map(|call| (by.clone(), call.payload.clone())));
            }
        }
        let goes_on = action == "ClearChargingProfile" && self.last_command.as_str() == action;
        self.last_command = action.to_owned();
        // Of several steps the later ones go even when their sender has left meanwhile.
        if askers.is_empty() && goes_on {
            return;
        }
        if askers.is_empty() && action == "RemoteStopTransaction" {
            return self.check_own_stop(payload);
        }
        // The probe of F-36 is the other command of the proxy's own.
        if askers.is_empty() && !(action == "GetConfiguration" && payload.contains("HeartbeatInterval")) {
            self.accuse(format!("I-4: no backoffice that may has asked for {action} {payload}"));
            return;
        }
        self.check_profiles(action, payload, &askers, charger);
        if action == "RemoteStopTransaction" {
            let told = number(payload, "transactionId").unwrap_or(0);
            let meant = charger.sessions().iter().find(|s| s.number == Number::Told(told)).map(|s| s.serial);
            let fits = askers.iter().any(|(by, asked)| {
                let own = number(asked, "transactionId").unwrap_or(0);
                let booked = books.of(by).filter(|booked| booked.number == own).map(|booked| booked.serial);
                let booked: Vec<i64> = booked.collect();
                // A number nobody issued may only come from before the proxy; the leader's is passed on.
                booked.is_empty() || meant.is_none_or(|meant| booked.contains(&meant))
            });
            // Who asks for another at the same time has nothing to do with one of the proxy's own.
            if !fits && self.is_refused_late(told) {
                self.check_own_stop(payload);
            } else if !fits {
                self.accuse(format!(
                    "I-4: {action} {payload} stops session {meant:?}, which {askers:?} did not mean"
                ));
            }
        }
    }

    /// Whether a command to the charger, without its numbers, may be that of a backoffice.
    fn is_asked_by(&self, call: &OpenCall, action: &str, wanted: &str) -> bool {
        match action {
            // By criteria it becomes several, each by a number (semantics K-24).
            "ClearChargingProfile" => true,
            "SetChargingProfile" | "RemoteStartTransaction" => {
                without_level(&blanked(&call.payload)) == without_level(wanted)
            }
            _ => blanked(&call.payload) == wanted,
        }
    }
}

/// The books of all backoffices.
pub(in crate::world) struct Books<'a>(pub(in crate::world) &'a BTreeMap<BackofficeId, Member>);

impl<'a> Books<'a> {
    pub(super) fn of(
        &self,
        id: &BackofficeId,
    ) -> impl Iterator<Item = &'a crate::BookedTransaction> + use<'a> {
        self.0.get(id).into_iter().flat_map(|member| member.backoffice.books())
    }

    /// Whether a backoffice takes more than BootNotification from this charger.
    pub(super) fn is_willing(&self, id: &BackofficeId) -> bool {
        self.0.get(id).is_some_and(|member| member.backoffice.is_willing())
    }
}
