//! Configuration keys: what the charger's settings really are, the answers that followers share, and what
//! each backoffice has a value of its own of (semantics §6.3, F-35).

mod combined;
mod keys;
mod overlay;
mod warnings;
mod wishes;
mod writing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{Fact, Text, Tick, limits, payload};

pub use keys::{is_authorization_key, is_never_forwarded, is_virtual};
pub(super) use writing::Setting;

/// What is known of the charger's configuration.
#[derive(Debug)]
pub(super) struct Configuration {
    /// Recent answers of GetConfiguration as the charger gave them, so that several backoffices that ask
    /// the same do not stall a charger (semantics F-35, Q-70).
    answers: VecDeque<(Text, Text, Tick)>,
    /// The charger's own values, as far as they were ever read or written, by OCPP's spelling of their
    /// keys (semantics K-12).
    real: BTreeMap<&'static str, String>,
    /// Keys of which the charger was asked since it booted, or which were written since: before, it may
    /// have forgotten what it was told.
    asked: BTreeSet<&'static str>,
    wishes: wishes::Wishes,
    /// Whether the charger ends a transaction whose card is refused, as far as was ever read or
    /// written (OCPP 1.6 §9.1.27); chargers do by default.
    pub(super) stops_on_invalid_id: bool,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            answers: VecDeque::new(),
            real: BTreeMap::new(),
            asked: BTreeSet::new(),
            wishes: wishes::Wishes::default(),
            stops_on_invalid_id: true,
        }
    }
}

impl Configuration {
    /// How the keys of its facts begin.
    pub(super) const FACT: &str = "configuration/";

    /// How the keys of the facts begin that hold what a backoffice wants.
    pub(super) const WISH: &str = "wish/";

    /// The charger's own value of a setting, if it is one that is remembered and was read or written.
    pub(super) fn real(&self, key: &str) -> Option<&str> {
        self.real.get(key).map(String::as_str)
    }

    fn real_number(&self, key: &str) -> Option<u64> {
        self.real(key)?.trim().parse().ok()
    }

    /// Whether it is known what the charger has of a setting, be it nothing.
    fn is_known(&self, key: &str) -> bool {
        self.asked.contains(key)
    }

    fn is_asked(&mut self, key: &'static str) {
        self.asked.insert(key);
    }

    /// How many items the charger takes in this list.
    fn longest(&self, key: &str) -> Option<usize> {
        keys::longest(key).and_then(|key| self.real_number(key)).and_then(|most| most.try_into().ok())
    }

    /// A fact of an earlier session.
    pub(super) fn remember(&mut self, key: &str, value: &str) {
        if let Some(key) = keys::wanted(key) {
            self.is_really(key, value.to_owned());
        }
    }

    fn is_really(&mut self, key: &'static str, value: String) {
        if key == "StopTransactionOnInvalidId" {
            self.stops_on_invalid_id = !value.trim().eq_ignore_ascii_case("false");
        }
        self.real.insert(key, value);
        self.asked.insert(key);
    }

    pub(super) fn answer(&self, request: &str, now: Tick) -> Option<Text> {
        let fresh = |at: &Tick| now.since(*at) < limits::CONFIGURATION_AGE;
        self.answers
            .iter()
            .find(|(asked, _, at)| asked == request && fresh(at))
            .map(|(_, answer, _)| answer.clone())
    }

    pub(super) fn learn(&mut self, request: Text, answer: Text, now: Tick) {
        self.answers.retain(|(asked, _, _)| *asked != request);
        if self.answers.len() == limits::CONFIGURATION_ANSWERS {
            self.answers.pop_front();
        }
        self.answers.push_back((request, answer, now));
    }

    /// A setting of the charger, with its `key` and `value`. Returns what is to be kept of it.
    pub(super) fn learn_setting(&mut self, setting: &str) -> Vec<Fact> {
        let key = payload::text(setting, "key").and_then(|key| keys::wanted(&key));
        let Some((key, value)) = key.zip(value(setting)) else { return Vec::new() };
        // Nobody is helped by remembering what no charger should have.
        if value.len() > limits::SETTING_BYTES { Vec::new() } else { self.learn_value(key, value) }
    }

    /// The charger has this. Returns what is to be kept of it.
    fn learn_value(&mut self, key: &'static str, value: String) -> Vec<Fact> {
        let is_new = self.real(key) != Some(&value);
        self.is_really(key, value.clone());
        let fact = Fact { key: format!("{}{key}", Self::FACT), body: Some(value) };
        is_new.then_some(fact).into_iter().collect()
    }

    /// The charger has started anew, perhaps with other settings than it was given.
    pub(super) fn charger_booted(&mut self) {
        self.forget();
        self.asked.clear();
    }

    /// The wishes of those that are there may come to something else than the charger has.
    pub(super) fn wishes_changed(&mut self) {
        self.wishes.is_changed = true;
    }

    /// What was read may not be so any more.
    pub(super) fn forget(&mut self) {
        self.answers.clear();
    }
}

/// The value of a setting; some chargers write numbers and truths without quotes.
fn value(setting: &str) -> Option<String> {
    let token = payload::field(setting, "value")?;
    match payload::string(token) {
        Some(text) => Some(text.into_owned()),
        None if token.starts_with(['{', '[']) || token == "null" => None,
        None => Some(token.to_owned()),
    }
}
