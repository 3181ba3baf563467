//! Who leads, for the metrics: chargers that are there without their leader, and whence a change came.

use engine::{Note, Plan};

use crate::metrics::{Counted, Metrics};

/// What the notes of a session said of its leader.
#[derive(Debug, Default)]
pub(super) struct Lead {
    /// The engine answers in its place.
    is_away: bool,
    /// Another than the plan's leader leads.
    is_passed_on: bool,
    counted: Option<Counted>,
}

impl Lead {
    /// Takes in what a note says of the leader.
    pub(super) fn noted(&mut self, metrics: &Metrics, plan: &Plan, note: &Note) {
        match note {
            Note::Alert { kind: "leader_lost", .. } => self.is_away = true,
            Note::Alert { kind: "leader_back", .. } => self.is_away = false,
            Note::LeaderChanged { to, .. } => {
                let was_passed_on = std::mem::replace(&mut self.is_passed_on, *to != plan.leader);
                metrics.leader_switched(match (was_passed_on, self.is_passed_on) {
                    (_, true) => "failover",
                    (true, false) => "fail_back",
                    (false, false) => "file",
                });
                self.is_away = false;
            }
            _ => {}
        }
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
