//! The local authorisation list where each backoffice has one: what each wants the charger to know of cards, and
//! what they come to together (semantics §5.7, A-41).

mod updates;
mod writing;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{BackofficeId, Fact};

pub(super) use writing::Writing;

/// The list of one backoffice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct List {
    /// As that backoffice counts.
    version: i64,
    cards: Cards,
}

/// By their numbers in small letters, since capitals make no difference.
type Cards = BTreeMap<String, Card>;

/// What a list says of one card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Card {
    /// Its number, as the backoffice wrote it.
    tag: String,
    /// `idTagInfo`, as the backoffice wrote it.
    info: String,
}

/// What the charger was sent last.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Written {
    /// As the proxy counts.
    version: i64,
    /// Stands for the cards that the charger has; `None` while that is in doubt.
    digest: Option<u64>,
}

/// All lists of one charger.
#[derive(Debug, Default)]
pub(super) struct LocalLists {
    of: BTreeMap<BackofficeId, List>,
    /// `None` as long as the proxy has written none.
    written: Option<Written>,
}

impl LocalLists {
    pub(super) const FACT: &'static str = "list/";
    pub(super) const WRITTEN: &'static str = "written-list";

    pub(super) fn remember(&mut self, backoffice: &str, body: &str) {
        if let Ok(list) = serde_json::from_str(body) {
            self.of.insert(backoffice.into(), list);
        }
    }

    pub(super) fn remember_written(&mut self, body: &str) {
        self.written = serde_json::from_str(body).ok();
    }

    /// The version of a backoffice's own list; an empty one has none (OCPP 1.6 §5.10).
    fn version(&self, backoffice: &BackofficeId) -> i64 {
        self.of.get(backoffice).filter(|list| !list.cards.is_empty()).map_or(0, |list| list.version)
    }

    /// Keeps a backoffice's list. Returns what to write down.
    fn keep(&mut self, backoffice: &BackofficeId, list: List) -> Fact {
        let body = serde_json::to_string(&list).expect("plain data is always JSON");
        self.of.insert(backoffice.clone(), list);
        Fact { key: format!("{}{backoffice}", Self::FACT), body: Some(body) }
    }

    /// Forgets the lists of all whom `keep` does not name. Returns what to strike out.
    fn retain(&mut self, keep: impl Fn(&BackofficeId) -> bool) -> Vec<Fact> {
        let mut facts = Vec::new();
        self.of.retain(|backoffice, _| {
            let stays = keep(backoffice);
            if !stays {
                facts.push(Fact { key: format!("{}{backoffice}", Self::FACT), body: None });
            }
            stays
        });
        facts
    }

    /// Notes what the charger is sent, or has. Returns what to write down.
    fn write(&mut self, written: Option<Written>) -> Fact {
        let body = written.as_ref().map(|w| serde_json::to_string(w).expect("plain data is always JSON"));
        self.written = written;
        Fact { key: Self::WRITTEN.to_owned(), body }
    }
}
