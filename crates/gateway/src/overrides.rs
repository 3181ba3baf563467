//! The leaders that operators have chosen, besides what `proxy.toml` says.

use std::sync::Arc;

use dashmap::DashMap;
use engine::{BackofficeId, ChargerId, Follower, OnLeaderLost, Plan, Role};
use store::LeaderOverride;

use crate::fleet::folded;

/// All choices, by the identity in small letters. Only operators make it grow, by one entry a charger.
#[derive(Debug, Default)]
pub(crate) struct Overrides(DashMap<String, LeaderOverride>);

impl Overrides {
    /// With what was chosen before.
    pub(crate) fn new(chosen: Vec<LeaderOverride>) -> Self {
        let overrides = Self::default();
        chosen.into_iter().for_each(|chosen| overrides.set(chosen));
        overrides
    }

    /// What was chosen for a charger.
    pub(crate) fn of(&self, charger: &ChargerId) -> Option<LeaderOverride> {
        self.0.get(&folded(charger)).map(|chosen| chosen.clone())
    }

    /// Takes a choice in.
    pub(crate) fn set(&self, chosen: LeaderOverride) {
        self.0.insert(folded(&chosen.charger), chosen);
    }

    /// Forgets what was chosen for a charger.
    pub(crate) fn remove(&self, charger: &ChargerId) {
        self.0.remove(&folded(charger));
    }

    /// Every choice.
    pub(crate) fn all(&self) -> Vec<LeaderOverride> {
        self.0.iter().map(|chosen| chosen.clone()).collect()
    }
}

/// The plan with another leader: the one that `proxy.toml` names follows instead and may command as a
/// follower may at most. Where the chosen one was to lead in an outage, the other now is. `None` when the
/// plan does not name the chosen one.
pub(crate) fn led_by(plan: &Arc<Plan>, chosen: &BackofficeId) -> Option<Arc<Plan>> {
    if plan.leader == *chosen {
        return Some(plan.clone());
    }
    let place = plan.followers.iter().position(|follower| follower.backoffice == *chosen)?;
    let mut plan = Plan::clone(plan);
    let former = std::mem::replace(&mut plan.leader, chosen.clone());
    plan.followers[place] = Follower::new(former.clone(), Role::Control);
    if let OnLeaderLost::Failover(failover) = &mut plan.outage.on_leader_lost {
        for stand_in in failover.to.iter_mut().filter(|stand_in| **stand_in == *chosen) {
            stand_in.clone_from(&former);
        }
    }
    Some(Arc::new(plan))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use engine::Failover;

    use super::*;

    fn plan(on_leader_lost: OnLeaderLost) -> Arc<Plan> {
        let follower = |name: &str, role| Follower::new(name.into(), role);
        let followers = vec![follower("acme", Role::Observer), follower("wind", Role::Control)];
        let mut plan = Plan::new("volt".into(), followers);
        plan.outage.on_leader_lost = on_leader_lost;
        Arc::new(plan)
    }

    #[test]
    fn leader_and_chosen_change_places() {
        let before = plan(OnLeaderLost::Absorb);
        let after = led_by(&before, &"acme".into()).unwrap();
        assert_eq!(
            after.backoffices().map(BackofficeId::as_str).collect::<Vec<_>>(),
            ["acme", "volt", "wind"]
        );
        assert_eq!(after.role(&"volt".into()), Some(Role::Control));
        assert_eq!(after.role(&"acme".into()), None);
    }

    #[test]
    fn who_was_to_stand_in_has_a_stand_in_of_its_own() {
        let to = |plan: &Plan| match &plan.outage.on_leader_lost {
            OnLeaderLost::Failover(failover) => {
                failover.to.iter().map(BackofficeId::to_string).collect::<Vec<_>>().join(" ")
            }
            other => panic!("{other:?}"),
        };
        let failover = Failover {
            to: vec!["acme".into(), "wind".into()],
            after: Duration::from_secs(120),
            back_after: None,
        };
        let before = plan(OnLeaderLost::Failover(failover));
        assert_eq!(to(&led_by(&before, &"acme".into()).unwrap()), "volt wind");
        assert_eq!(to(&led_by(&before, &"wind".into()).unwrap()), "acme volt");
        let alone = Failover { to: vec!["wind".into()], after: Duration::from_secs(120), back_after: None };
        let before = plan(OnLeaderLost::Failover(alone));
        assert_eq!(to(&led_by(&before, &"acme".into()).unwrap()), "wind");
    }

    #[test]
    fn a_stranger_cannot_lead() {
        assert_eq!(led_by(&plan(OnLeaderLost::Absorb), &"nobody".into()), None);
        let before = plan(OnLeaderLost::Absorb);
        assert!(Arc::ptr_eq(&led_by(&before, &"volt".into()).unwrap(), &before));
    }
}
