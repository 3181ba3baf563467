//! Decisions about cards of a moment ago, so that a start is told what its Authorize was (semantics §5.3).

use serde::{Deserialize, Serialize};

use crate::session::ballots::Decision;
use crate::{Fact, limits};

/// What was decided, by card.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    all: Vec<Remembered>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    /// In small letters.
    id_tag: String,
    decision: Decision,
    /// UTC, milliseconds since 1970.
    until_unix_ms: i64,
}

impl Decisions {
    pub(super) const FACT: &'static str = "decision/";

    pub(super) fn remember(&mut self, body: &str) {
        if let Ok(remembered) = serde_json::from_str(body) {
            self.all.push(remembered);
        }
    }

    pub(super) fn of(&self, tag: &str, unix_ms: i64) -> Option<&Decision> {
        let fits = |one: &&Remembered| one.until_unix_ms > unix_ms && one.id_tag.eq_ignore_ascii_case(tag);
        self.all.iter().find(fits).map(|one| &one.decision)
    }

    /// Takes in a decision. Returns what is to be kept and forgotten.
    pub(super) fn learn(
        &mut self,
        tag: &str,
        decision: Decision,
        unix_ms: i64,
        until_unix_ms: i64,
    ) -> Vec<Fact> {
        let id_tag = tag.to_lowercase();
        let mut forgotten = Vec::new();
        self.all.retain(|one| {
            let is_over = one.until_unix_ms <= unix_ms;
            if is_over && one.id_tag != id_tag {
                forgotten.push(Fact { key: format!("{}{}", Self::FACT, one.id_tag), body: None });
            }
            !is_over && one.id_tag != id_tag
        });
        if self.all.len() == limits::DECISIONS {
            let oldest = self.all.remove(0);
            forgotten.push(Fact { key: format!("{}{}", Self::FACT, oldest.id_tag), body: None });
        }
        let remembered = Remembered { id_tag, decision, until_unix_ms };
        let body = serde_json::to_string(&remembered).expect("plain data is always JSON");
        forgotten.push(Fact { key: format!("{}{}", Self::FACT, remembered.id_tag), body: Some(body) });
        self.all.push(remembered);
        forgotten
    }
}
