//! Charging profiles at the charger: whose they are, and who takes them away (semantics §6.4).

use std::collections::BTreeMap;

use engine::BackofficeId;
use serde_json::Value;

use super::Judge;
use crate::charger::{Charger, InstalledProfile};

/// Whose the profiles at the charger are.
#[derive(Debug, Default)]
pub(super) struct Profiles {
    /// By the charger's number: who may have set it, and in which era.
    placed: BTreeMap<i64, (Vec<BackofficeId>, u64)>,
    /// Counts plans and leaders: with them that what is whose may change.
    era: u64,
}

impl Profiles {
    pub(super) fn begin_era(&mut self) {
        self.era += 1;
    }

    /// Whether none of them may take this away.
    fn is_foreign(&self, id: i64, askers: &[BackofficeId]) -> bool {
        self.placed.get(&id).is_some_and(|(owners, era)| {
            *era == self.era && !owners.iter().any(|owner| askers.contains(owner))
        })
    }
}

impl Judge {
    /// K-23, K-24: a profile is replaced or cleared only by whose it is.
    pub(super) fn check_profiles(
        &mut self,
        action: &str,
        payload: &str,
        askers: &[(BackofficeId, String)],
        charger: &Charger,
    ) {
        let is_composite = matches!(self.plan.sharing.profiles, engine::Profiles::Composite(_));
        if !self.promises.profiles_have_owners || is_composite {
            return;
        }
        let request: Value = serde_json::from_str(payload).unwrap_or(Value::Null);
        let askers: Vec<BackofficeId> = askers.iter().map(|(by, _)| by.clone()).collect();
        // One of a transaction that has ended the charger discards by itself (semantics K-25).
        let ends_alone = |id: &i64| charger.profiles().get(id).is_some_and(|p| p.purpose() == "TxProfile");
        let foreign = |id: &i64| self.profiles.is_foreign(*id, &askers) && !ends_alone(id);
        match action {
            "SetChargingProfile" => {
                let profile = request["csChargingProfiles"].clone();
                let connector = request["connectorId"].as_i64().unwrap_or(0);
                let id = profile["chargingProfileId"].as_i64().unwrap_or(0);
                let new = InstalledProfile { connector, profile };
                let replaced = charger
                    .profiles()
                    .iter()
                    .filter(|(other, profile)| **other == id || new.takes_place_of(profile));
                let foreign: Vec<i64> = replaced.map(|(other, _)| *other).filter(foreign).collect();
                let era = self.profiles.era;
                if !foreign.is_empty() {
                    self.accuse(format!("K-23: {askers:?} replace the profiles {foreign:?} with {payload}"));
                }
                self.profiles.placed.insert(id, (askers, era));
            }
            "ClearChargingProfile" => {
                let clears_all = self.plan.sharing.leader_clears_all && askers.contains(&self.leader);
                let id = request["id"].as_i64();
                let cleared = charger.profiles().iter().filter(|(other, profile)| match id {
                    Some(id) => **other == id,
                    None => profile.matches(&request),
                });
                let foreign: Vec<i64> = cleared.map(|(other, _)| *other).filter(foreign).collect();
                if !foreign.is_empty() && !clears_all {
                    self.accuse(format!("K-24: {askers:?} clear the profiles {foreign:?} with {payload}"));
                }
            }
            "RemoteStartTransaction" => {
                if let Some(id) = request["chargingProfile"]["chargingProfileId"].as_i64() {
                    self.profiles.placed.insert(id, (askers, self.profiles.era));
                }
            }
            _ => {}
        }
    }
}
