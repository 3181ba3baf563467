//! Verdicts on cards, remembered for the time when whoever gave them is away (semantics §5.5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::session::ballots::{Authority, is_verdict};
use crate::session::outbox::Asked;
use crate::session::{Reply, Session};
use crate::time::instant;
use crate::{BackofficeId, Fact, Record, Role, UndecidedStart, UnknownCards, Urgency, limits, payload};

/// Whose verdict, and on which card. `None` is the leader's, whoever leads, where it decides alone. Cards are
/// in small letters: OCPP 1.6 compares idTags so (§7.28, CiString20).
type Key = (Option<BackofficeId>, String);

/// Verdicts by card.
#[derive(Debug, Default)]
pub(super) struct Cards {
    known: BTreeMap<Key, Card>,
}

/// The last verdict on one card.
#[derive(Debug, Serialize, Deserialize)]
struct Card {
    /// `idTagInfo` as it was written.
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
    /// How the keys of facts begin: the leader's verdicts.
    pub(super) const FACT: &'static str = "card/";
    /// And those of one that has a say beside others; its name and a slash follow.
    pub(super) const OPINION: &'static str = "opinion/";

    pub(super) fn remember(&mut self, tag: &str, body: &str) {
        if let Ok(card) = serde_json::from_str(body) {
            self.known.insert((None, tag.to_owned()), card);
        }
    }

    /// `of` is what follows [`Self::OPINION`].
    pub(super) fn remember_opinion(&mut self, of: &str, body: &str) {
        if let (Some((by, tag)), Ok(card)) = (of.split_once('/'), serde_json::from_str(body)) {
            self.known.insert((Some(by.into()), tag.to_owned()), card);
        }
    }

    /// The `idTagInfo` that would most likely be given, if a verdict is fresh enough.
    fn verdict(&self, by: Option<&BackofficeId>, tag: &str, unix_ms: i64) -> Option<&str> {
        let card = self.known.get(&(by.cloned(), tag.to_lowercase()))?;
        match card.age_ms(unix_ms) > limits::CARD_AGE.as_millis() {
            true => None,
            false if card.is_expired(unix_ms) => Some(r#"{"status":"Expired"}"#),
            false => Some(&card.info),
        }
    }

    /// Takes in a verdict. Returns what is to be kept of that.
    fn learn(&mut self, by: Option<&BackofficeId>, tag: &str, info: &str, unix_ms: i64) -> Vec<Fact> {
        let key = (by.cloned(), tag.to_lowercase());
        let is_known = self
            .known
            .get(&key)
            .is_some_and(|card| card.info == info && card.age_ms(unix_ms) < limits::CARD_REFRESH.as_millis());
        if is_known {
            return Vec::new();
        }
        let card = Card { info: info.to_owned(), heard_unix_ms: unix_ms };
        let body = serde_json::to_string(&card).expect("plain data is always JSON");
        let mut facts = vec![fact(&key, Some(body))];
        self.known.insert(key, card);
        if self.known.len() > limits::CARDS {
            let oldest =
                self.known.iter().min_by_key(|(_, card)| card.heard_unix_ms).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.known.remove(&oldest);
                facts.push(fact(&oldest, None));
            }
        }
        facts
    }
}

fn fact((by, tag): &Key, body: Option<String>) -> Fact {
    let key = match by {
        None => format!("{}{tag}", Cards::FACT),
        Some(by) => format!("{}{by}/{tag}", Cards::OPINION),
    };
    Fact { key, body }
}

impl Session {
    /// A backoffice answered a call that names a card.
    pub(super) fn learn_card(&mut self, id: &BackofficeId, asked: &Asked, reply: &Reply) {
        let Reply::Result(answer) = reply else { return };
        let Some(info) = payload::field(answer, "idTagInfo") else { return };
        let Some(tag) = payload::text(&asked.copy.payload, "idTag") else { return };
        let decides_alone = self.authority(&tag, None) == Authority::Leader;
        let has_a_say = self.leads(id) || self.plan.role(id).is_some_and(|role| role != Role::Observer);
        let by = match decides_alone {
            true if asked.led && self.leads(id) => None,
            false if has_a_say => Some(id),
            _ => return,
        };
        // That a card is in use says nothing of the card; what is no verdict of OCPP says nothing at all.
        let is_in_use = payload::text(info, "status").as_deref() == Some("ConcurrentTx");
        if is_in_use || !is_verdict(info) {
            return;
        }
        for fact in self.cards.learn(by, &tag, info, self.now.unix_ms) {
            self.promise_in_time(Urgency::Soon, Record::Fact(fact), []);
        }
    }

    /// What the leader last said of a card about which it decides alone, if that is fresh enough.
    pub(super) fn remembered_verdict(&self, tag: &str) -> Option<&str> {
        self.cards.verdict(None, tag, self.now.unix_ms)
    }

    /// What a backoffice last said of a card, if that is fresh enough.
    pub(super) fn remembered_opinion(&self, id: &BackofficeId, tag: &str) -> Option<&str> {
        let own = self.cards.verdict(Some(id), tag, self.now.unix_ms);
        own.or_else(|| self.remembered_verdict(tag).filter(|_| self.leads(id)))
    }

    /// What an Authorize is answered in the leader's place; `None` when nobody can tell.
    pub(super) fn card_reply(&self, request: &str) -> Option<Reply> {
        let tag = payload::text(request, "idTag")?;
        match self.remembered_verdict(&tag) {
            Some(info) => Some(Reply::result(format!(r#"{{"idTagInfo":{info}}}"#))),
            None => self.unknown_card_reply(),
        }
    }

    /// What an Authorize is answered for a card of which nobody whose word counts has an opinion.
    pub(super) fn unknown_card_reply(&self) -> Option<Reply> {
        match self.plan.outage.unknown_cards {
            UnknownCards::Accept => Some(Reply::result(r#"{"idTagInfo":{"status":"Accepted"}}"#)),
            UnknownCards::Refuse => Some(Reply::result(r#"{"idTagInfo":{"status":"Invalid"}}"#)),
            UnknownCards::ChargerDecides => None,
        }
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
