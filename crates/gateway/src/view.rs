//! What an operator sees of the running gateway, and what is done from there: another backoffice is made
//! leader, a charger is admitted.

mod entrance;

use std::net::IpAddr;
use std::sync::Arc;

use engine::{BackofficeId, ChargerId, Note, Plan, Role};
use store::{LeaderOrder, LeaderOverride};
use tokio::sync::{broadcast, oneshot};
use tokio::time::timeout;

use crate::LeaderSource;
use crate::fleet::Control;
use crate::limits::DESCRIBE_TIMEOUT;
use crate::shared::Shared;

pub use self::entrance::{AdmitError, EntranceView, KnownCharger, TermsView, new_charger};

/// A look at the running gateway. Cheap to clone; does not keep the gateway running.
#[derive(Debug, Clone)]
pub struct View {
    shared: Arc<Shared>,
}

/// A charger whose session is running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveCharger {
    /// Since when it is connected; UTC, milliseconds since 1970. `None` when it has left and may still come
    /// back without its backoffices noticing.
    pub connected_since_unix_ms: Option<i64>,
    /// Where it connected from, when it last did.
    pub from: IpAddr,
    /// Who leads now; differs from the plan's leader in a failover.
    pub leader: BackofficeId,
    /// The leader first.
    pub backoffices: Vec<LiveBackoffice>,
    /// Since when the leader is not there to answer; UTC, milliseconds since 1970.
    pub leader_away_since_unix_ms: Option<i64>,
}

/// One backoffice of a charger whose session is running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveBackoffice {
    /// Its name in `proxy.toml`.
    pub id: BackofficeId,
    /// Whether its answers go to the charger.
    pub leads: bool,
    /// What it may do besides being informed; `None` for the plan's leader.
    pub role: Option<Role>,
    /// How its link is.
    pub link: LiveLink,
    /// What it answered to the charger's boot: `"Accepted"`, `"Pending"` or `"Rejected"`.
    pub boot: Option<&'static str>,
    /// How many messages that it must be told wait; parked ones are left out.
    pub waiting: u64,
    /// When it last answered something in time; UTC, milliseconds since 1970.
    pub last_answer_unix_ms: Option<i64>,
    /// How long that answer took, in microseconds.
    pub last_latency_us: Option<u64>,
}

/// How a link is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveLink {
    /// Open.
    Up {
        /// Since then; UTC, milliseconds since 1970.
        since_unix_ms: i64,
    },
    /// Being opened.
    Dialing,
    /// Not open.
    Down {
        /// When it is dialed again, if it is; UTC, milliseconds since 1970.
        retry_at_unix_ms: Option<i64>,
        /// What happened, for a person; free of secrets.
        reason: Option<String>,
    },
}

/// The plan of a charger, and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanView {
    /// What is in force, with the operator's choice.
    pub plan: Arc<Plan>,
    /// Who leads by `proxy.toml`.
    pub file_leader: BackofficeId,
    /// The operator's choice, also when it is not in force: [`PlanView::is_overridden`].
    pub overridden: Option<LeaderOverride>,
    /// Who may say who leads.
    pub leader_source: LeaderSource,
    /// The `match` of the rule that the plan stands in.
    pub rule: String,
}

impl PlanView {
    /// Whether the operator's choice is in force. It is not when `leader_source` forbids it or the rule does
    /// not name that backoffice any more.
    pub fn is_overridden(&self) -> bool {
        self.overridden.as_ref().is_some_and(|chosen| chosen.leader == self.plan.leader)
    }
}

impl PlanView {
    /// Whether an operator may have this backoffice lead; `None` takes the choice back.
    ///
    /// # Errors
    /// When the file alone decides, or the rule does not name this backoffice.
    pub fn may_be_led_by(&self, leader: Option<&BackofficeId>) -> Result<(), SetLeaderError> {
        let rule = self.rule.clone();
        match leader {
            _ if self.leader_source == LeaderSource::File => Err(SetLeaderError::FileDecides { rule }),
            Some(leader) if !self.plan.names(leader) => {
                let names: Vec<&str> = self.plan.backoffices().map(BackofficeId::as_str).collect();
                let (backoffice, names) = (leader.clone(), names.join(", "));
                Err(SetLeaderError::NotInPlan { backoffice, rule, names })
            }
            _ => Ok(()),
        }
    }
}

/// Why a backoffice cannot be made leader.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetLeaderError {
    /// No rule matches the charger.
    #[error("no rule in proxy.toml matches the charger {0}")]
    UnknownCharger(ChargerId),
    /// The rule leaves nothing to the operator.
    #[error(
        "the rule {rule:?} in proxy.toml has leader_source = \"file\": who leads is decided there alone; \
         change its leader, or set leader_source = \"portal\""
    )]
    FileDecides {
        /// The `match` of the rule.
        rule: String,
    },
    /// The rule does not name that backoffice.
    #[error("the rule {rule:?} in proxy.toml does not name the backoffice {backoffice}; it names {names}")]
    NotInPlan {
        /// The backoffice that was to lead.
        backoffice: BackofficeId,
        /// The `match` of the rule.
        rule: String,
        /// Those that it names.
        names: String,
    },
    /// The choice cannot be kept.
    #[error("the choice cannot be stored: {0}")]
    Store(String),
}

impl View {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Whether messages go into the message log.
    pub fn logs_messages(&self) -> bool {
        self.shared.settings.log_messages
    }

    /// How the session of a charger stands; `None` when there is none.
    pub async fn charger(&self, charger: &ChargerId) -> Option<LiveCharger> {
        let (reply, answer) = oneshot::channel();
        self.shared.fleet.tell(charger, Control::Describe(reply));
        timeout(DESCRIBE_TIMEOUT, answer).await.ok()?.ok()
    }

    /// Whether a charger is connected.
    pub fn is_online(&self, charger: &ChargerId) -> bool {
        self.shared.fleet.is_online(charger)
    }

    /// How many chargers are connected.
    pub fn online(&self) -> usize {
        self.shared.fleet.online()
    }

    /// The plan of a charger, connected or not; `None` when no rule matches it.
    pub fn plan(&self, charger: &ChargerId) -> Option<PlanView> {
        self.shared.served.load().plan(charger, &self.shared.overrides)
    }

    /// Makes another backoffice of the plan the leader, until that is taken back with `None` or by naming whom
    /// `proxy.toml` names. The choice is durable before this resolves; the session follows as soon as the new
    /// leader is there and nothing is in flight.
    ///
    /// # Errors
    /// When nobody may choose for this charger, or this backoffice cannot lead it, or the choice cannot be
    /// kept.
    pub async fn set_leader(
        &self,
        charger: &ChargerId,
        leader: Option<BackofficeId>,
        by: &str,
        reason: &str,
    ) -> Result<(), SetLeaderError> {
        let found = self.plan(charger).ok_or_else(|| SetLeaderError::UnknownCharger(charger.clone()))?;
        found.may_be_led_by(leader.as_ref())?;
        // Whom the file names needs no choice; one would go on to hold when the file names another.
        let leader = leader.filter(|leader| *leader != found.file_leader);
        if leader.is_none() && found.overridden.is_none() {
            return Ok(());
        }
        let kept = self.shared.store.set_leader(charger, leader.clone(), by, reason).await;
        kept.map_err(|error| SetLeaderError::Store(error.to_string()))?;
        let (by, reason) = (by.to_owned(), reason.to_owned());
        self.shared.leader_chosen(LeaderOrder { charger: charger.clone(), leader, by, reason });
        Ok(())
    }

    /// Every note from now on. A listener that is too far behind loses the oldest.
    pub fn subscribe(&self) -> broadcast::Receiver<(ChargerId, Arc<Note>)> {
        self.shared.tail.subscribe()
    }
}
