//! How a session stands, for whoever looks at it: who leads, how each link is. Changes nothing.

use std::time::Duration;

use crate::session::Session;
use crate::session::links::LinkState;
use crate::{BackofficeId, Departure, Reason, Tick};

/// How a session stands at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Who leads now. Differs from the plan's leader in a failover, and while a change of the plan waits
    /// for its quiet point (semantics T-73).
    pub leader: BackofficeId,
    /// Since when the leader is away from a charger that is here.
    pub leader_away_since: Option<Tick>,
    /// The leader's first.
    pub links: Vec<LinkStatus>,
}

/// How one link stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkStatus {
    /// Whose link.
    pub backoffice: BackofficeId,
    /// How far it is.
    pub stage: Stage,
    /// Why it was closed or could not be opened when it last was.
    pub ended: Option<Ended>,
    /// What it answered to the charger's boot: `"Accepted"`, `"Pending"` or `"Rejected"`; `None` when it was
    /// not asked or has not answered.
    pub boot: Option<&'static str>,
    /// How many messages that must reach it wait, the one on its way included; parked ones are left out.
    pub waiting: u64,
    /// When it last answered something in time, in this session.
    pub last_answer: Option<Tick>,
    /// How long that answer took.
    pub last_latency: Option<Duration>,
}

/// How far a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Not open; dialed again then, if at all.
    Down {
        /// When.
        retry_at: Option<Tick>,
    },
    /// Being opened.
    Dialing,
    /// Open.
    Up {
        /// Since when.
        since: Tick,
    },
}

/// Why a link is not open any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The other side went, or could not be reached.
    Left(Departure),
    /// The proxy hung up.
    HungUp(Reason),
}

impl Session {
    /// How the session stands.
    pub fn status(&self) -> Status {
        Status {
            leader: self.leader.clone(),
            leader_away_since: self.absence.since(),
            links: (0..self.links.len()).map(|at| self.link_status(at)).collect(),
        }
    }

    fn link_status(&self, at: usize) -> LinkStatus {
        let link = &self.links[at];
        let is_on_its_way = link.asked.as_ref().is_some_and(|asked| asked.copy.number.is_some());
        LinkStatus {
            backoffice: link.id.clone(),
            stage: match link.state {
                LinkState::Down(retry_at) => Stage::Down { retry_at },
                LinkState::Dialing => Stage::Dialing,
                LinkState::Up => Stage::Up { since: link.up_since },
            },
            ended: link.ended.clone(),
            boot: link.boot.or_else(|| self.boot.verdict_of(&link.id)).map(|verdict| verdict.label()),
            waiting: link.outbox.waiting() + u64::from(is_on_its_way),
            last_answer: link.last_answer.map(|(when, _)| when),
            last_latency: link.last_answer.map(|(_, latency)| latency),
        }
    }
}
