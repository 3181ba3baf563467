//! The leader's verdicts on cards, remembered for the time it is away (semantics §5.5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::session::ballots::Authority;
use crate::session::outbox::Asked;
use crate::session::{Reply, Session};
use crate::time::instant;
use crate::{Fact, Record, UndecidedStart, UnknownCards, limits, payload};

/// Verdicts by card, in small letters: OCPP 1.6 compares idTags so (§7.28, CiString20).
#[derive(Debug, Default)]
pub(super) struct Cards {
    known: BTreeMap<String, Card>,
}

/// The last verdict on one card.
#[derive(Debug, Serialize, Deserialize)]
struct Card {
    /// `idTagInfo` as the leader wrote it.
    info: String,
    /// When it was last heard; UTC, milliseconds since 1970.
    heard_unix_ms: i64,
}

impl Card {
    fn age_ms(&self, unix_ms: i64) -> u128 {
        u128::from((unix_ms - self.heard_unix_ms).max(0).unsigned_abs())
    }

    fn is_expired(&self, unix_ms: i64) -> bool {
        payload::text(&self.info, "expiryDate")
            .and_then(|date| instant(&date))
            .is_some_and(|date| date.as_millisecond() <= unix_ms)
    }
}

impl Cards {
    pub(super) const FACT: &'static str = "card/";

    pub(super) fn remember(&mut self, tag: &str, body: &str) {
        if let Ok(card) = serde_json::from_str(body) {
            self.known.insert(tag.to_owned(), card);
        }
    }

    /// The `idTagInfo` that the leader would most likely give, if a verdict of it is fresh enough.
    fn verdict(&self, tag: &str, unix_ms: i64) -> Option<&str> {
        let card = self.known.get(&tag.to_lowercase())?;
        match card.age_ms(unix_ms) > limits::CARD_AGE.as_millis() {
            true => None,
            false if card.is_expired(unix_ms) => Some(r#"{"status":"Expired"}"#),
            false => Some(&card.info),
        }
    }

    /// Takes in a verdict. Returns what is to be kept of that.
    pub(super) fn learn(&mut self, tag: &str, info: &str, unix_ms: i64) -> Vec<Fact> {
        let tag = tag.to_lowercase();
        let is_known = self
            .known
            .get(&tag)
            .is_some_and(|card| card.info == info && card.age_ms(unix_ms) < limits::CARD_REFRESH.as_millis());
        if is_known {
            return Vec::new();
        }
        let card = Card { info: info.to_owned(), heard_unix_ms: unix_ms };
        let body = serde_json::to_string(&card).expect("plain data is always JSON");
        let mut facts = vec![fact(&tag, Some(body))];
        self.known.insert(tag, card);
        if self.known.len() > limits::CARDS {
            let oldest =
                self.known.iter().min_by_key(|(_, card)| card.heard_unix_ms).map(|(tag, _)| tag.clone());
            if let Some(oldest) = oldest {
                self.known.remove(&oldest);
                facts.push(fact(&oldest, None));
            }
        }
        facts
    }
}

fn fact(tag: &str, body: Option<String>) -> Fact {
    Fact { key: format!("{}{tag}", Cards::FACT), body }
}

impl Session {
    /// The leader answered a call that names a card.
    pub(super) fn learn_card(&mut self, asked: &Asked, reply: &Reply) {
        let Reply::Result(answer) = reply else { return };
        let (Some(tag), Some(info)) =
            (payload::text(&asked.copy.payload, "idTag"), payload::field(answer, "idTagInfo"))
        else {
            return;
        };
        // Who has no say alone is remembered when it is decided.
        if self.authority(&tag, None) != Authority::Leader {
            return;
        }
        // That a card is in use says nothing of the card.
        if matches!(payload::text(info, "status").as_deref(), None | Some("ConcurrentTx")) {
            return;
        }
        for fact in self.cards.learn(&tag, info, self.now.unix_ms) {
            self.promise(Record::Fact(fact), []);
        }
    }

    /// What was last decided about a card, if that is fresh enough.
    pub(super) fn remembered_verdict(&self, tag: &str) -> Option<&str> {
        self.cards.verdict(tag, self.now.unix_ms)
    }

    /// What an Authorize is answered in the leader's place; `None` when nobody can tell.
    pub(super) fn card_reply(&self, request: &str) -> Option<Reply> {
        let tag = payload::text(request, "idTag")?;
        let info = match (self.remembered_verdict(&tag), self.plan.outage.unknown_cards) {
            (Some(info), _) => info,
            (None, UnknownCards::Accept) => r#"{"status":"Accepted"}"#,
            (None, UnknownCards::Refuse) => r#"{"status":"Invalid"}"#,
            (None, UnknownCards::ChargerDecides) => return None,
        };
        Some(Reply::result(format!(r#"{{"idTagInfo":{info}}}"#)))
    }

    /// What a StartTransaction is told of its card in the leader's place. The charger has started
    /// already: what nobody knows is settled when the leader is back (semantics §5.5, T-67).
    pub(super) fn card_of_start(&self, tag: &str) -> &str {
        let undecided = match self.plan.cards.undecided_start {
            UndecidedStart::Leader | UndecidedStart::Accept => r#"{"status":"Accepted"}"#,
            UndecidedStart::Refuse => r#"{"status":"Invalid"}"#,
        };
        self.remembered_verdict(tag).unwrap_or(undecided)
    }
}
