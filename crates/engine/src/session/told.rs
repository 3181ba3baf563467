//! What backoffices were told: what the charger says again is told nobody twice (semantics T-60).

use std::collections::VecDeque;

use crate::actions::Keeping;
use crate::session::Session;
use crate::session::charger::ChargerCall;
use crate::session::outbox::{Copy, Purpose};
use crate::{BackofficeId, limits};

/// What one backoffice was told last, by what it is recognised. Starts and stops are recognised by their transaction
/// instead.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// It is, or was, among its deliveries; durable with them. Whoever led then may have missed it.
    delivered: VecDeque<u64>,
    /// It answered this as leader. Not worth a commit: after a crash it is told again at worst, should it follow.
    answered: VecDeque<u64>,
}

impl Told {
    /// What was remembered with its lane.
    pub(super) fn of(told: Vec<u64>) -> Self {
        Self { delivered: told.into(), answered: VecDeque::new() }
    }

    /// To be remembered with its lane: it has all of it, however it came there.
    pub(super) fn into_hashes(self) -> Vec<u64> {
        let hashes: Vec<u64> = self.answered.into_iter().chain(self.delivered).collect();
        hashes[hashes.len().saturating_sub(limits::TOLD_REMEMBERED)..].to_vec()
    }

    /// It is among its deliveries from now on.
    pub(super) fn deliver(&mut self, hash: u64) {
        remember(&mut self.delivered, hash);
    }

    fn has(&self, hash: u64) -> bool {
        self.delivered.contains(&hash) || self.answered.contains(&hash)
    }
}

/// The newest takes the place of the oldest.
fn remember(hashes: &mut VecDeque<u64>, hash: u64) {
    if hashes.len() == limits::TOLD_REMEMBERED {
        hashes.pop_front();
    }
    hashes.push_back(hash);
}

impl Session {
    /// The followers that were not told the very same before: its answer was lost, or never came, and
    /// the charger says it again.
    pub(super) fn followers_to_tell(&self, copy: &Copy) -> Vec<BackofficeId> {
        let hash = copy.recognised().filter(|_| copy.keeping() == Keeping::InOrder);
        let followers = self.links.iter().filter(|link| !self.leads(&link.id) && self.plan.names(&link.id));
        let untold = followers.filter(|link| hash.is_none_or(|hash| !link.outbox.told.has(hash)));
        untold.map(|link| link.id.clone()).collect()
    }

    /// Whether the leader has the very same among its deliveries, or had: the charger says it again.
    pub(super) fn is_owed(&self, call: &ChargerCall) -> bool {
        self.of_leader(call).is_some_and(|(told, hash)| told.delivered.contains(&hash))
    }

    /// Whether the leader has answered the very same, though the charger did not hear it.
    pub(super) fn has_answered(&self, call: &ChargerCall) -> bool {
        self.of_leader(call).is_some_and(|(told, hash)| told.answered.contains(&hash))
    }

    fn of_leader(&self, call: &ChargerCall) -> Option<(&Told, u64)> {
        let hash = call.recognised().filter(|_| call.keeping() == Keeping::InOrder)?;
        Some((&self.links[self.at(&self.leader)?].outbox.told, hash))
    }

    /// Remembers what a backoffice answered as leader.
    pub(super) fn remember_answered(&mut self, at: usize, copy: &Copy) {
        if copy.purpose == Purpose::ChargerWaits
            && let Some(hash) = copy.recognised()
        {
            let answered = &mut self.links[at].outbox.told.answered;
            if !answered.contains(&hash) {
                remember(answered, hash);
            }
        }
    }
}
