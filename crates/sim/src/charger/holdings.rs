//! What the charger keeps of what it is told: charging profiles, the local authorisation list, what is out
//! of service.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Charger, Number};

/// A charging profile that it has.
#[derive(Debug, Clone, PartialEq)]
pub struct InstalledProfile {
    /// Where; 0 for the whole charger.
    pub connector: i64,
    /// `csChargingProfiles`, as it came.
    pub profile: Value,
}

impl InstalledProfile {
    /// `chargingProfilePurpose`.
    pub fn purpose(&self) -> &str {
        self.profile["chargingProfilePurpose"].as_str().unwrap_or_default()
    }

    /// `stackLevel`.
    pub fn stack_level(&self) -> i64 {
        self.profile["stackLevel"].as_i64().unwrap_or(0)
    }

    /// Whether a ClearChargingProfile by criteria names it (OCPP 1.6 §5.6).
    pub fn matches(&self, request: &Value) -> bool {
        request["connectorId"].as_i64().is_none_or(|connector| connector == self.connector)
            && request["chargingProfilePurpose"].as_str().is_none_or(|purpose| purpose == self.purpose())
            && request["stackLevel"].as_i64().is_none_or(|level| level == self.stack_level())
    }

    /// Whether it takes the place of another (OCPP 1.6 §5.16).
    pub fn takes_place_of(&self, other: &InstalledProfile) -> bool {
        let key = |profile: &InstalledProfile| (profile.connector, profile.stack_level());
        key(self) == key(other) && self.purpose() == other.purpose()
    }
}

#[derive(Debug, Default)]
pub(super) struct Holdings {
    profiles: BTreeMap<i64, InstalledProfile>,
    list: BTreeMap<String, Value>,
    list_version: i64,
    inoperative: BTreeSet<i64>,
}

impl Holdings {
    pub(super) fn profiles(&self) -> &BTreeMap<i64, InstalledProfile> {
        &self.profiles
    }

    pub(super) fn list(&self) -> &BTreeMap<String, Value> {
        &self.list
    }

    pub(super) fn list_version(&self) -> i64 {
        self.list_version
    }

    pub(super) fn is_inoperative(&self, connector: i64) -> bool {
        self.inoperative.contains(&connector)
    }

    fn install(&mut self, profile: InstalledProfile) {
        let id = profile.profile["chargingProfileId"].as_i64().unwrap_or(0);
        self.profiles.retain(|_, other| !profile.takes_place_of(other));
        self.profiles.insert(id, profile);
    }

    pub(super) fn clear_profiles(&mut self, request: &Value) -> &'static str {
        let before = self.profiles.len();
        match request["id"].as_i64() {
            Some(id) => self.profiles.retain(|other, _| *other != id),
            None => self.profiles.retain(|_, profile| !profile.matches(request)),
        }
        if self.profiles.len() < before { "Accepted" } else { "Unknown" }
    }

    /// Those of a transaction end with it (OCPP 1.6 §3.13).
    pub(super) fn session_ended(&mut self, connector: i64) {
        self.profiles.retain(|_, profile| profile.connector != connector || profile.purpose() != "TxProfile");
    }

    /// OCPP 1.6 §5.15.
    pub(super) fn update_list(&mut self, request: &Value, longest: usize) -> &'static str {
        let Some(version) = request["listVersion"].as_i64() else { return "Failed" };
        let none = Vec::new();
        let entries = request["localAuthorizationList"].as_array().unwrap_or(&none);
        if entries.len() > longest {
            return "Failed";
        }
        match request["updateType"].as_str() {
            Some("Full") => self.list.clear(),
            Some("Differential") if version <= self.list_version => return "VersionMismatch",
            Some("Differential") => {}
            _ => return "Failed",
        }
        for entry in entries {
            let tag = entry["idTag"].as_str().unwrap_or_default().to_lowercase();
            if entry["idTagInfo"].is_object() {
                self.list.insert(tag, entry["idTagInfo"].clone());
            } else {
                self.list.remove(&tag);
            }
        }
        self.list_version = version;
        "Accepted"
    }
}

impl Charger {
    pub(super) fn install_profile(&mut self, request: &Value) -> &'static str {
        let connector = request["connectorId"].as_i64().unwrap_or(0);
        let profile = InstalledProfile { connector, profile: request["csChargingProfiles"].clone() };
        let is_known = connector >= 0 && connector <= self.settings.connectors;
        let is_possible = match profile.purpose() {
            "ChargePointMaxProfile" => connector == 0,
            "TxDefaultProfile" => true,
            "TxProfile" => self.runs(connector, profile.profile["transactionId"].as_i64()),
            _ => false,
        };
        let is_level = (0..=self.settings.max_stack_level).contains(&profile.stack_level());
        if !is_known || !is_possible || !is_level {
            return "Rejected";
        }
        self.holdings.install(profile);
        "Accepted"
    }

    /// Whether a transaction runs there, and is the one of that number if one is named.
    fn runs(&self, connector: i64, number: Option<i64>) -> bool {
        let is_meant = |known: Number| number.is_none_or(|number| known == Number::Told(number));
        self.sessions.running_on(connector).is_some_and(|session| is_meant(session.number))
    }

    /// A session that was started remotely brings its own profile (OCPP 1.6 §5.11).
    pub(super) fn install_with_start(&mut self, connector: i64, profile: Option<Value>) {
        let Some(profile) = profile else { return };
        let profile = InstalledProfile { connector, profile };
        if self.sessions.running_on(connector).is_some() && profile.purpose() == "TxProfile" {
            self.holdings.install(profile);
        }
    }

    pub(super) fn change_availability(&mut self, request: &Value) -> &'static str {
        let connector = request["connectorId"].as_i64().unwrap_or(0);
        if connector < 0 || connector > self.settings.connectors {
            return "Rejected";
        }
        let charging = (1..=self.settings.connectors)
            .any(|on| (connector == 0 || connector == on) && self.sessions.running_on(on).is_some());
        if request["type"] == "Inoperative" {
            self.holdings.inoperative.insert(connector);
            return if charging { "Scheduled" } else { "Accepted" };
        }
        self.holdings.inoperative.remove(&connector);
        "Accepted"
    }
}
