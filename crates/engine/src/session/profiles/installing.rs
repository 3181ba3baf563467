//! How the charger gets the proxy's own profiles, where limits are put together (semantics §6.4, `composite`).

use std::time::Duration;

use super::held::{Seen, Slot};
use crate::session::boot::Gate;
use crate::session::command_queue::{Command, Consequence};
use crate::session::owned::{Family, Owned};
use crate::session::translations::{ACCEPTED, REJECTED};
use crate::session::turns::Turn;
use crate::session::{Earliest, Reply, Session};
use crate::{BackofficeId, ProfilePurpose, Text, TraceId, TransactionState, limits};

/// One of the proxy's own profiles on its way to the charger.
#[derive(Debug, Clone)]
pub(in crate::session) struct Installation {
    pub(super) slot: Slot,
    /// What had changed when it was worked out.
    changes: u64,
    /// Whether the charger had something else to be told about the slot before.
    was_stale: bool,
    renew_unix_s: Option<i64>,
}

impl Consequence {
    pub(super) fn installs(slot: Slot) -> Self {
        let installation = Installation { slot, changes: 0, was_stale: false, renew_unix_s: None };
        Consequence::Installs(installation)
    }
}

impl Command {
    pub(super) fn installation(&self) -> Option<&Installation> {
        self.consequences.iter().find_map(|consequence| match consequence {
            Consequence::Installs(installation) => Some(installation),
            _ => None,
        })
    }

    fn is_about(&self, slot: Slot) -> bool {
        self.consequences.iter().any(|consequence| match consequence {
            Consequence::Installs(installation) => installation.slot == slot,
            Consequence::Uninstalls(other) => *other == slot,
            _ => false,
        })
    }
}

impl Session {
    /// Has the charger told what has changed about its profiles, if anything has.
    pub(in crate::session) fn compose(&mut self) -> bool {
        let has_leftovers = self.is_composite() && self.owned.iter().any(|o| o.family == Family::Profile);
        if self.composites.is_empty() && !has_leftovers {
            self.composites.seen = None;
            return false;
        }
        self.sort_out_held();
        self.sort_out_slots();
        let may_tell = self.charger.is_here
            && !self.is_draining
            && !self.queue.is_dead()
            && self.gate(true, false) != Gate::Closed;
        may_tell && (self.clear_leftover() || self.refresh_slot())
    }

    fn sort_out_slots(&mut self) {
        let seen = Seen {
            arrived: self.charger.arrived(),
            accepted: self.boot.accepted_at(),
            supply: self.supply(),
        };
        if let Some(before) = self.composites.seen.replace(seen).filter(|before| *before != seen) {
            for standing in self.composites.slots.values_mut() {
                if before.arrived != seen.arrived {
                    standing.retry_at = None;
                }
                // A charger that has booted may have forgotten everything.
                let has_booted = seen.accepted.is_some() && before.accepted != seen.accepted;
                if has_booted || before.supply != seen.supply {
                    standing.is_stale_now();
                }
            }
        }
        self.sort_out_transactions();
        let now_unix_s = self.now.unix_ms.div_euclid(1000);
        for standing in self.composites.slots.values_mut() {
            if standing.renew_unix_s.is_some_and(|when| when <= now_unix_s) {
                standing.renew_unix_s = None;
                standing.is_stale_now();
            }
        }
    }

    /// A transaction takes its profile with it, and one that has begun may want its own.
    fn sort_out_transactions(&mut self) {
        let begun: Vec<(Slot, TraceId)> = self
            .running()
            .map(|row| (Slot { connector_id: row.connector_id, purpose: ProfilePurpose::Tx }, row.trace))
            .filter(|(slot, _)| slot.exists())
            .collect();
        let is_over =
            |slot: &Slot| slot.purpose == ProfilePurpose::Tx && begun.iter().all(|(other, _)| other != slot);
        let over: Vec<Slot> = self.composites.slots.keys().copied().filter(is_over).collect();
        for slot in over {
            self.composites.slots.remove(&slot);
            self.promise_facts(vec![slot.fact(false)], []);
        }
        for (slot, trace) in begun {
            let known = self.composites.slots.get(&slot).and_then(|standing| standing.transaction);
            if known != Some(trace) && self.wanted(&self.composites.held, slot).is_some() {
                let standing = self.composites.slots.entry(slot).or_default();
                standing.transaction = Some(trace);
                standing.is_stale_now();
            }
        }
    }

    /// What was set while the plan said otherwise is not known here, and would override what is.
    fn clear_leftover(&mut self) -> bool {
        let is_left = |owned: &&Owned| owned.family == Family::Profile;
        if !self.is_composite() || self.composites.leftovers_at.is_some_and(|when| when > self.now.tick) {
            return false;
        }
        let left: Vec<(i64, BackofficeId)> =
            self.owned.iter().filter(is_left).map(|owned| (owned.on_charger, owned.owner.clone())).collect();
        self.composites.leftovers_at = (!left.is_empty()).then(|| self.now.tick + limits::COMPOSITE_RETRY);
        for (number, owner) in &left {
            let detail =
                format!("a charging profile that {owner} set before limits were put together is cleared");
            self.alert("profile_cleared", detail);
            let payload = Text::from(format!(r#"{{"id":{number}}}"#));
            self.queue_own("ClearChargingProfile", payload, Consequence::Releases(Family::Profile, *number));
        }
        !left.is_empty()
    }

    fn refresh_slot(&mut self) -> bool {
        let now = self.now.tick;
        let is_open = |slot| {
            let mut open = self.queue.sent.iter().map(|sent| &sent.command).chain(&self.queue.waiting);
            open.any(|command| command.is_about(slot))
        };
        let stale = self.composites.slots.iter().find(|(slot, standing)| {
            standing.is_stale && standing.retry_at.is_none_or(|when| when <= now) && !is_open(**slot)
        });
        let Some((&slot, standing)) = stale else { return false };
        let is_there = standing.is_there;
        if self.wanted(&self.composites.held, slot).is_some() {
            self.queue_own("SetChargingProfile", Text::from_static("{}"), Consequence::installs(slot));
        } else if is_there {
            let payload = Text::from(format!(r#"{{"id":{}}}"#, slot.number()));
            self.queue_own("ClearChargingProfile", payload, Consequence::Uninstalls(slot));
        } else {
            self.composites.slots.remove(&slot);
        }
        true
    }

    fn queue_own(&mut self, name: &'static str, payload: Text, consequence: Consequence) {
        let command = self.own_command(name, payload, vec![consequence]);
        self.queue_command(command);
    }

    /// What a profile comes to when its turn is there.
    pub(in crate::session) fn profile_turn(&mut self, command: &mut Command) -> Turn {
        let row = command.transaction.and_then(|trace| self.transactions.get(trace));
        if row.is_some_and(|row| row.state == TransactionState::Closed) {
            self.give_up_unsent(command);
            return Turn::Here(Reply::result(REJECTED), "T-47");
        }
        let uninstalls = command.consequences.iter().find_map(|consequence| match consequence {
            Consequence::Uninstalls(slot) => Some(*slot),
            _ => None,
        });
        match (uninstalls, command.installation().map(|installation| installation.slot)) {
            (Some(slot), _) => self.uninstalling_turn(slot),
            (None, Some(slot)) => self.installing_turn(command, slot),
            (None, None) if self.clears_in_vain(command) => Turn::Nothing,
            (None, None) => self.clearing_turn(command),
        }
    }

    /// Whether the proxy itself wants a profile cleared that may stay, or is gone: limits are put together no longer,
    /// or something else has taken it away since.
    fn clears_in_vain(&self, command: &Command) -> bool {
        let is_gone = |number: i64| self.owned.owner(Family::Profile, number).is_none();
        command.requesters.is_empty()
            && command.consequences.iter().any(|consequence| match consequence {
                Consequence::Releases(Family::Profile, number) => !self.is_composite() || is_gone(*number),
                _ => false,
            })
    }

    fn uninstalling_turn(&mut self, slot: Slot) -> Turn {
        if self.wanted(&self.composites.held, slot).is_some() {
            return Turn::Nothing;
        }
        let Some(standing) = self.composites.slots.get_mut(&slot) else { return Turn::Nothing };
        standing.retry_at = Some(self.now.tick + limits::COMPOSITE_RETRY);
        Turn::Send
    }

    /// What the charger is sent is worked out only now: other limits may have changed while it waited.
    fn installing_turn(&mut self, command: &mut Command, slot: Slot) -> Turn {
        let new = command.consequences.iter().find_map(|consequence| match consequence {
            Consequence::Holds(held) => Some(held.as_ref().clone()),
            _ => None,
        });
        let is_over = slot.purpose == ProfilePurpose::Tx && self.running_on(slot.connector_id).is_none();
        if new.is_some() && is_over {
            return Turn::Here(Reply::result(REJECTED), "T-47");
        }
        let before = self.wanted(&self.composites.held, slot);
        let after = match &new {
            Some(new) => self.wanted(&self.composites.with(new), slot),
            None => before.clone(),
        };
        let is_known =
            self.composites.slots.get(&slot).is_some_and(|known| known.is_there && !known.is_stale);
        let changes_nothing = new.is_some() && is_known && before == after;
        let written = after.filter(|_| !changes_nothing);
        let Some((profile, renew_unix_s)) = written.and_then(|w| w.json.zip(Some(w.renew_unix_s))) else {
            let Some(new) = new else { return Turn::Nothing };
            self.change_held(self.composites.with(&new), None);
            return Turn::Here(Reply::result(ACCEPTED), "composite");
        };
        let transaction = self.running_on(slot.connector_id).map(|row| row.trace);
        let standing = self.composites.slots.entry(slot).or_default();
        for consequence in &mut command.consequences {
            if let Consequence::Installs(installation) = consequence {
                installation.changes = standing.changes;
                installation.was_stale = standing.is_stale;
                installation.renew_unix_s = renew_unix_s;
            }
        }
        // Until the charger says so it is not certain what it has.
        standing.is_stale = true;
        standing.retry_at = Some(self.now.tick + limits::COMPOSITE_RETRY);
        standing.transaction = transaction.filter(|_| slot.purpose == ProfilePurpose::Tx);
        let connector_id = slot.connector_id;
        let step = format!(r#"{{"connectorId":{connector_id},"csChargingProfiles":{profile}}}"#);
        command.steps = [step.into()].into();
        Turn::Send
    }

    /// The charger has accepted one of the proxy's own profiles.
    pub(in crate::session) fn installed(&mut self, command: &Command, installation: &Installation) {
        // What came too late holds a limit that its sender was told is not held.
        let is_too_late = command.is_replied && !command.requesters.is_empty();
        let Some(standing) = self.composites.slots.get_mut(&installation.slot) else { return };
        standing.is_there = true;
        standing.retry_at = None;
        if standing.changes == installation.changes && !is_too_late {
            standing.is_stale = false;
            standing.renew_unix_s = installation.renew_unix_s;
        }
        self.promise_facts(vec![installation.slot.fact(true)], []);
    }

    /// The charger has cleared one of them.
    pub(in crate::session) fn uninstalled(&mut self, slot: Slot) {
        let Some(standing) = self.composites.slots.get_mut(&slot) else { return };
        standing.is_there = false;
        standing.retry_at = None;
        self.promise_facts(vec![slot.fact(false)], []);
    }

    /// The charger has refused a command about them.
    pub(in crate::session) fn not_installed(&mut self, command: &Command, reply: &Reply) {
        let is_own = command.requesters.is_empty();
        for consequence in &command.consequences {
            match consequence {
                Consequence::Installs(installation) => self.installation_refused(installation, is_own),
                // There was none.
                Consequence::Uninstalls(slot) if matches!(reply, Reply::Result(_)) => self.uninstalled(*slot),
                Consequence::Releases(Family::Profile, number)
                    if is_own && matches!(reply, Reply::Result(_)) =>
                {
                    let is_it =
                        |owned: &Owned| owned.family == Family::Profile && owned.on_charger == *number;
                    let facts = self.owned.release(is_it);
                    self.promise_facts(facts, []);
                }
                _ => {}
            }
        }
    }

    fn installation_refused(&mut self, installation: &Installation, is_own: bool) {
        let Some(standing) = self.composites.slots.get_mut(&installation.slot) else { return };
        if standing.changes == installation.changes {
            standing.is_stale = installation.was_stale;
        }
        if is_own {
            let detail =
                "the charger refuses the lowest of all limits, and so keeps to others; it is told again";
            return self.alert("composite_refused", detail);
        }
        standing.retry_at = None;
        if !standing.is_there && !standing.is_stale {
            self.composites.slots.remove(&installation.slot);
        }
    }

    pub(in crate::session) fn composite_deadlines(&self, earliest: &mut Earliest) {
        let now = self.now;
        for standing in self.composites.slots.values() {
            if let Some(when) = standing.retry_at.filter(|when| standing.is_stale && *when > now.tick) {
                earliest.at(when);
            }
            if let Some(when) = standing.renew_unix_s {
                let wait_ms = (when * 1000 - now.unix_ms).max(0).unsigned_abs();
                earliest.at(now.tick + Duration::from_millis(wait_ms));
            }
        }
        if let Some(when) = self.composites.leftovers_at.filter(|when| *when > now.tick) {
            earliest.at(when);
        }
    }
}
