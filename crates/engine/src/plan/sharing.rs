//! Whose is what a charger has one of: profiles, the local list, the availability (semantics §6).

use std::ops::RangeInclusive;

use crate::BackofficeId;

/// Whose is what a charger has one of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sharing {
    /// Charging profiles.
    pub profiles: Profiles,
    /// The local authorisation list.
    pub local_list: LocalList,
    /// Whether connectors are in service.
    pub availability: Availability,
    /// Whether the leader's ClearChargingProfile without an id clears everybody's profiles
    /// (semantics K-24).
    pub leader_clears_all: bool,
    /// Whether a backoffice may reset the charger while a transaction of another runs: for the leader, one of
    /// whose card another decided; for a follower, any but its own (semantics K-71).
    pub reset_in_foreign_session: bool,
    /// Whether a follower's TriggerMessage for StatusNotification is served from what the charger said
    /// last (semantics K-61).
    pub status_from_memory: bool,
}

impl Default for Sharing {
    fn default() -> Self {
        Self {
            profiles: Profiles::Leader,
            local_list: LocalList::Leader,
            availability: Availability::Last,
            leader_clears_all: false,
            reset_in_foreign_session: true,
            status_from_memory: false,
        }
    }
}

/// Whose charging profiles are at the charger (semantics §6.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Profiles {
    /// The leader's.
    Leader,
    /// Each purpose has one owner: the follower whose grant names it, else the leader.
    ByPurpose,
    /// Each stack level has one owner: the follower whose grant holds it; these are the leader's.
    ByBand(RangeInclusive<i64>),
    /// Everybody's: the charger gets the lowest of all limits.
    Composite(Supply),
}

impl Profiles {
    /// The word of `proxy.toml`.
    pub fn label(&self) -> &'static str {
        match self {
            Profiles::Leader => "leader",
            Profiles::ByPurpose => "by_purpose",
            Profiles::ByBand(_) => "by_band",
            Profiles::Composite(_) => "composite",
        }
    }
}

/// How a charger is fed: by this amperes become watts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supply {
    /// Volts between a phase and neutral.
    pub volts: u32,
    /// Phases.
    pub phases: u8,
}

impl Default for Supply {
    fn default() -> Self {
        Self { volts: 230, phases: 3 }
    }
}

/// Who writes the local authorisation list (semantics ).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalList {
    /// Who leads.
    Leader,
    /// This follower.
    Of(BackofficeId),
    /// The proxy: it holds a list per backoffice, and the charger gets what they come to together. Where
    /// two name a card the leader's entry counts.
    Merge,
}

/// What becomes of several backoffices' ChangeAvailability (semantics K-70).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// The last one counts.
    Last,
    /// Out of service as long as one wants so.
    Merge(MergeReply),
}

/// What a backoffice is told whose wish is overruled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeReply {
    /// Accepted: it is remembered.
    Accepted,
    /// Rejected.
    Rejected,
}
