//! What becomes of the keys that backoffices set (semantics §7.3).

use std::collections::BTreeSet;

use crate::BackofficeId;

/// What becomes of the keys that backoffices set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyRules {
    /// Whether the leader's reach the charger.
    pub change: KeyChange,
    /// Backoffices that are shown the charger's own key, so that a key of their link alone would be of no use.
    pub forwarded: BTreeSet<BackofficeId>,
}

/// What becomes of a key that the leader sets. A follower's is always for its own link (semantics S-22).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum KeyChange {
    /// It is for the link between the leader and the proxy alone (semantics S-20).
    #[default]
    Terminate,
    /// The charger gets it, too (semantics S-21).
    Passthrough,
}
