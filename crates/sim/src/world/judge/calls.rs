//! Calls of the peers and of the proxy: one at a time, each answered once, and in time.

use std::collections::BTreeSet;
use std::time::Duration;

use engine::{Side, Tick};

use super::Judge;
use crate::charger::Charger;
use crate::world::content::unaliased;

/// Answers must come within this time (semantics F-33, §1.5) or the socket closes.
const ANSWER_WITHIN: Duration = Duration::from_secs(31);
/// More calls of one peer than this are never taken in unanswered (semantics F-22).
const MOST_OPEN_CALLS: usize = 80;

/// A peer's call that waits for the proxy's answer.
#[derive(Debug)]
pub(super) struct OpenCall {
    pub(super) id: String,
    pub(super) action: String,
    pub(super) payload: String,
    pub(super) since: Tick,
    /// Its sender might send it at some time since.
    pub(super) is_permitted: bool,
}

/// The proxy's call that waits for a peer's answer.
#[derive(Debug)]
pub(super) struct ProxyCall {
    pub(super) id: String,
    pub(super) action: String,
    pub(super) since: Tick,
    pub(super) taken_for_lost_after: Duration,
}

/// One socket as the session knows it.
#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) up: bool,
    pub(super) dialing: bool,
    pub(super) open: Vec<OpenCall>,
    pub(super) last_answer: Tick,
    pub(super) outstanding: Option<ProxyCall>,
    pub(super) used_ids: BTreeSet<String>,
}

impl Peer {
    pub(super) fn reset(&mut self, up: bool) {
        *self = Peer { up, ..Peer::default() };
    }
}

impl Judge {
    /// A peer calls; the same said twice is one call.
    pub(super) fn open_call(&mut self, now: Tick, from: &Side, id: &str, action: &str, payload: &str) {
        let is_permitted = match from {
            Side::Charger => true,
            Side::Backoffice(by) => self.may_send(by, action, payload),
        };
        if let Side::Backoffice(by) = from
            && is_permitted
        {
            // It may come to hold before the charger is told.
            self.settings.are_wanted(action, payload);
            self.announced(now, action, &unaliased(payload), &[(by.clone(), String::new())]);
        }
        let peer = self.peer(from);
        let repeated = peer.open.iter().any(|call| call.id == id && call.payload == payload);
        if !repeated {
            let (id, action, payload) = (id.to_owned(), action.to_owned(), payload.to_owned());
            peer.open.push(OpenCall { id, action, payload, since: now, is_permitted });
        }
        if peer.open.len() > MOST_OPEN_CALLS {
            self.accuse(format!("F-22: more than {MOST_OPEN_CALLS} calls of {from} were taken in"));
        }
    }

    pub(in crate::world) fn is_up(&self, side: &Side) -> bool {
        self.peers.get(side).is_some_and(|peer| peer.up)
    }

    /// Sockets and dials that the session has not hung up.
    pub(in crate::world) fn open_links(&self) -> Vec<&Side> {
        self.peers.iter().filter(|(_, peer)| peer.up || peer.dialing).map(|(side, _)| side).collect()
    }

    /// Calls that somebody still waits for.
    pub(in crate::world) fn unanswered(&self) -> Vec<String> {
        self.peers
            .iter()
            .flat_map(|(side, peer)| peer.open.iter().map(move |call| format!("{} of {side}", call.action)))
            .collect()
    }

    /// I-1, F-11, F-21: an id of its own, and one call at a time.
    pub(super) fn proxy_called(&mut self, now: Tick, to: &Side, id: &str, action: &str, patience: Duration) {
        if !id.starts_with('"') || id.len() > 38 {
            self.accuse(format!("F-10: the message id {id} to {to}"));
        }
        let peer = self.peer(to);
        let first_use = peer.used_ids.insert(id.to_owned());
        let call = ProxyCall {
            id: id.to_owned(),
            action: action.to_owned(),
            since: now,
            taken_for_lost_after: patience,
        };
        let before = peer.outstanding.replace(call);
        if !first_use {
            self.accuse(format!("F-10: the message id {id} to {to} was used before"));
        }
        if let Some(before) = before
            && now.since(before.since) < before.taken_for_lost_after
        {
            let waited = now.since(before.since);
            self.accuse(format!("F-21: {action} to {to} while its {} waits since {waited:?}", before.action));
        }
    }

    /// I-3, F-12: an answer belongs to exactly one call, by its id as it was written.
    pub(super) fn close_call(&mut self, now: Tick, to: &Side, id: &str) -> Option<OpenCall> {
        let peer = self.peer(to);
        let Some(at) = peer.open.iter().position(|call| call.id == id) else {
            self.accuse(format!("I-3: an answer to {to} with the id {id}, which waits for none"));
            return None;
        };
        peer.last_answer = now;
        Some(peer.open.remove(at))
    }

    /// I-3: nobody waits too long on an open socket.
    pub(in crate::world) fn check_waiting(&mut self, now: Tick, charger: &Charger) {
        self.watch_links(now);
        self.check_mirror(now);
        self.check_refusals(now, charger);
        let mut late = Vec::new();
        for (side, peer) in self.peers.iter().filter(|(_, peer)| peer.up) {
            for call in &peer.open {
                // The charger's calls are answered one after the other, each with its own time.
                let since =
                    if *side == Side::Charger { call.since.max(peer.last_answer) } else { call.since };
                if now.since(since) > ANSWER_WITHIN {
                    late.push(format!(
                        "I-3: {} of {side} waits for its answer since {:?}",
                        call.action,
                        now.since(since)
                    ));
                }
            }
        }
        self.broken.extend(late);
    }

    pub(super) fn peer(&mut self, side: &Side) -> &mut Peer {
        self.peers.entry(side.clone()).or_default()
    }
}
