//! Who leads: plan changes, and who leads in the leader's place (semantics §2.9, §2.10).

use std::sync::Arc;

use crate::session::links::Link;
use crate::session::outbox::{Outbox, Purpose};
use crate::session::{Earliest, Session};
use crate::{BackofficeId, Fact, Failover, Note, OnLeaderLost, Plan, Reason, Record, Tick, TransactionRow};

/// How the lead was passed on so far.
#[derive(Debug, Default)]
pub(super) struct Lead {
    /// Another than the plan's leader leads, because that one is away.
    has_failed_over: bool,
    /// The charger has connected anew meanwhile.
    is_given_back: bool,
    /// How often the lead was passed on, ever.
    epoch: u64,
}

impl Lead {
    pub(super) const FACT: &'static str = "lead";

    fn fact(&self, leader: &BackofficeId) -> Record {
        let body = serde_json::json!({ "leader": leader.as_str(), "epoch": self.epoch }).to_string();
        Record::Fact(Fact { key: Self::FACT.to_owned(), body: Some(body) })
    }
}

impl Session {
    /// Who led last. The plan may say otherwise since; but a lead that was passed on in an outage is
    /// passed back only when the plan's leader is there.
    pub(super) fn remember_lead(&mut self, body: &str) {
        let Ok(lead) = serde_json::from_str::<serde_json::Value>(body) else { return };
        self.lead.epoch = lead["epoch"].as_u64().unwrap_or(0);
        let may_lead =
            |failover: &&Failover| failover.to.iter().any(|id| Some(id.as_str()) == lead["leader"].as_str());
        if let Some(id) = lead["leader"].as_str()
            && failover(&self.plan).filter(may_lead).is_some()
        {
            self.leader = id.into();
            self.lead.has_failed_over = true;
        }
    }

    /// A new connection of the charger is the time to give the lead back.
    pub(super) fn give_lead_back(&mut self) {
        self.lead.is_given_back = self.lead.has_failed_over && self.can_lead(&self.plan.leader);
    }

    pub(super) fn plan_changed(&mut self, plan: Arc<Plan>) {
        if *self.plan == *plan {
            return;
        }
        let former = std::mem::replace(&mut self.plan, plan.clone());
        for id in former.backoffices() {
            // What it may no longer do, or no longer in this way, is not done any more.
            let follows_otherwise =
                former.follower(id).is_some_and(|follower| plan.follower(id) != Some(follower));
            if follows_otherwise || former.sharing != plan.sharing {
                self.fail_commands_of(id, "plan changed");
            }
        }
        // Who leads in another's place does so only as long as the plan says so.
        self.lead.has_failed_over &= former.leader == plan.leader
            && failover(&plan).is_some_and(|failover| failover.to.contains(&self.leader));
        for id in plan.backoffices() {
            if !self.links.iter().any(|link| link.id == *id) {
                let mut link = Link::new(id.clone());
                if let Some(lane) = self.other_lanes.iter().position(|lane| lane.backoffice == *id) {
                    link.outbox = Outbox::of(self.other_lanes.remove(lane), self.now.tick);
                }
                self.links.push(link);
            }
        }
        self.withdraw_what_is_not_granted();
        self.configuration.wishes_changed();
        self.tell_newcomers();
        self.let_go_of_strangers();
        if self.charger.is_here {
            self.dial_new();
        }
        self.review_local_lists();
        self.review_availability();
        if former.outage != self.plan.outage {
            self.end_when_grace_is_over();
        }
    }

    /// Ends the links that the plan does not name. The acting leader's stays until another leads.
    fn let_go_of_strangers(&mut self) {
        let mut at = 0;
        while at < self.links.len() {
            let id = self.links[at].id.clone();
            if self.plan.names(&id) || self.leads(&id) {
                at += 1;
            } else {
                self.hang_up_link(at, Reason::NotInPlan, None);
                let link = self.links.remove(at);
                self.other_lanes.push(link.outbox.into_lane(link.id));
            }
        }
    }

    /// Hands over the lead once the new leader is there and the former one owes the charger no answer:
    /// none can then reach it from the wrong one (semantics T-73, F-55).
    pub(super) fn change_leader(&mut self) -> bool {
        if self.charger.current.is_some() && self.has_leader() {
            return false;
        }
        let Some(to) = self.next_leader() else { return false };
        let Some(at) = self.at(&to) else { return false };
        self.lead.has_failed_over = to != self.plan.leader;
        self.lead.is_given_back = false;
        let from = std::mem::replace(&mut self.leader, to);
        self.lead.epoch += 1;
        let fact = self.lead.fact(&self.leader);
        self.promise(fact, []);
        self.absence.begin_anew();
        self.tell_start_by_lane(&from);
        // The leader gets the charger's own Heartbeats.
        self.links[at].outbox.remove(|copy| copy.name() == "Heartbeat");
        // And is asked first (semantics C-1).
        self.links[..=at].rotate_right(1);
        // What the former leader ordered as leader it may no longer want as follower.
        self.fail_commands_of(&from, "leader changed");
        self.withdraw_what_is_not_granted();
        self.configuration.forget();
        self.review_local_lists();
        self.review_availability();
        self.configuration.wishes_changed();
        self.note(Note::LeaderChanged { from, to: self.leader.clone() });
        self.tell_newcomers();
        self.let_go_of_strangers();
        self.ask_leader_again();
        true
    }

    /// A start that a former leader was still to be asked about it is told in its lane instead, as soon as the charger has
    /// an answer: in its order, and once (semantics T-56, T-60).
    fn tell_start_by_lane(&mut self, former: &BackofficeId) {
        let Some(at) = self.at(former) else { return };
        let transactions = &self.transactions;
        let is_untold = |row: &TransactionRow| !row.peers.contains_key(former);
        self.links[at].outbox.remove(|copy| {
            copy.purpose == Purpose::ChargerWaits
                && copy.name() == "StartTransaction"
                && copy.transaction.and_then(|trace| transactions.get(trace)).is_some_and(is_untold)
        });
    }

    /// To whom the lead passes now, if it does.
    pub(super) fn next_leader(&self) -> Option<BackofficeId> {
        let planned = &self.plan.leader;
        if self.leads(planned) {
            return self.is_failover_due(self.now.tick).then(|| self.stand_in_leader()).flatten();
        }
        if !self.plan.names(&self.leader) && !self.has_leader() {
            return Some(planned.clone());
        }
        if !self.can_lead(planned) {
            let is_due = self.lead.has_failed_over && self.is_failover_due(self.now.tick);
            return is_due.then(|| self.stand_in_leader()).flatten();
        }
        let is_back = !self.lead.has_failed_over
            || !self.has_leader()
            || self.lead.is_given_back
            || self.fails_back_at().is_some_and(|when| when <= self.now.tick);
        is_back.then(|| planned.clone())
    }

    /// The first of the plan's list that can lead.
    fn stand_in_leader(&self) -> Option<BackofficeId> {
        let failover = failover(&self.plan)?;
        failover.to.iter().find(|id| !self.leads(id) && self.can_lead(id)).cloned()
    }

    /// Whether a backoffice is there, and has not refused the charger.
    fn can_lead(&self, id: &BackofficeId) -> bool {
        self.at(id).is_some_and(|at| {
            let link = &self.links[at];
            // The plan's own leader decides about the charger itself.
            link.is_up() && (*id == self.plan.leader && !self.lead.has_failed_over || !link.waits_for_boot())
        })
    }

    fn is_failover_due(&self, now: Tick) -> bool {
        self.fails_over_at().is_some_and(|when| when <= now)
    }

    fn fails_over_at(&self) -> Option<Tick> {
        Some(self.absence.since()? + failover(&self.plan)?.after)
    }

    fn fails_back_at(&self) -> Option<Tick> {
        if !self.lead.has_failed_over || !self.can_lead(&self.plan.leader) {
            return None;
        }
        let planned = &self.links[self.at(&self.plan.leader)?];
        Some(planned.up_since + failover(&self.plan)?.back_after?)
    }

    pub(super) fn lead_deadlines(&self, earliest: &mut Earliest) {
        // What is due and has not happened waits for something else than time.
        let times = [self.fails_over_at(), self.fails_back_at()];
        times.into_iter().flatten().filter(|when| *when > self.now.tick).for_each(|when| earliest.at(when));
    }
}

fn failover(plan: &Plan) -> Option<&Failover> {
    match &plan.outage.on_leader_lost {
        OnLeaderLost::Failover(failover) => Some(failover),
        OnLeaderLost::Absorb | OnLeaderLost::Mirror => None,
    }
}
