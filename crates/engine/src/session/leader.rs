//! Who leads: plan changes, and the leader's loss (semantics §2.10).

use std::sync::Arc;

use crate::session::Session;
use crate::session::links::Link;
use crate::session::outbox::Outbox;
use crate::{Note, Plan, Reason};

impl Session {
    pub(super) fn plan_changed(&mut self, plan: Arc<Plan>) {
        if *self.plan == *plan {
            return;
        }
        let former = std::mem::replace(&mut self.plan, plan.clone());
        for follower in &former.followers {
            // What a role no longer allows is not sent any more.
            if plan.role(&follower.backoffice) != Some(follower.role) {
                self.fail_commands_of(&follower.backoffice, "plan changed");
            }
        }
        for id in plan.backoffices() {
            if !self.links.iter().any(|link| link.id == *id) {
                let mut link = Link::new(id.clone());
                if let Some(lane) = self.other_lanes.iter().position(|lane| lane.backoffice == *id) {
                    link.outbox = Outbox::of(self.other_lanes.remove(lane), self.now.tick);
                }
                self.links.push(link);
            }
        }
        self.tell_newcomers();
        self.let_go_of_strangers();
        if self.charger.is_here {
            self.dial_new();
        }
    }

    /// Whether the leader is there to answer.
    pub(super) fn has_leader(&self) -> bool {
        self.at(&self.leader).is_some_and(|at| self.links[at].is_up())
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

    /// Hands over the lead once the new leader is there and no call of the charger is in flight:
    /// no answer can then reach the charger from the wrong one (semantics T-73, F-55).
    pub(super) fn change_leader(&mut self) -> bool {
        if self.plan.leader == self.leader || self.charger.current.is_some() {
            return false;
        }
        let Some(at) = self.at(&self.plan.leader) else { return false };
        if !self.links[at].is_up() {
            return false;
        }
        let from = std::mem::replace(&mut self.leader, self.plan.leader.clone());
        // The leader gets the charger's own Heartbeats.
        self.links[at].outbox.remove(|copy| copy.name() == "Heartbeat");
        // And is asked first (semantics C-1).
        self.links[..=at].rotate_right(1);
        // What the former leader ordered as leader it may no longer want as follower.
        self.fail_commands_of(&from, "leader changed");
        self.configuration.forget();
        self.note(Note::LeaderChanged { from, to: self.leader.clone() });
        self.tell_newcomers();
        self.let_go_of_strangers();
        true
    }

    /// Without a leader nobody answers the charger: it is sent away and comes back to a refused
    /// handshake until the leader is there. Never silence on an open socket (invariant I-3).
    pub(super) fn leader_lost(&mut self) {
        self.alert("leader_lost", format!("the link to {}, which leads, is gone", self.leader));
        self.end(Reason::LeaderLost);
    }
}
