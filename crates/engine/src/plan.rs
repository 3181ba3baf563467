//! The checked routing rules of one charger.

use crate::BackofficeId;

/// What a follower may do besides being informed. The leader may do everything but what is never
/// forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Sees everything; may send every command except those that start or stop a transaction.
    Control,
    /// Sees everything; its commands are refused.
    Observer,
}

impl Role {
    /// The word used in `proxy.toml`, metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Role::Control => "control",
            Role::Observer => "observer",
        }
    }
}

/// A backoffice that is informed, and what else it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follower {
    /// Which backoffice.
    pub backoffice: BackofficeId,
    /// What it may do.
    pub role: Role,
}

/// Who leads and who follows, for one charger. A plan is valid: no backoffice stands in it twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The backoffice whose answers the charger gets.
    pub leader: BackofficeId,
    /// The others, in the order of `proxy.toml`.
    pub followers: Vec<Follower>,
}

impl Plan {
    /// The role of a follower; `None` for the leader and for a stranger.
    pub fn role(&self, backoffice: &BackofficeId) -> Option<Role> {
        self.followers.iter().find(|f| f.backoffice == *backoffice).map(|f| f.role)
    }

    /// Every backoffice, the leader first.
    pub fn backoffices(&self) -> impl Iterator<Item = &BackofficeId> {
        std::iter::once(&self.leader).chain(self.followers.iter().map(|f| &f.backoffice))
    }

    /// Whether the backoffice leads or follows this charger.
    pub fn names(&self, backoffice: &BackofficeId) -> bool {
        self.backoffices().any(|b| b == backoffice)
    }
}
