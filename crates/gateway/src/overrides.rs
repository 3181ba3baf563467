//! The leaders that operators have chosen, besides what `proxy.toml` says.

use std::sync::Arc;

use dashmap::DashMap;
use engine::{BackofficeId, ChargerId, Follower, OnLeaderLost, Plan, Profiles, Role};
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
/// follower may at most. Where the chosen one was to lead in an outage, the other now is; where it was to be
/// believed about cards while the leader is away, the other is believed, too. What is said of cards and of the
/// local list by name stays with that name, since neither is a stranger or an observer now. Of stack levels
/// each keeps its own. `None` when the plan does not name the chosen one.
pub(crate) fn led_by(plan: &Arc<Plan>, chosen: &BackofficeId) -> Option<Arc<Plan>> {
    if plan.leader == *chosen {
        return Some(plan.clone());
    }
    let place = plan.followers.iter().position(|follower| follower.backoffice == *chosen)?;
    let mut plan = Plan::clone(plan);
    let former = std::mem::replace(&mut plan.leader, chosen.clone());
    let follower = Follower::new(former.clone(), Role::Control);
    let grant = std::mem::replace(&mut plan.followers[place], follower).grant;
    if let (Profiles::ByBand(leaders), Some(levels)) = (&mut plan.sharing.profiles, &grant.levels) {
        let former = Arc::make_mut(&mut plan.followers[place].grant);
        former.levels = Some(std::mem::replace(leaders, levels.clone()));
    }
    let fallback = &mut plan.cards.fallback;
    if let Some(at) = fallback.iter().position(|id| id == chosen)
        && !fallback.contains(&former)
    {
        fallback.insert(at + 1, former.clone());
    }
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

    use engine::{CardRoute, Failover, LocalList, VerdictRule};

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
    fn what_is_said_by_name_stays_true() {
        let mut before = Plan::clone(&plan(OnLeaderLost::Absorb));
        before.followers[1].role = Role::Roaming;
        before.cards.rule = VerdictRule::AnyAccept;
        before.cards.deciders = vec!["volt".into(), "wind".into()];
        before.cards.routes = vec![CardRoute { cards: Vec::new(), backoffice: "volt".into() }];
        before.cards.fallback = vec!["wind".into()];
        before.sharing.local_list = LocalList::Of("wind".into());
        for chosen in ["acme", "wind"] {
            let after = led_by(&Arc::new(before.clone()), &chosen.into()).unwrap();
            let named = after.cards.deciders.iter().chain(&after.cards.fallback);
            let named = named.chain(after.cards.routes.iter().map(|route| &route.backoffice));
            let strangers: Vec<_> = named.filter(|id| !after.names(id)).collect();
            assert_eq!(strangers, Vec::<&BackofficeId>::new());
            assert_eq!(after.cards.deciders, before.cards.deciders);
            assert_eq!(after.sharing, before.sharing);
            assert!(
                after
                    .followers
                    .iter()
                    .all(|other| other.role != Role::Observer || other.backoffice != "volt".into())
            );
        }
        let fallback =
            |chosen: &str| led_by(&Arc::new(before.clone()), &chosen.into()).unwrap().cards.fallback.clone();
        assert_eq!(fallback("wind"), ["wind".into(), "volt".into()], "volt is there when wind is away");
        assert_eq!(fallback("acme"), ["wind".into()]);
    }

    #[test]
    fn each_keeps_its_stack_levels() {
        let mut before = Plan::clone(&plan(OnLeaderLost::Absorb));
        before.sharing.profiles = Profiles::ByBand(0..=2);
        Arc::make_mut(&mut before.followers[0].grant).levels = Some(3..=5);
        let before = Arc::new(before);
        let after = led_by(&before, &"acme".into()).unwrap();
        assert_eq!(after.sharing.profiles, Profiles::ByBand(3..=5));
        assert_eq!(after.follower(&"volt".into()).unwrap().grant.levels, Some(0..=2));
        // Who has none takes the leader's.
        let after = led_by(&before, &"wind".into()).unwrap();
        assert_eq!(after.sharing.profiles, Profiles::ByBand(0..=2));
        assert_eq!(after.follower(&"volt".into()).unwrap().grant.levels, None);
    }

    #[test]
    fn a_stranger_cannot_lead() {
        assert_eq!(led_by(&plan(OnLeaderLost::Absorb), &"nobody".into()), None);
        let before = plan(OnLeaderLost::Absorb);
        assert!(Arc::ptr_eq(&led_by(&before, &"volt".into()).unwrap(), &before));
    }
}
