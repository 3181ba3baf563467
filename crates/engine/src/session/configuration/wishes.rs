//! What each backoffice wants of the charger's settings of which each has a value of its own: durable, so
//! that a restart of the proxy changes nothing (semantics K-13).

use std::collections::{BTreeMap, BTreeSet};

use crate::session::configuration::combined::{combined, seconds};
use crate::session::configuration::keys::{self, Kind, virtual_key};
use crate::session::{Configuration, Session};
use crate::{BackofficeId, Fact, Plan};

/// What each backoffice has asked for, by OCPP's spelling of the key.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    of: BTreeMap<(BackofficeId, &'static str), String>,
    /// They may come to something else now than the charger has.
    pub(super) is_changed: bool,
    /// Settings of which they came to something else while another write was under way, or before it was known
    /// what the charger has since it booted.
    pub(super) unsettled: BTreeSet<&'static str>,
}

impl Wishes {
    pub(super) fn get(&self, id: &BackofficeId, key: &'static str) -> Option<&str> {
        let is_it = |of: &(BackofficeId, &str)| of.1 == key && of.0 == *id;
        self.of.iter().find(|(of, _)| is_it(of)).map(|(_, value)| value.as_str())
    }

    /// Returns what is to be kept of it.
    pub(super) fn set(&mut self, id: &BackofficeId, key: &'static str, value: &str) -> Option<Fact> {
        if self.get(id, key) == Some(value) {
            return None;
        }
        self.of.insert((id.clone(), key), value.to_owned());
        Some(Fact { key: fact_key(id, key), body: Some(value.to_owned()) })
    }

    fn end(&mut self, id: &BackofficeId, key: &'static str) -> Option<Fact> {
        self.of.remove(&(id.clone(), key)).map(|_| Fact { key: fact_key(id, key), body: None })
    }

    /// Ends those of backoffices that are not there any more.
    fn end_of_others(&mut self, is_there: impl Fn(&BackofficeId) -> bool) -> Vec<Fact> {
        let gone: Vec<_> = self.of.keys().filter(|(id, _)| !is_there(id)).cloned().collect();
        gone.into_iter().filter_map(|(id, key)| self.end(&id, key)).collect()
    }

    /// Keys that somebody has a wish for.
    fn keys(&self) -> impl Iterator<Item = &'static str> {
        let is_wanted = |key: &&str| self.of.keys().any(|(_, wanted)| wanted == key);
        keys::virtual_keys().filter(is_wanted)
    }
}

fn fact_key(id: &BackofficeId, key: &str) -> String {
    format!("{}{id}/{key}", Configuration::WISH)
}

impl Session {
    /// A wish of an earlier session; the key of its fact without its beginning.
    pub(in crate::session) fn remember_wish(&mut self, of: &str, value: &str) {
        let Some((id, key)) = of.rsplit_once('/') else { return };
        let Some((key, _)) = virtual_key(key) else { return };
        let id = BackofficeId::from(id);
        if key == "HeartbeatInterval"
            && let (Some(at), Some(seconds)) = (self.at(&id), seconds(value))
        {
            self.links[at].heartbeat = std::time::Duration::from_secs(seconds);
        }
        self.configuration.wishes.of.insert((id, key), value.to_owned());
        self.configuration.wishes.is_changed = true;
    }

    /// A backoffice has named its interval in answer to a boot, which replaces what it wrote before.
    pub(in crate::session) fn heartbeat_is_named(&mut self, id: &BackofficeId) {
        let fact = self.configuration.wishes.end(id, "HeartbeatInterval");
        self.promise_facts(fact.into_iter().collect(), []);
    }

    /// Makes a wish durable before its backoffice hears anything more.
    pub(super) fn wish(&mut self, id: &BackofficeId, key: &'static str, value: &str) {
        let mut facts: Vec<Fact> = self.configuration.wishes.set(id, key, value).into_iter().collect();
        // What the charger had before a follower wanted something else is the leader's own value.
        let leader = self.leader.clone();
        if *id != leader
            && self.configuration.wishes.get(&leader, key).is_none()
            && let Some(real) = self.configuration.real(key).map(str::to_owned)
            && virtual_key(key).is_some_and(|(_, kind)| kind != Kind::SignsOfLife)
        {
            facts.extend(self.configuration.wishes.set(&leader, key, &real));
        }
        self.promise_facts(facts, [crate::Side::Backoffice(id.clone())]);
    }

    /// How many seconds between meter values a backoffice has asked for, where the charger says more of
    /// them; 0 for none at all.
    pub(in crate::session) fn wants_fewer(&self, id: &BackofficeId, key: &'static str) -> Option<u64> {
        let own = seconds(self.configuration.wishes.get(id, key)?)?;
        let all = seconds(&self.wanted_of(key, Kind::Interval)?)?;
        (all != 0 && (own == 0 || own > all)).then_some(own)
    }

    /// What the charger is to have of a setting if this backoffice wants that of it.
    pub(super) fn wanted_by_all(
        &self,
        key: &'static str,
        kind: Kind,
        id: &BackofficeId,
        value: &str,
    ) -> String {
        let own = |other: &BackofficeId| (other == id).then_some(value);
        self.comes_to(key, kind, own).unwrap_or_else(|| value.to_owned())
    }

    /// What the charger is to have of a setting, where anybody has a wish.
    pub(super) fn wanted_of(&self, key: &'static str, kind: Kind) -> Option<String> {
        self.comes_to(key, kind, |_| None)
    }

    fn comes_to<'a>(
        &'a self,
        key: &'static str,
        kind: Kind,
        instead: impl Fn(&BackofficeId) -> Option<&'a str>,
    ) -> Option<String> {
        let leader = &self.leader;
        let followers = self.plan.backoffices().filter(|id| *id != leader && may_wish(&self.plan, id));
        let mut wishes: Vec<&str> = Vec::new();
        for id in std::iter::once(leader).chain(followers) {
            let wish = instead(id).or_else(|| self.configuration.wishes.get(id, key));
            // A leader that never wrote it is content with what the charger has.
            let content = || self.configuration.real(key).filter(|_| id == leader);
            wishes.extend(wish.or_else(content));
        }
        combined(kind, &wishes, self.configuration.longest(key))
    }

    /// Has the charger get what the wishes come to, when they have changed otherwise than by a command:
    /// whoever wanted something has left, or leads now.
    pub(in crate::session) fn settle_wishes(&mut self) -> bool {
        if !self.wishes_are_due() || !self.may_write_now() {
            return false;
        }
        self.configuration.wishes.is_changed = false;
        let (plan, leader) = (self.plan.clone(), self.leader.clone());
        let facts = self.configuration.wishes.end_of_others(|id| *id == leader || plan.names(id));
        self.promise_facts(facts, []);
        let keys: Vec<&'static str> = self.configuration.wishes.keys().collect();
        self.configuration.wishes.unsettled.clear();
        for key in keys {
            self.settle_key(key);
        }
        true
    }

    /// Whether it is time to look, unless nobody wants anything.
    pub(super) fn wishes_are_due(&self) -> bool {
        let wishes = &self.configuration.wishes;
        // What could not be settled at its time perhaps can be now.
        let may_settle = |key: &&str| self.configuration.is_known(key) && !self.is_writing(key);
        wishes.is_changed && !wishes.of.is_empty() || wishes.unsettled.iter().any(may_settle)
    }
}

/// Whether the backoffice may have wishes still.
fn may_wish(plan: &Plan, id: &BackofficeId) -> bool {
    plan.leader == *id
        || plan.follower(id).is_some_and(|follower| follower.grant.commands.contains("ChangeConfiguration"))
}
