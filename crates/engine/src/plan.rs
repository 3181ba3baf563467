//! The checked routing rules of one charger.

mod cards;
mod grant;
mod keys;
mod outage;
mod sharing;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::BackofficeId;

pub use cards::{
    Aliases, CardPattern, CardPolicy, CardRoute, InvalidPattern, Missing, TurnsOn, UndecidedStart,
    VerdictRule,
};
pub use grant::{Grant, KeyPattern, ProfilePurpose, RefuseWith, Role, Scope};
pub use keys::{KeyChange, KeyRules};
pub use outage::{Failover, LateReject, OnLeaderLost, Outage, UnknownCards};
pub use sharing::{Availability, LocalList, MergeReply, Profiles, Sharing, Supply};

/// A backoffice that is informed, and what else it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follower {
    /// Which backoffice.
    pub backoffice: BackofficeId,
    /// What it is there for.
    pub role: Role,
    /// What it may do: the role's grant, or what an operator made of it.
    pub grant: Arc<Grant>,
}

impl Follower {
    /// A follower that may do what its role allows.
    pub fn new(backoffice: BackofficeId, role: Role) -> Self {
        Self { backoffice, role, grant: Arc::new(Grant::of(role)) }
    }
}

/// Who leads and who follows, for one charger. A plan is valid: no backoffice stands in it twice, and every
/// name in it is that of its leader or of a follower.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The backoffice whose answers the charger gets.
    pub leader: BackofficeId,
    /// The others, in the order of `proxy.toml`.
    pub followers: Vec<Follower>,
    /// What holds while the leader is away.
    pub outage: Outage,
    /// Who decides about cards.
    pub cards: CardPolicy,
    /// Whose is what there is one of.
    pub sharing: Sharing,
    /// What becomes of the keys that backoffices set.
    pub keys: KeyRules,
    /// What a backoffice calls the cards that it knows by other numbers (semantics A-24).
    pub aliases: BTreeMap<BackofficeId, Arc<Aliases>>,
}

impl Plan {
    /// A plan in which the leader decides everything, and the proxy answers while it is away.
    pub fn new(leader: BackofficeId, followers: Vec<Follower>) -> Self {
        Self {
            leader,
            followers,
            outage: Outage::default(),
            cards: CardPolicy::default(),
            sharing: Sharing::default(),
            keys: KeyRules::default(),
            aliases: BTreeMap::new(),
        }
    }

    /// A follower; `None` for the leader and for a stranger.
    pub fn follower(&self, backoffice: &BackofficeId) -> Option<&Follower> {
        self.followers.iter().find(|follower| follower.backoffice == *backoffice)
    }

    /// The role of a follower; `None` for the leader and for a stranger.
    pub fn role(&self, backoffice: &BackofficeId) -> Option<Role> {
        self.follower(backoffice).map(|follower| follower.role)
    }

    /// Every backoffice, the leader first.
    pub fn backoffices(&self) -> impl Iterator<Item = &BackofficeId> {
        std::iter::once(&self.leader).chain(self.followers.iter().map(|f| &f.backoffice))
    }

    /// Who has a say about cards where more than the leader has, the first choice first (semantics A-10).
    pub fn deciders(&self) -> Vec<&BackofficeId> {
        if !self.cards.deciders.is_empty() {
            return self.cards.deciders.iter().collect();
        }
        self.backoffices().filter(|id| self.role(id) != Some(Role::Observer)).collect()
    }

    /// Whether the backoffice leads or follows this charger.
    pub fn names(&self, backoffice: &BackofficeId) -> bool {
        self.backoffices().any(|b| b == backoffice)
    }
}
