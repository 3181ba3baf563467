//! Who leads, for the metrics: chargers that are there without their leader, and whence a change came.

use engine::{BackofficeId, ChargerId, Note, Plan};
use store::Store;

use crate::metrics::{Counted, Metrics};

/// What the notes of a session said of its leader.
#[derive(Debug, Default)]
pub(super) struct Lead {
    /// The engine answers in its place.
    is_away: bool,
    /// Another than the plan's leader leads.
    is_passed_on: bool,
    counted: Option<Counted>,
    /// Whence the plan's leader is.
    planned_by: Source,
}

/// Whence a change of the leader came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Source {
    /// `proxy.toml`.
    #[default]
    File,
    /// An operator.
    Operator,
    /// The leader is away, and another leads in its place.
    Failover,
    /// The leader is back.
    FailBack,
}

impl Source {
    /// The value of the metric's label.
    fn label(self) -> &'static str {
        match self {
            Source::File => "file",
            Source::Operator => "operator",
            Source::Failover => "failover",
            Source::FailBack => "fail_back",
        }
    }

    /// Adds the change to the history that people read. An operator's stands there already.
    pub(super) fn record(self, store: &Store, charger: &ChargerId, from: &BackofficeId, to: &BackofficeId) {
        let (by, reason) = match self {
            Source::Operator => return,
            Source::File => ("proxy.toml", format!("the file names {to} instead of {from}")),
            Source::Failover => ("proxy", format!("{from} is away")),
            Source::FailBack => ("proxy", format!("{to} is back")),
        };
        store.note_leader(charger, to, by, &reason);
    }
}

impl Lead {
    /// The plan names another leader, who will lead when that can be.
    pub(super) fn is_to_change(&mut self, source: Source) {
        self.planned_by = source;
    }

    /// Takes in what a note says of the leader. Tells whence a change came.
    pub(super) fn noted(&mut self, metrics: &Metrics, plan: &Plan, note: &Note) -> Option<Source> {
        match note {
            Note::Alert { kind: "leader_lost", .. } => self.is_away = true,
            Note::Alert { kind: "leader_back", .. } => self.is_away = false,
            Note::LeaderChanged { to, .. } => {
                let was_passed_on = std::mem::replace(&mut self.is_passed_on, *to != plan.leader);
                let source = match (was_passed_on, self.is_passed_on) {
                    (_, true) => Source::Failover,
                    (true, false) => Source::FailBack,
                    (false, false) => self.planned_by,
                };
                metrics.leader_switched(source.label());
                self.is_away = false;
                return Some(source);
            }
            _ => {}
        }
        None
    }

    /// Counts the charger among those without a leader as long as it is one of them.
    pub(super) fn count(&mut self, metrics: &Metrics, charger_is_here: bool) {
        match (self.is_away && charger_is_here, &self.counted) {
            (true, None) => self.counted = Some(metrics.count_without_leader()),
            (false, Some(_)) => self.counted = None,
            _ => {}
        }
    }
}
