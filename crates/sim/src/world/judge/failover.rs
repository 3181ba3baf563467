//! Who may lead in the leader's place (semantics §2.9, §2.10).

use engine::{BackofficeId, OnLeaderLost, Side, Tick};

use super::Judge;

impl Judge {
    /// The lead passes: to the plan's leader, or to one that the plan lists for its absence.
    pub(super) fn check_lead_passes(&mut self, now: Tick, to: &BackofficeId) {
        self.summary.leads_passed += 1;
        if *to == self.plan.leader {
            return;
        }
        let problem = match &self.plan.outage.on_leader_lost {
            OnLeaderLost::Failover(failover) if !failover.to.contains(to) => "is not listed",
            OnLeaderLost::Failover(_) if !self.plan.names(to) => "is not in the plan",
            OnLeaderLost::Failover(_) if !self.is_up(&Side::Backoffice(to.clone())) => "is not there",
            OnLeaderLost::Failover(_) => return,
            OnLeaderLost::Absorb | OnLeaderLost::Mirror => "may not",
        };
        let away = self.away_since(&self.plan.leader).map(|since| now.since(since));
        self.accuse(format!(
            "T-65: {to} leads and {problem}, while {} is away for {away:?}",
            self.plan.leader
        ));
    }

    /// Whether the plan's leader leads, or one that may until the charger comes again.
    pub(in crate::world) fn leads_at_rest(&self, charger_came_again: bool) -> bool {
        let may_stay = match &self.plan.outage.on_leader_lost {
            OnLeaderLost::Failover(failover) => {
                failover.back_after.is_none() && failover.to.contains(&self.leader) && !charger_came_again
            }
            OnLeaderLost::Absorb | OnLeaderLost::Mirror => false,
        };
        self.leader == self.plan.leader || may_stay
    }
}
