//! Who is let in, as it is written in `proxy.toml` (semantics §7.2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of a charger that nobody has named.
#[derive(Serialize, Deserialize, JsonSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UnknownChargersName {
    /// It is refused, and `ocpp-proxy chargers` lists it among those that knock.
    #[default]
    Refuse,
    /// It is let in like any other.
    Admit,
}

/// What becomes of a new key that the leader sets.
#[derive(Serialize, Deserialize, JsonSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyChangeName {
    /// It is for the connection between the leader and the proxy. The proxy accepts it in the charger's place, and
    /// the charger keeps its own.
    #[default]
    Terminate,
    /// The charger gets it, too, and proves itself with it from then on. Until it has done so both count.
    Passthrough,
}
