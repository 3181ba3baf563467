//! What each backoffice believes of the charger: boots and states told again, or for it, towards
//! that backoffice alone (semantics §4.2, §4.3).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use litemap::LiteMap;

use crate::session::Session;
use crate::session::boot::Verdict;
use crate::session::charger::ChargerCall;
use crate::session::outbox::{Copy, Purpose};
use crate::{BackofficeId, Fact, Record, Text, Urgency, limits, payload};

/// The newest StatusNotification of each connector, as the charger sent it; connector 0 first.
#[derive(Debug, Default)]
pub(super) struct States {
    of_connectors: LiteMap<i64, Text>,
    /// Connectors whose state changed while a backoffice was away.
    missed: BTreeMap<BackofficeId, BTreeSet<i64>>,
}

impl States {
    pub(super) const FACT: &'static str = "state/";
    pub(super) const MISSED: &'static str = "missed-states/";

    pub(super) fn remember_missed(&mut self, backoffice: &str, body: &str) {
        if let Ok(connectors) = serde_json::from_str(body) {
            self.missed.insert(backoffice.into(), connectors);
        }
    }

    /// The states that a trigger asks for: of its connector, or of all.
    fn asked_for(&self, request: &str) -> Vec<Text> {
        match payload::integer(request, "connectorId") {
            Some(connector) => self.of_connectors.get(&connector).cloned().into_iter().collect(),
            None => self.of_connectors.values().cloned().collect(),
        }
    }

    pub(super) fn remember(&mut self, connector: &str, body: &str) {
        if let Ok(connector) = connector.parse() {
            self.of_connectors.insert(connector, Text::from(body));
        }
    }
}

impl Session {
    /// The charger told the state of a connector.
    pub(super) fn state_received(&mut self, call: &ChargerCall) {
        let connector = payload::integer(&call.payload, "connectorId").unwrap_or(0);
        let known = &mut self.states.of_connectors;
        if known.get(&connector) == Some(&call.payload) {
            return;
        }
        if known.len() == limits::CONNECTORS && !known.contains_key(&connector) {
            return;
        }
        known.insert(connector, call.payload.clone());
        let key = format!("{}{connector}", States::FACT);
        let fact = Fact { key, body: Some(call.payload.to_string()) };
        // Who is away is owed the newest state; everybody else has heard of it when the charger says the next.
        let is_owed = self.states.missed.values().any(|missed| missed.contains(&connector));
        let urgency = if is_owed { Urgency::Soon } else { Urgency::WithinSeconds };
        self.promise_in_time(urgency, Record::Fact(fact), []);
    }

    /// Whether what a trigger asks for is known: the state of one connector, or of all (semantics K-61).
    pub(super) fn remembers_status(&self, request: &str) -> bool {
        self.plan.sharing.status_from_memory && !self.states.asked_for(request).is_empty()
    }

    /// Says the states that a follower's trigger asks for in the charger's name.
    pub(super) fn tell_asked_states(&mut self, at: usize, request: &str) {
        for state in self.states.asked_for(request) {
            self.synthesise(at, "StatusNotification", state);
        }
    }

    /// A backoffice that is away misses a state. It is told when it is back, even in a later session.
    pub(super) fn state_missed(&mut self, at: usize, copy: &Copy) {
        let connector = payload::integer(&copy.payload, "connectorId").unwrap_or(0);
        let id = self.links[at].id.clone();
        let missed = self.states.missed.entry(id.clone()).or_default();
        if missed.len() < limits::CONNECTORS && missed.insert(connector) {
            let body = serde_json::to_string(missed).expect("plain data is always JSON");
            let key = format!("{}{id}", States::MISSED);
            self.promise(Record::Fact(Fact { key, body: Some(body) }), []);
        }
    }

    /// The states that a backoffice has missed and that do not wait for it already.
    fn tell_missed_states(&mut self, at: usize) {
        let id = self.links[at].id.clone();
        let Some(missed) = self.states.missed.remove(&id) else { return };
        let key = format!("{}{id}", States::MISSED);
        self.promise(Record::Fact(Fact { key, body: None }), []);
        for connector in missed.into_iter().rev() {
            let is_it = |copy: &Copy| {
                copy.name() == "StatusNotification"
                    && payload::integer(&copy.payload, "connectorId").unwrap_or(0) == connector
            };
            let state = self.states.of_connectors.get(&connector).cloned();
            if let Some(state) = state.filter(|_| !self.links[at].outbox.holds(is_it)) {
                let copy = self.synthetic("StatusNotification", state);
                self.links[at].outbox.push_first(copy);
            }
        }
    }

    /// Tells a backoffice whose link has just opened what a charger would tell it: that it booted,
    /// unless that backoffice has accepted it (semantics B-3), and what it has missed.
    pub(super) fn introduce(&mut self, at: usize) {
        let link = &mut self.links[at];
        link.boot = link.boot.or_else(|| self.boot.verdict_of(&link.id));
        if link.boot != Some(Verdict::Accepted) {
            self.boot_for(at);
        } else {
            self.tell_missed_states(at);
        }
    }

    /// Says the charger's BootNotification to a backoffice in the charger's name.
    pub(super) fn boot_for(&mut self, at: usize) {
        let link = &mut self.links[at];
        link.boot_again = None;
        let hears_of_it = link.outbox.holds(|copy| copy.name() == "BootNotification")
            || link.asked.as_ref().is_some_and(|asked| asked.copy.name() == "BootNotification");
        // The leader hears of a boot from the charger itself, unless that believes itself accepted.
        if hears_of_it || self.leader == link.id && (!self.boot.is_believed() || self.is_booting()) {
            return;
        }
        if let Some(request) = self.boot.request().map(Text::from) {
            let boot = self.synthetic("BootNotification", request);
            self.links[at].outbox.push_first(boot);
        }
    }

    /// What follows from an answer to a boot that the charger does not hear: a backoffice that has not accepted the charger is
    /// asked again at its own interval, one that has accepted it late is told the present states
    /// (semantics B-12, B-13).
    pub(super) fn boot_settled(&mut self, at: usize, verdict: Verdict, interval: Option<i64>, why: Purpose) {
        if verdict == Verdict::Accepted {
            if why == Purpose::Synthetic {
                self.tell_states(at);
            }
            return;
        }
        let seconds = interval.and_then(|seconds| u64::try_from(seconds).ok());
        let wait = seconds.map_or(limits::BOOT_AGAIN, Duration::from_secs).max(limits::BOOT_AGAIN_LEAST);
        let jitter = wait.mul_f64(self.random.f64() / 10.0);
        self.links[at].boot_again = Some(self.now.tick + wait + jitter);
    }

    /// A follower that has not accepted the charger said nothing of use, or nothing: it is asked
    /// again.
    pub(super) fn boot_unsettled(&mut self, at: usize) {
        if self.links[at].waits_for_boot() {
            self.boot_settled(at, Verdict::Pending, None, Purpose::Synthetic);
        }
    }

    /// The newest state of each connector, with its original timestamp, before anything else.
    fn tell_states(&mut self, at: usize) {
        self.tell_missed_states(at);
        let states: Vec<Text> = self.states.of_connectors.values().rev().cloned().collect();
        self.links[at].outbox.remove(|copy| copy.name() == "StatusNotification");
        for state in states {
            let copy = self.synthetic("StatusNotification", state);
            self.links[at].outbox.push_first(copy);
        }
    }
}
