//! What backoffices were told: what the charger says again is told nobody twice (semantics T-60).

use std::collections::VecDeque;

use serde::Deserialize;

use crate::actions::Keeping;
use crate::session::Session;
use crate::session::charger::ChargerCall;
use crate::session::outbox::{Copy, Purpose};
use crate::{BackofficeId, Fact, Record, Urgency, limits};

/// What backoffices were told last. Each message is a fact of its own, so that remembering one writes
/// no other again.
#[derive(Debug, Default)]
pub(super) struct Told {
    messages: VecDeque<ToldMessage>,
    /// The number of the next one.
    next: u64,
}

/// A message that followers were told.
#[derive(Debug, Deserialize)]
struct ToldMessage {
    number: u64,
    hash: u64,
    /// Who has, or had, it among its deliveries. Whoever led then may have missed it, and is not among
    /// them.
    to: Vec<BackofficeId>,
    /// Who answered it as leader. Not worth a commit: after a crash it is told again at worst, should it
    /// follow.
    #[serde(skip)]
    answered_by: Vec<BackofficeId>,
}

impl Told {
    /// How the keys of its facts begin.
    pub(super) const FACT: &str = "told/";

    pub(super) fn remember(&mut self, body: &str) {
        let Ok(message) = serde_json::from_str::<ToldMessage>(body) else { return };
        self.next = self.next.max(message.number + 1);
        let at = self.messages.partition_point(|other| other.number < message.number);
        self.messages.insert(at, message);
    }

    /// Leaves in `followers` those that were not told yet, and remembers that they are told now: the
    /// fact is to be kept.
    fn tell(&mut self, hash: u64, followers: &mut Vec<BackofficeId>) -> Option<Fact> {
        let known = self.messages.iter_mut().rfind(|message| message.hash == hash);
        let message = if let Some(message) = known {
            followers.retain(|id| !message.to.contains(id) && !message.answered_by.contains(id));
            if followers.is_empty() {
                return None;
            }
            message.to.extend_from_slice(followers);
            message
        } else {
            self.add(hash, followers.clone())
        };
        // The newest takes the place of the oldest.
        let key = [Self::FACT, &(message.number % limits::TOLD_REMEMBERED as u64).to_string()].concat();
        // Without names: it is written for every message, though hardly ever kept.
        let body = serde_json::to_string(&(message.number, message.hash, &message.to));
        Some(Fact { key, body: Some(body.expect("plain data is always JSON")) })
    }

    /// The newest is asked for most.
    fn message(&self, hash: u64) -> Option<&ToldMessage> {
        self.messages.iter().rfind(|message| message.hash == hash)
    }

    fn is_told(&self, id: &BackofficeId, hash: u64) -> bool {
        self.message(hash).is_some_and(|message| message.to.contains(id))
    }

    fn has_answered(&self, id: &BackofficeId, hash: u64) -> bool {
        self.message(hash).is_some_and(|message| message.answered_by.contains(id))
    }

    fn is_answered(&mut self, id: &BackofficeId, hash: u64) {
        let message = match self.messages.iter().rposition(|message| message.hash == hash) {
            Some(at) => &mut self.messages[at],
            None => self.add(hash, Vec::new()),
        };
        if !message.answered_by.contains(id) {
            message.answered_by.push(id.clone());
        }
    }

    fn add(&mut self, hash: u64, to: Vec<BackofficeId>) -> &mut ToldMessage {
        if self.messages.len() >= limits::TOLD_REMEMBERED {
            self.messages.pop_front();
        }
        self.messages.push_back(ToldMessage { number: self.next, hash, to, answered_by: Vec::new() });
        self.next += 1;
        let newest = self.messages.len() - 1;
        &mut self.messages[newest]
    }
}

impl Session {
    /// The followers that were not told the very same before: its answer was lost, or never came, and
    /// the charger says it again. Starts and stops are recognised by their transaction.
    pub(super) fn followers_to_tell(&mut self, copy: &Copy) -> Vec<BackofficeId> {
        let links = self.links.iter().map(|link| &link.id);
        let mut followers: Vec<BackofficeId> =
            links.filter(|id| !self.leads(id) && self.plan.names(id)).cloned().collect();
        let Some(hash) = copy.recognised().filter(|_| copy.keeping() == Keeping::InOrder) else {
            return followers;
        };
        if !followers.is_empty()
            && let Some(fact) = self.told.tell(hash, &mut followers)
        {
            // Until the charger has its answer, being told twice after a crash is what it does to its leader, too.
            self.promise_in_time(Urgency::WithTheNext, Record::Fact(fact), []);
        }
        followers
    }

    /// Whether the leader has the very same among its deliveries, or had: the charger says it again.
    pub(super) fn is_owed(&self, call: &ChargerCall) -> bool {
        let hash = call.recognised().filter(|_| call.keeping() == Keeping::InOrder);
        hash.is_some_and(|hash| self.told.is_told(&self.leader, hash))
    }

    /// Whether the leader has answered the very same, though the charger did not hear it.
    pub(super) fn has_answered(&self, call: &ChargerCall) -> bool {
        let hash = call.recognised().filter(|_| call.keeping() == Keeping::InOrder);
        hash.is_some_and(|hash| self.told.has_answered(&self.leader, hash))
    }

    /// Remembers what a backoffice answered as leader.
    pub(super) fn remember_answered(&mut self, at: usize, copy: &Copy) {
        if copy.purpose == Purpose::ChargerWaits
            && let Some(hash) = copy.recognised()
        {
            self.told.is_answered(&self.links[at].id, hash);
        }
    }

    /// Remembers that the leader has it among its deliveries.
    pub(super) fn remember_owed(&mut self, copy: &Copy) {
        if let Some(hash) = copy.recognised().filter(|_| copy.keeping() == Keeping::InOrder) {
            let fact = self.told.tell(hash, &mut vec![self.leader.clone()]);
            self.promise_facts(fact.into_iter().collect(), []);
        }
    }
}
