//! What the charger has said, and who has heard it.

use std::collections::{BTreeMap, BTreeSet};

use engine::{BackofficeId, Side};

use super::Judge;
use crate::world::content::{blanked, number, serial};

/// A message of the charger, the first time it was heard.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) order: u64,
    pub(super) spoken_number: Option<i64>,
    /// Which session of the charger it is about, from its reading.
    pub(super) serial: Option<i64>,
    /// The charger was told that it arrived.
    pub(super) acknowledged: bool,
    /// Who must have it once it is acknowledged: who was in the plan when it was first heard and has
    /// stayed there, and whoever led when the proxy answered.
    pub(super) audience: Vec<BackofficeId>,
    /// How often each backoffice was asked it, and given it as a delivery.
    pub(super) asked: BTreeMap<BackofficeId, u32>,
    pub(super) given: BTreeMap<BackofficeId, u32>,
    /// Who was asked it while the charger waited.
    pub(super) asked_live: BTreeSet<BackofficeId>,
    /// Who led while the charger waited for its answer.
    pub(super) led_by: BTreeSet<BackofficeId>,
    /// Who was told it after what came later, and may be.
    pub(super) late_for: BTreeSet<BackofficeId>,
    /// Who has it: answered it, in time or late.
    pub(super) had_by: BTreeSet<BackofficeId>,
}

impl Said {
    /// Whether a backoffice may be told this after what came later: it was asked while it led, and did not
    /// answer; or it led when a start was said that never had an answer, and is told when it follows
    /// (semantics T-52, T-70).
    pub(super) fn may_come_late(&self, action: &str, to: &BackofficeId) -> bool {
        let was_never_answered = action == "StartTransaction" && !self.acknowledged;
        let was_its = self.asked_live.contains(to) || was_never_answered && self.led_by.contains(to);
        was_its && !self.given.contains_key(to) || self.late_for.contains(to)
    }

    pub(super) fn has(&self, who: &BackofficeId) -> bool {
        self.had_by.contains(who)
    }
}

impl Judge {
    pub(super) fn charger_says(&mut self, action: &str, payload: &str) {
        let order = self.said.len() as u64;
        let spoken_number = number(payload, "transactionId");
        let message = (action.to_owned(), blanked(payload));
        let said = self.said.entry(message.clone()).or_insert_with(|| Said {
            order,
            spoken_number,
            serial: serial(payload),
            acknowledged: false,
            audience: self.plan.backoffices().cloned().collect(),
            asked: BTreeMap::new(),
            given: BTreeMap::new(),
            asked_live: BTreeSet::new(),
            led_by: BTreeSet::new(),
            late_for: BTreeSet::new(),
            had_by: BTreeSet::new(),
        });
        said.spoken_number = spoken_number;
        said.led_by.insert(self.leader.clone());
        // What the charger says again whoever led may hear again (T-61).
        for who in &said.asked_live {
            self.booked.remove(&(who.clone(), message.clone()));
        }
    }

    /// The calls that the charger waits for are the new leader's.
    pub(super) fn leads_waiting_calls(&mut self) {
        let waiting = self.peers.get(&Side::Charger).into_iter().flat_map(|charger| &charger.open);
        for call in waiting {
            if let Some(said) = self.said.get_mut(&(call.action.clone(), blanked(&call.payload))) {
                said.led_by.insert(self.leader.clone());
            }
        }
    }
}
