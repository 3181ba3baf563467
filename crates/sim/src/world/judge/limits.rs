//! Charging limits that are put together: the charger's are within everybody's (semantics §6.4, `composite`).

use std::collections::BTreeMap;

use engine::schedule::{Composite, Course, Installed, Place, Profile, Unit};
use engine::{BackofficeId, Plan, ProfilePurpose, Profiles, Side, Supply, limits};
use serde_json::Value;

use super::{Judge, OpenCall};
use crate::charger::{Charger, InstalledProfile};

/// What each backoffice has set, as far as it was told that it counts. Those of transactions end too quickly to be
/// looked at when all is at rest.
#[derive(Debug, Default)]
pub(super) struct Limits {
    supply: Option<Supply>,
    was_composite: bool,
    of: BTreeMap<(BackofficeId, i64), InstalledProfile>,
}

impl Limits {
    pub(super) fn of(plan: &Plan) -> Self {
        let supply = supply(plan);
        Self { supply, was_composite: supply.is_some(), ..Self::default() }
    }

    pub(super) fn plan_changed(&mut self, plan: &Plan) {
        self.supply = supply(plan);
        self.was_composite |= self.supply.is_some();
        let composite = self.supply.is_some();
        self.of.retain(|(by, _), _| composite && plan.names(by));
    }

    pub(super) fn are_in_doubt(&mut self) {
        self.of.clear();
    }

    /// Whether a command may be one of the proxy's own about its own profiles, or what it clears for them.
    pub(super) fn may_cause(&self, action: &str, payload: &str) -> bool {
        let request: Value = serde_json::from_str(payload).unwrap_or(Value::Null);
        let is_own = |id: &Value| id.as_i64().is_some_and(|id| limits::COMPOSITE_IDS.contains(&id));
        self.was_composite
            && match action {
                "SetChargingProfile" => is_own(&request["csChargingProfiles"]["chargingProfileId"]),
                "ClearChargingProfile" => is_own(&request["id"]) || self.supply.is_some(),
                _ => false,
            }
    }
}

fn supply(plan: &Plan) -> Option<Supply> {
    match plan.sharing.profiles {
        Profiles::Composite(supply) => Some(supply),
        _ => None,
    }
}

/// A remote start as the charger hears it: its profile is held here.
pub(super) fn without_profile(payload: &str) -> String {
    engine::payload::without(payload, payload, "chargingProfile")
}

impl Judge {
    /// A backoffice is told what became of its profile.
    pub(super) fn limit_answered(&mut self, to: &BackofficeId, call: &OpenCall, answer: Result<&str, &str>) {
        let request: Value = serde_json::from_str(&call.payload).unwrap_or(Value::Null);
        let answer = answer.ok().and_then(|answer| serde_json::from_str::<Value>(answer).ok());
        let status = answer.as_ref().and_then(|answer| answer["status"].as_str());
        if status != Some("Accepted") || self.limits.supply.is_none() {
            return;
        }
        let limits = &mut self.limits.of;
        match &*call.action {
            "SetChargingProfile" => {
                let profile = request["csChargingProfiles"].clone();
                let id = profile["chargingProfileId"].as_i64().unwrap_or(0);
                let connector = request["connectorId"].as_i64().unwrap_or(0);
                let new = InstalledProfile { connector, profile };
                limits.retain(|(by, other), old| by != to || (*other != id && !new.takes_place_of(old)));
                if new.purpose() != "TxProfile" {
                    limits.insert((to.clone(), id), new);
                }
            }
            "ClearChargingProfile" => {
                let clears_all =
                    self.plan.sharing.leader_clears_all && self.leader == *to && request["id"].is_null();
                limits.retain(|(by, id), old| {
                    let is_named = match request["id"].as_i64() {
                        Some(named) => named == *id,
                        None => old.matches(&request),
                    };
                    !(is_named && (clears_all || by == to))
                });
            }
            // Its profile takes the place of one of the same number.
            "RemoteStartTransaction" => {
                if let Some(id) = request["chargingProfile"]["chargingProfileId"].as_i64() {
                    limits.remove(&(to.clone(), id));
                }
            }
            _ => {}
        }
    }

    /// Nobody hears what becomes of what waits on a link that ends.
    pub(super) fn doubt_open_limits(&mut self, side: &Side) {
        let Side::Backoffice(by) = side else { return };
        let open = self.peers.get(side).map_or(&[][..], |peer| &peer.open);
        let actions = ["SetChargingProfile", "ClearChargingProfile", "RemoteStartTransaction"];
        if open.iter().any(|call| actions.contains(&&*call.action)) {
            self.limits.of.retain(|(other, _), _| other != by);
        }
    }

    /// §6.4: at rest no limit of the charger is above anybody's.
    pub(super) fn check_limits(&self, charger: &Charger, unix_ms: i64) -> Option<String> {
        let supply = self.limits.supply?;
        let now = unix_ms.div_euclid(1000);
        let owners: Vec<&BackofficeId> = self.limits.of.keys().map(|(by, _)| by).collect();
        let places = [(Place::ChargePoint, 0), (Place::Connector(0), 0), (Place::Connector(1), 1)];
        for (place, connector) in places {
            // A default of connector 0 counts where the connector has none of its own.
            let has_own = |profile: &InstalledProfile| {
                profile.connector == connector && profile.purpose() == purpose_at(place).label()
            };
            let at_charger = charger.profiles().values().filter(|profile| profile.purpose() != "TxProfile");
            let actual = tenths(at_charger.cloned(), place, now, supply);
            for by in &owners {
                let own =
                    self.limits.of.iter().filter(|((other, _), _)| other == *by).map(|(_, p)| p.clone());
                let own: Vec<InstalledProfile> = own.collect();
                if connector != 0 && !own.iter().any(has_own) && !charger.profiles().values().any(has_own) {
                    continue;
                }
                let Some(allowed) = tenths(own.into_iter(), place, now, supply) else { continue };
                if actual.is_none_or(|actual| actual > allowed) {
                    return Some(format!(
                        "§6.4: {by} allows {allowed} tenths of an ampere at {place:?}, the charger {actual:?}"
                    ));
                }
            }
        }
        None
    }
}

fn purpose_at(place: Place) -> ProfilePurpose {
    match place {
        Place::ChargePoint => ProfilePurpose::ChargePointMax,
        Place::Connector(_) => ProfilePurpose::TxDefault,
    }
}

/// What profiles allow now, in tenths of an ampere.
fn tenths(
    profiles: impl Iterator<Item = InstalledProfile>,
    place: Place,
    now_unix_s: i64,
    supply: Supply,
) -> Option<i64> {
    let installed: Vec<Installed> = profiles
        .filter_map(|installed| {
            let profile = Profile::read(&installed.profile.to_string()).ok()?;
            Some(Installed { connector_id: installed.connector, profile })
        })
        .collect();
    let course = Course::of(&installed, place, None, now_unix_s, now_unix_s + 1);
    Composite::of(&[course], Unit::Amperes, supply).at(now_unix_s).map(|ceiling| ceiling.tenths)
}
