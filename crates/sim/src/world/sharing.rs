//! Plans of worlds in which several backoffices command one charger.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use engine::actions::{Class, OCPP16};
use engine::{
    Aliases, Availability, BackofficeId, CardPattern, CardPolicy, CardRoute, Grant, KeyPattern, LocalList,
    MergeReply, Missing, Plan, ProfilePurpose, Profiles, RefuseWith, Role, Scope, Sharing, Supply, TurnsOn,
    UndecidedStart, VerdictRule,
};

use super::World;
use super::options::{ALIAS, pick};

/// Cards that get routes, lists and aliases; not the one that all know, so that it stays everybody's.
const CARDS: [&str; 5] = ["ANNA", "BERT", "CARL", "DORA", "EVE"];
/// The stack levels of each follower where levels have owners; the leader has those below.
const BANDS: [(i64, i64); 3] = [(2, 3), (4, 4), (5, 9)];

impl World {
    /// Who may do what, who decides about cards and whose things are changes at will.
    pub(super) fn draw_sharing(&mut self, plan: &mut Plan) {
        if self.options.shared {
            share(&mut self.shared_random, plan);
        }
    }

    /// One of these changes; all of them where they name somebody who has left.
    pub(super) fn edit_sharing(&mut self, plan: &mut Plan) {
        if !self.options.shared {
            return;
        }
        let random = &mut self.shared_random;
        let all = !is_valid(plan);
        let what = random.u32(..5);
        if all || what == 0 {
            draw_grants(random, plan);
        }
        if all || what == 1 {
            plan.cards = card_policy(random, plan);
        }
        if all || what == 2 {
            plan.sharing = sharing(random, plan);
        }
        if all || what == 3 {
            plan.aliases = aliases(random, plan);
        }
    }
}

/// Draws everything of a plan but who leads and who follows.
pub(super) fn share(random: &mut fastrand::Rng, plan: &mut Plan) {
    draw_grants(random, plan);
    plan.cards = card_policy(random, plan);
    plan.sharing = sharing(random, plan);
    plan.aliases = aliases(random, plan);
}

/// Whether every name in it is still that of its leader or of a follower.
fn is_valid(plan: &Plan) -> bool {
    let listed = match &plan.sharing.local_list {
        LocalList::Of(owner) => plan.follower(owner).is_some(),
        LocalList::Leader | LocalList::Merge => true,
    };
    let routes = plan.cards.routes.iter().map(|route| &route.backoffice);
    let named = plan.cards.deciders.iter().chain(&plan.cards.fallback).chain(routes);
    listed && named.chain(plan.aliases.keys()).all(|id| plan.names(id)) && has_one_owner_each(plan)
}

fn has_one_owner_each(plan: &Plan) -> bool {
    let mut owned = BTreeSet::new();
    let mut bands = BTreeSet::new();
    plan.followers.iter().all(|follower| {
        let purposes = follower.grant.purposes.iter().all(|purpose| owned.insert(*purpose));
        purposes && follower.grant.levels.as_ref().is_none_or(|band| bands.insert(*band.start()))
    })
}

fn draw_grants(random: &mut fastrand::Rng, plan: &mut Plan) {
    let mut purposes = ProfilePurpose::ALL.to_vec();
    random.shuffle(&mut purposes);
    let mut bands = BANDS.iter();
    for follower in &mut plan.followers {
        follower.role = pick(random, &Role::ALL);
        let mut grant = Grant::of(follower.role);
        if random.bool() {
            change_grant(random, &mut grant);
        }
        grant.purposes.clear();
        if grant.commands.contains("SetChargingProfile") {
            let many = random.usize(..=purposes.len());
            grant.purposes = purposes.split_off(purposes.len() - many).into_iter().collect();
            grant.levels = bands.next().map(|(low, high)| *low..=*high);
        }
        follower.grant = Arc::new(grant);
    }
}

/// What an operator adds to a role and takes from it.
fn change_grant(random: &mut fastrand::Rng, grant: &mut Grant) {
    let can_be_granted = |class: Class| !matches!(class, Class::LeaderOwns | Class::LocalList | Class::Never);
    for row in &OCPP16 {
        let Some(rules) = row.from_backoffice.as_ref().filter(|rules| can_be_granted(rules.class)) else {
            continue;
        };
        match random.u32(..5) {
            0 => {
                grant.commands.insert(row.name);
            }
            1 if rules.class != Class::Read => {
                grant.commands.remove(row.name);
            }
            _ => {}
        }
    }
    let keys = ["LightIntensity", "Blink*", "connectiontimeout"];
    grant.keys = keys.into_iter().filter(|_| random.u32(..3) == 0).map(KeyPattern::new).collect();
    grant.vendors = match random.u32(..3) {
        0 => None,
        1 => Some(Vec::new()),
        _ => Some(vec!["com.example".to_owned()]),
    };
    grant.sessions = pick(random, &[Scope::None, Scope::Own, Scope::All]);
    grant.commands_per_minute = pick(random, &[2, 10, 30, 120]);
    grant.refuse_with = pick(random, &[RefuseWith::Status, RefuseWith::CallError]);
}

fn some_of(random: &mut fastrand::Rng, plan: &Plan) -> Vec<BackofficeId> {
    let mut all: Vec<BackofficeId> = plan.backoffices().cloned().collect();
    random.shuffle(&mut all);
    all.truncate(random.usize(..=all.len()));
    all
}

fn card_policy(random: &mut fastrand::Rng, plan: &Plan) -> CardPolicy {
    let pattern = |text: &str| CardPattern::new(text).expect("the world writes patterns that can match");
    let rules = [
        VerdictRule::LeaderOnly,
        VerdictRule::LeaderOnly,
        VerdictRule::AnyAccept,
        VerdictRule::AnyAccept,
        VerdictRule::AllAccept(Missing::Refuse),
        VerdictRule::AllAccept(Missing::Ignore),
        VerdictRule::Ordered(TurnsOn::Refusal),
        VerdictRule::Ordered(TurnsOn::Silence),
        VerdictRule::FirstAnswer,
    ];
    let all: Vec<BackofficeId> = plan.backoffices().cloned().collect();
    let mut routes = Vec::new();
    for card in ["ANNA", "b*", "C?RL"] {
        if random.u32(..6) == 0 {
            let backoffice = all[random.usize(..all.len())].clone();
            routes.push(CardRoute { cards: vec![pattern(card)], backoffice });
        }
    }
    CardPolicy {
        allow: if random.u32(..5) == 0 { vec![pattern(pick(random, &["DORA", "E*"]))] } else { Vec::new() },
        routes,
        rule: pick(random, &rules),
        deciders: if random.bool() { Vec::new() } else { some_of(random, plan) },
        fallback: if random.u32(..3) == 0 { some_of(random, plan) } else { Vec::new() },
        wait: Duration::from_secs(random.u64(1..=8)),
        undecided_start: pick(
            random,
            &[UndecidedStart::Leader, UndecidedStart::Accept, UndecidedStart::Refuse],
        ),
        leader_may_stop_foreign: random.bool(),
    }
}

fn sharing(random: &mut fastrand::Rng, plan: &Plan) -> Sharing {
    let follower = match plan.followers.len() {
        0 => None,
        many => Some(plan.followers[random.usize(..many)].backoffice.clone()),
    };
    Sharing {
        profiles: match random.u32(..4) {
            0 => Profiles::Leader,
            1 => Profiles::ByPurpose,
            2 => Profiles::ByBand(0..=1),
            _ => Profiles::Composite(Supply { volts: 230, phases: pick(random, &[1, 3]) }),
        },
        local_list: match (random.u32(..3), follower) {
            (0, Some(owner)) => LocalList::Of(owner),
            (1, _) => LocalList::Merge,
            _ => LocalList::Leader,
        },
        availability: pick(
            random,
            &[
                Availability::Last,
                Availability::Merge(MergeReply::Accepted),
                Availability::Merge(MergeReply::Rejected),
            ],
        ),
        leader_clears_all: random.u32(..3) == 0,
        reset_in_foreign_session: random.bool(),
        status_from_memory: random.bool(),
    }
}

impl World {
    /// The backoffices know what they call the cards by the plan of now.
    pub(super) fn tell_aliases(&mut self) {
        for (id, member) in &mut self.members {
            let names = CARDS.into_iter().filter_map(|card| {
                let alias = self.plan.aliases.get(id)?.of(card)?;
                Some((card.to_owned(), alias.to_owned()))
            });
            member.backoffice.call_cards(names.collect());
        }
    }
}

fn aliases(random: &mut fastrand::Rng, plan: &Plan) -> BTreeMap<BackofficeId, Arc<Aliases>> {
    let mut aliases = BTreeMap::new();
    for backoffice in plan.backoffices() {
        if random.u32(..4) == 0 {
            let known = CARDS.into_iter().filter(|_| random.bool());
            let pairs = known.map(|card| (card.to_owned(), format!("{ALIAS}{card}"))).collect();
            aliases.insert(backoffice.clone(), Arc::new(Aliases::new(pairs)));
        }
    }
    aliases
}
