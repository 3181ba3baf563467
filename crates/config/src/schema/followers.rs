//! What a follower may do, as it is written in `proxy.toml` (semantics §6.1).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How followers are written.
pub(super) const LINE: &str = "followers = [{ backoffice = \"acme\", role = \"control\" }]";

/// One follower.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("line" = LINE))]
pub(crate) struct FollowerRule {
    /// Its name under `[backoffices]`.
    #[schemars(example = &"acme")]
    pub(crate) backoffice: String,
    /// What it may do besides being told everything. The keys below add to it and take from it.
    #[serde(default)]
    pub(crate) role: RoleName,
    /// Commands that it may send besides those of its role, by OCPP's names; or all of a class: `read`,
    /// `trigger`, `control`, `session`. A class never holds what takes the charger or a cable from whoever uses
    /// it (Reset, UnlockConnector, firmware): that is named by itself.
    #[serde(default)]
    #[schemars(extend("line" = "allow = [\"Reset\", \"read\"]"))]
    pub(crate) allow: Vec<String>,
    /// Commands that it may not send although its role or `allow` names them; names and classes as there.
    #[serde(default)]
    #[schemars(extend("line" = "deny = [\"GetConfiguration\"]"))]
    pub(crate) deny: Vec<String>,
    /// Configuration keys that it may change at the charger, besides those of which every backoffice has a value
    /// of its own; `*` stands for any text, `?` for one character. A key is written by one follower at most.
    #[serde(default)]
    #[schemars(extend("line" = "keys = [\"LightIntensity\"]"))]
    pub(crate) keys: Vec<String>,
    /// With `profiles = "by_purpose"`: charging profiles of these purposes are its own, by OCPP's names:
    /// `ChargePointMaxProfile`, `TxDefaultProfile`, `TxProfile`. Without this key those of its role: `energy` has
    /// ChargePointMaxProfile, all others none.
    #[serde(default)]
    #[schemars(extend("line" = "purposes = [\"ChargePointMaxProfile\"]"))]
    pub(crate) purposes: Option<Vec<PurposeName>>,
    /// With `profiles = "by_band"`: the charger's stack levels that are its own, from the lowest to the highest.
    #[serde(default)]
    #[schemars(example = &"3-5")]
    pub(crate) stack_levels: Option<String>,
    /// Vendors whose DataTransfer it may send, by their vendorId. Without this key those of its role: `control`
    /// may send every vendor's, all others none.
    #[serde(default)]
    #[schemars(extend("line" = "vendors = [\"com.example\"]"))]
    pub(crate) vendors: Option<Vec<String>>,
    /// Whose transactions it may stop, and at whose it may unlock the connector. Without this key as its role
    /// says: `control` everybody's, `roaming` its own, all others nobody's.
    #[serde(default)]
    pub(crate) sessions: Option<ScopeName>,
    /// Commands that it may send to one charger within a minute.
    #[serde(default = "commands_per_minute")]
    #[schemars(range(min = 1, max = 600))]
    pub(crate) commands_per_minute: u32,
    /// How it is told that it may not.
    #[serde(default)]
    pub(crate) refuse_with: RefuseWithName,
}

fn commands_per_minute() -> u32 {
    engine::limits::FOLLOWER_COMMANDS_PER_MINUTE
}

/// What a follower may do.
#[derive(Serialize, Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("mistaken" = {
    "leader": "who leads is said by the key leader of [[chargers]]; a follower is \"control\", \"energy\", \"roaming\", \"maintenance\" or \"observer\""
}))]
pub(crate) enum RoleName {
    /// Sees everything; may send every command except those that start or stop a transaction, those
    /// that are the leader's by nature (the local list, certificates) and those that are never
    /// forwarded.
    Control,
    /// Manages energy: reads, and sets charging profiles of the purposes that are its own.
    Energy,
    /// Brings drivers: starts and stops its own sessions, reserves, unlocks its own sessions' connectors.
    Roaming,
    /// Maintains the charger: diagnostics, firmware, reset, availability.
    Maintenance,
    /// Sees everything; its commands are refused, and it has no say about cards.
    #[default]
    Observer,
}

/// What a charging profile is for, in OCPP's words.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PurposeName {
    /// The whole charger.
    #[serde(rename = "ChargePointMaxProfile")]
    ChargePointMax,
    /// Every transaction that has no profile of its own.
    #[serde(rename = "TxDefaultProfile")]
    TxDefault,
    /// One transaction.
    #[serde(rename = "TxProfile")]
    Tx,
}

/// Whose transactions.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ScopeName {
    /// Nobody's.
    None,
    /// Those that it started remotely, or whose card it decided about.
    Own,
    /// Everybody's.
    All,
}

/// How a follower is told no.
#[derive(Serialize, Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefuseWithName {
    /// With the status of OCPP that claims least, most often `Rejected`.
    #[default]
    Status,
    /// With the error `SecurityError`, which says why.
    #[serde(rename = "callerror")]
    CallError,
}
