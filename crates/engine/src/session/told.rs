//! What backoffices were told: what the charger says again is told nobody twice (semantics T-60).

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::actions::Keeping;
use crate::session::Session;
use crate::session::charger::ChargerCall;
use crate::session::outbox::{Copy, Purpose};
use crate::{BackofficeId, Fact, Record, limits};

/// What backoffices were told last. Each message is a fact of its own, so that remembering one writes
/// no other again.
#[derive(Debug, Default)]
pub(super) struct Told {
    messages: VecDeque<ToldMessage>,
    /// The number of the next one.
    next: u64,
}

/// A message that followers were told.
#[derive(Debug, Serialize, Deserialize)]
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
        let key = format!("{}{}", Self::FACT, message.number % limits::TOLD_REMEMBERED as u64);
        let body = serde_json::to_string(message).expect("plain data is always JSON");
        Some(Fact { key, body: Some(body) })
    }

    fn is_told(&self, id: &BackofficeId, hash: u64) -> bool {
        self.messages.iter().any(|message| message.hash == hash && message.to.contains(id))
    }

    /// Whether it was told anything.
    fn names(&self, id: &BackofficeId) -> bool {
        self.messages.iter().any(|message| message.to.contains(id))
    }

    fn has_answered(&self, id: &BackofficeId, hash: u64) -> bool {
        self.messages.iter().any(|message| message.hash == hash && message.answered_by.contains(id))
    }

    fn is_answered(&mut self, id: &BackofficeId, hash: u64) {
        if !self.messages.iter().any(|message| message.hash == hash) {
            self.add(hash, Vec::new());
        }
        if let Some(message) = self.messages.iter_mut().rfind(|message| message.hash == hash)
            && !message.answered_by.contains(id)
        {
            message.answered_by.push(id.clone());
        }
    }

    fn add(&mut self, hash: u64, to: Vec<BackofficeId>) -> &ToldMessage {
        if self.messages.len() >= limits::TOLD_REMEMBERED {
            self.messages.pop_front();
        }
        self.messages.push_back(ToldMessage { number: self.next, hash, to, answered_by: Vec::new() });
        self.next += 1;
        &self.messages[self.messages.len() - 1]
    }
}

impl Session {
    /// The followers that were not told the very same before: its answer was lost, or never came, and
    /// the charger says it again. Starts and stops are recognised by their transaction.
    pub(super) fn followers_to_tell(&mut self, copy: &Copy) -> Vec<BackofficeId> {
        let links = self.links.iter().map(|link| &link.id);
        let mut followers: Vec<BackofficeId> =
            links.filter(|id| !self.leads(id) && self.plan.names(id)).cloned().collect();
        if !is_recognised(copy) || followers.is_empty() {
            return followers;
        }
        if let Some(fact) = self.told.tell(fingerprint(copy), &mut followers) {
            // Until the charger has its answer, being told twice after a crash is what it does to its leader, too.
            self.promise_in_time(Record::Fact(fact), []);
        }
        followers
    }

    /// Whether the leader has the very same among its deliveries, or had: the charger says it again.
    pub(super) fn is_owed(&self, call: &ChargerCall) -> bool {
        if !self.told.names(&self.leader) {
            return false;
        }
        let copy = self.copy(call, Purpose::Inform);
        is_recognised(&copy) && self.told.is_told(&self.leader, fingerprint(&copy))
    }

    /// Whether the leader has answered the very same, though the charger did not hear it.
    pub(super) fn has_answered(&self, call: &ChargerCall) -> bool {
        let copy = self.copy(call, Purpose::Inform);
        is_recognised(&copy) && self.told.has_answered(&self.leader, fingerprint(&copy))
    }

    /// Remembers what a backoffice answered as leader.
    pub(super) fn remember_answered(&mut self, at: usize, copy: &Copy) {
        if copy.purpose == Purpose::ChargerWaits && is_recognised_by_content(copy) {
            self.told.is_answered(&self.links[at].id, fingerprint(copy));
        }
    }

    /// Remembers that the leader has it among its deliveries.
    pub(super) fn remember_owed(&mut self, copy: &Copy) {
        if is_recognised(copy) {
            let fact = self.told.tell(fingerprint(copy), &mut vec![self.leader.clone()]);
            self.promise_facts(fact.into_iter().collect(), []);
        }
    }
}

/// Whether its content alone says that it is said again; starts, and stops of transactions that are
/// known, are recognised by their transaction.
fn is_recognised(copy: &Copy) -> bool {
    copy.keeping() == Keeping::InOrder && is_recognised_by_content(copy)
}

fn is_recognised_by_content(copy: &Copy) -> bool {
    match copy.name() {
        "MeterValues" | "SecurityEventNotification" => true,
        "StopTransaction" => copy.transaction.is_none(),
        _ => false,
    }
}

/// By which a message is recognised when it is said again.
fn fingerprint(copy: &Copy) -> u64 {
    let mut hasher = DefaultHasher::new();
    (copy.name(), &copy.payload).hash(&mut hasher);
    hasher.finish()
}
