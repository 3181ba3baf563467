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
