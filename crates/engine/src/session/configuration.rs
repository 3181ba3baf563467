//! Configuration keys: what the charger's settings really are, the answers that followers share, and what
//! each backoffice has a value of its own of (semantics §6.3, F-35).

mod keys;
mod overlay;
mod warnings;

use std::collections::{BTreeMap, VecDeque};

use crate::{Fact, Text, Tick, limits, payload};

pub use keys::{is_never_forwarded, is_virtual};

/// What is known of the charger's configuration.
#[derive(Debug)]
pub(super) struct Configuration {
    /// Recent answers of GetConfiguration as the charger gave them, so that several backoffices that ask
    /// the same do not stall a charger (semantics F-35, Q-70).
    answers: VecDeque<(Text, Text, Tick)>,
    /// The charger's own values, as far as they were ever read or written, by OCPP's spelling of their
    /// keys (semantics K-12).
    real: BTreeMap<&'static str, String>,
    /// Whether the charger ends a transaction whose card is refused, as far as was ever read or
    /// written (OCPP 1.6 §9.1.27); chargers do by default.
    pub(super) stops_on_invalid_id: bool,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { answers: VecDeque::new(), real: BTreeMap::new(), stops_on_invalid_id: true }
    }
}

impl Configuration {
    /// How the keys of its facts begin.
    pub(super) const FACT: &str = "configuration/";

    /// The charger's own value of a setting, if it is one that is remembered and was read or written.
    pub(super) fn real(&self, key: &str) -> Option<&str> {
        self.real.get(key).map(String::as_str)
    }

    fn real_number(&self, key: &str) -> Option<u64> {
        self.real(key)?.trim().parse().ok()
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
        if self.real(key) == Some(&value) || value.len() > limits::SETTING_BYTES {
            return Vec::new();
        }
        self.is_really(key, value.clone());
        vec![Fact { key: format!("{}{key}", Self::FACT), body: Some(value) }]
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
