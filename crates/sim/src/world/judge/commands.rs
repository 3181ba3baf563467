//! Commands to the charger: who asked for them, and what they meant.

use std::collections::BTreeMap;

use engine::{BackofficeId, Profiles, Scope, Side, Tick};

use super::grants::FORBIDDEN_SETTINGS;
use super::limits::without_profile;
use super::settings;
use super::{Judge, OpenCall};
use crate::charger::{Charger, Number};
use crate::world::content::{blanked, number, without_level};
use crate::world::links::Member;

impl Judge {
    /// I-4, I-7: a command is one that a backoffice sent that may, for what it meant.
    pub(super) fn check_command(
        &mut self,
        now: Tick,
        action: &str,
        payload: &str,
        charger: &Charger,
        books: &Books<'_>,
    ) {
        if action == "ChangeConfiguration" && FORBIDDEN_SETTINGS.iter().any(|key| payload.contains(key)) {
            self.accuse(format!("I-7: the charger was sent {action} {payload}"));
            return;
        }
        let mut askers: Vec<(BackofficeId, String)> = Vec::new();
        for (side, peer) in &self.peers {
            if let Side::Backoffice(by) = side {
                let calls = peer.open.iter().filter(|call| {
                    call.action == action
                        && self.is_asked_by(call, action, payload)
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
        if askers.is_empty() && self.may_be_own(action, payload) {
            return;
        }
        if askers.is_empty() {
            self.accuse(format!("I-4: no backoffice that may has asked for {action} {payload}"));
            return;
        }
        self.check_profiles(action, payload, &askers, charger);
        self.announced(now, action, payload, &askers);
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
            if self.promises.cards_are_decided
                && fits
                && !askers.iter().any(|(by, _)| self.may_stop(by, told))
            {
                self.accuse(format!("A-20: {action} {payload} of {askers:?} stops what is not theirs"));
            }
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

    /// Whether the proxy may send this of its own accord, for what several backoffices want together.
    fn may_be_own(&self, action: &str, payload: &str) -> bool {
        match action {
            // The probe of F-36 is one of these.
            "GetConfiguration" => settings::are_own(payload),
            "ChangeConfiguration" => settings::is_combined(payload),
            "SetChargingProfile" | "ClearChargingProfile" => self.limits.may_cause(action, payload),
            "SendLocalList" => self.lists.are_merged_or_were(),
            "ChangeAvailability" => self.wishes.are_merged_or_were(),
            _ => false,
        }
    }

    fn may_stop(&self, by: &BackofficeId, told: i64) -> bool {
        if self.leader == *by {
            return true;
        }
        match self.plan.follower(by).map_or(Scope::None, |follower| follower.grant.sessions) {
            Scope::All => true,
            Scope::Own => self.owns_session(by, told),
            Scope::None => false,
        }
    }

    /// Whether a command to the charger, without its numbers, may be that of a backoffice.
    fn is_asked_by(&self, call: &OpenCall, action: &str, payload: &str) -> bool {
        match action {
            // By criteria it becomes several, each by a number (semantics K-24).
            "ClearChargingProfile" => true,
            // The charger's level lies in the sender's band (semantics §6.4).
            "SetChargingProfile" | "RemoteStartTransaction" => {
                let by_band = matches!(self.plan.sharing.profiles, Profiles::ByBand(_));
                let is_same = blanked(&call.payload) == blanked(payload);
                // Where limits are put together its profile stays here.
                let is_same = is_same || blanked(&without_profile(&call.payload)) == blanked(payload);
                is_same || by_band && without_level(&call.payload) == without_level(payload)
            }
            "ChangeConfiguration" if settings::is_combined(payload) => {
                settings::key_in(&call.payload) == settings::key_in(payload)
            }
            _ => blanked(&call.payload) == blanked(payload),
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
