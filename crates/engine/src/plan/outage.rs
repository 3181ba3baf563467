//! What holds while the leader is away (semantics §2.9).

use std::time::Duration;

use crate::{BackofficeId, limits};

/// What holds while the leader is away, or does not answer (semantics §2.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// What becomes of the charger.
    pub on_leader_lost: OnLeaderLost,
    /// A loss shorter than this the proxy bridges, whatever else is to happen.
    pub grace: Duration,
    /// What an Authorize is answered for a card of which no verdict of the leader is remembered.
    pub unknown_cards: UnknownCards,
    /// What becomes of a running transaction whose card the leader refuses when it hears of it late.
    pub late_reject: LateReject,
    /// Whether a transaction message is absorbed that the leader answers with `InternalError` or
    /// `GenericError` (semantics E18).
    pub absorb_leader_errors: bool,
}

impl Default for Outage {
    fn default() -> Self {
        Self {
            on_leader_lost: OnLeaderLost::Absorb,
            grace: limits::LEADER_GRACE,
            unknown_cards: UnknownCards::default(),
            late_reject: LateReject::default(),
            absorb_leader_errors: false,
        }
    }
}

/// What becomes of the charger when the leader is lost (semantics §2.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnLeaderLost {
    /// The proxy answers in the leader's place, and the leader is told later.
    Absorb,
    /// After the grace the charger is sent away, and refused until the leader is back.
    Mirror,
    /// The proxy answers, and after a while another backoffice leads.
    Failover(Failover),
}

/// Who leads in the leader's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failover {
    /// The followers that may lead; the first that is connected and has accepted the charger does.
    pub to: Vec<BackofficeId>,
    /// When the leader has been away for this long.
    pub after: Duration,
    /// The leader leads again when it has been back for this long; `None`: not before the plan
    /// changes or the charger connects anew.
    pub back_after: Option<Duration>,
}

/// What an Authorize is answered for a card of which nothing is remembered, while the leader is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownCards {
    /// CALLERROR: the charger decides by its own list and cache, as if it were offline.
    #[default]
    ChargerDecides,
    /// `Invalid`.
    Refuse,
    /// `Accepted`.
    Accept,
}

/// What becomes of a running transaction whose card the leader refuses late (semantics T-67).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LateReject {
    /// It is stopped, unless the charger is set to go on (`StopTransactionOnInvalidId`).
    #[default]
    Stop,
    /// It goes on.
    Ignore,
}
