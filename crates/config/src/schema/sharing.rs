//! Whose is what a charger has one of, as it is written in `proxy.toml` (semantics §6).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose is what a charger has one of.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("line" = "[chargers.sharing]"))]
pub(crate) struct SharingRule {
    /// Whose charging profiles are at the charger.
    pub(crate) profiles: ProfilesName,
    /// With `by_band`, and required there: the charger's stack levels that are the leader's, from the lowest to
    /// the highest.
    #[schemars(example = &"0-2")]
    pub(crate) leader_stack_levels: Option<String>,
    /// With `composite`: volts between a phase and neutral, by which amperes become watts.
    #[schemars(range(min = 100, max = 1000))]
    pub(crate) volts: u32,
    /// With `composite`: phases that feed the charger.
    #[schemars(range(min = 1, max = 3))]
    pub(crate) phases: u8,
    /// Who writes the local authorisation list: `"leader"`, the name of a follower, or `"merge"`: the proxy holds a
    /// list per backoffice and writes what they come to together; where two name a card, the leader's entry counts.
    pub(crate) local_list: String,
    /// What becomes of the ChangeAvailability of several backoffices.
    pub(crate) availability: AvailabilityName,
    /// With `availability = "merge"`: what a backoffice is told that wants a connector in service while another
    /// wants it out of service.
    pub(crate) overruled: OverruledName,
    /// Whether a ClearChargingProfile of the leader without an id clears everybody's profiles rather than its own.
    pub(crate) leader_clears_all: bool,
    /// Whether a backoffice may reset the charger while a transaction runs that is another's: for the leader one
    /// about whose card another has decided, for a follower any but its own.
    pub(crate) reset_in_foreign_session: bool,
    /// Whether a follower that triggers a StatusNotification gets what the charger said last, without asking it.
    pub(crate) status_from_memory: bool,
}

impl Default for SharingRule {
    fn default() -> Self {
        let supply = engine::Supply::default();
        Self {
            profiles: ProfilesName::default(),
            leader_stack_levels: None,
            volts: supply.volts,
            phases: supply.phases,
            local_list: "leader".to_owned(),
            availability: AvailabilityName::default(),
            overruled: OverruledName::default(),
            leader_clears_all: false,
            reset_in_foreign_session: true,
            status_from_memory: false,
        }
    }
}

/// Whose charging profiles are at the charger.
#[derive(Serialize, Deserialize, JsonSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProfilesName {
    /// The leader's; all others are refused.
    #[default]
    Leader,
    /// Each purpose has one owner: the follower whose `purposes` name it, else the leader. Of the limits of
    /// different purposes the charger itself takes the lowest.
    ByPurpose,
    /// Each stack level has one owner: the follower whose `stack_levels` hold it, or the leader by
    /// `leader_stack_levels`. Within a purpose the highest level wins.
    ByBand,
    /// Everybody's: the proxy gives the charger the lowest of all limits.
    Composite,
}

impl ProfilesName {
    /// The word of the file.
    pub(crate) fn word(self) -> &'static str {
        match self {
            ProfilesName::Leader => "leader",
            ProfilesName::ByPurpose => "by_purpose",
            ProfilesName::ByBand => "by_band",
            ProfilesName::Composite => "composite",
        }
    }
}

/// What becomes of several backoffices' wishes whether a connector is in service.
#[derive(Serialize, Deserialize, JsonSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AvailabilityName {
    /// The last one counts.
    #[default]
    Last,
    /// Out of service as long as one wants so.
    Merge,
}

/// What a backoffice is told whose wish is overruled.
#[derive(Serialize, Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OverruledName {
    /// `Accepted`: its wish is remembered.
    #[default]
    Accepted,
    /// `Rejected`.
    Rejected,
}
