//! What a SendLocalList makes of a list, and what the charger must be sent so that its list is another
//! (OCPP 1.6 §5.15, §6.41).

use std::collections::VecDeque;

use super::{Card, Cards, List};
use crate::time::instant;
use crate::{Text, limits, payload};

/// Why an update does not fit, as the status of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is no list, or one that is too long.
    Failed,
    /// It is not newer than the list that it would change.
    VersionMismatch,
}

impl Unfit {
    pub(super) fn answer(self) -> &'static str {
        match self {
            Unfit::Failed => r#"{"status":"Failed"}"#,
            Unfit::VersionMismatch => r#"{"status":"VersionMismatch"}"#,
        }
    }
}

impl List {
    /// The list after an update. It is looked at closely: what one backoffice writes must not make the
    /// charger refuse the cards of all.
    pub(super) fn updated(&self, request: &str) -> Result<List, Unfit> {
        let version = payload::integer(request, "listVersion").ok_or(Unfit::Failed)?;
        let entries = match payload::field(request, "localAuthorizationList") {
            None => Vec::new(),
            Some(array) if array.starts_with('[') => payload::elements(array),
            Some(_) => return Err(Unfit::Failed),
        };
        let is_full = match payload::text(request, "updateType").as_deref() {
            Some("Full") => true,
            Some("Differential") if version <= self.version => return Err(Unfit::VersionMismatch),
            Some("Differential") => false,
            _ => return Err(Unfit::Failed),
        };
        let mut cards = if is_full { Cards::new() } else { self.cards.clone() };
        for entry in entries {
            let tag = payload::text(entry, "idTag").filter(|tag| is_tag(tag)).ok_or(Unfit::Failed)?;
            let key = tag.to_ascii_lowercase();
            match payload::field(entry, "idTagInfo") {
                Some(info) if is_info(info) => {
                    cards.insert(key, Card { tag: tag.into_owned(), info: info.to_owned() });
                }
                None if !is_full => {
                    cards.remove(&key);
                }
                _ => return Err(Unfit::Failed),
            }
        }
        if cards.len() > limits::LIST_CARDS { Err(Unfit::Failed) } else { Ok(List { version, cards }) }
    }
}

fn is_tag(tag: &str) -> bool {
    (1..=20).contains(&tag.chars().count())
}

/// Whether it is an IdTagInfo that every charger can read (OCPP 1.6 §7.27).
fn is_info(info: &str) -> bool {
    let [status, expiry, parent] = payload::fields(info, ["status", "expiryDate", "parentIdTag"]).tokens;
    let is_status = status.and_then(payload::string).is_some_and(|status| {
        matches!(&*status, "Accepted" | "Blocked" | "Expired" | "Invalid" | "ConcurrentTx")
    });
    let is_date = |token| payload::string(token).is_some_and(|date| instant(&date).is_some());
    is_status
        && info.len() <= limits::LIST_CARD_BYTES
        && expiry.is_none_or(is_date)
        && parent.is_none_or(|token| payload::string(token).is_some_and(|tag| is_tag(&tag)))
}

/// What the charger is sent so that its list is `wanted`: what differs from `has`, or all of it where nobody
/// knows what it has. The first message has the version after `version`.
pub(super) fn steps(has: Option<&Cards>, wanted: &Cards, version: i64, most: usize) -> VecDeque<Text> {
    let entry = |card: &Card| {
        let tag = serde_json::Value::from(card.tag.as_str());
        format!(r#"{{"idTag":{tag},"idTagInfo":{}}}"#, card.info)
    };
    let entries: Vec<String> = match has {
        None => wanted.values().map(entry).collect(),
        Some(has) => {
            let gone = has.iter().filter(|(key, _)| !wanted.contains_key(*key)).map(|(_, card)| {
                let tag = serde_json::Value::from(card.tag.as_str());
                format!(r#"{{"idTag":{tag}}}"#)
            });
            let news = wanted.iter().filter(|(key, card)| has.get(*key) != Some(card));
            gone.chain(news.map(|(_, card)| entry(card))).collect()
        }
    };
    let mut chunks: Vec<&[String]> = entries.chunks(most.max(1)).collect();
    if chunks.is_empty() {
        chunks.push(&[]);
    }
    let messages = chunks.into_iter().zip(version + 1..).enumerate();
    messages
        .map(|(at, (chunk, version))| {
            let kind = if at == 0 && has.is_none() { "Full" } else { "Differential" };
            let list = chunk.join(",");
            format!(r#"{{"listVersion":{version},"updateType":"{kind}","localAuthorizationList":[{list}]}}"#)
                .into()
        })
        .collect()
}

/// Stands for a list of cards, the same in every version of the program (FNV-1a of 64 bits).
pub(super) fn digest(cards: &Cards) -> u64 {
    let words = cards.values().flat_map(|card| [card.tag.as_bytes(), b"\n", card.info.as_bytes(), b"\n"]);
    words.flatten().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(version: i64, cards: &[&str]) -> List {
        let entries: Vec<String> = cards
            .iter()
            .map(|tag| format!(r#"{{"idTag":"{tag}","idTagInfo":{{"status":"Accepted"}}}}"#))
            .collect();
        let request = format!(
            r#"{{"listVersion":{version},"updateType":"Full","localAuthorizationList":[{}]}}"#,
            entries.join(",")
        );
        List::default().updated(&request).unwrap()
    }

    #[test]
    fn an_update_changes_what_it_names() {
        let list = full(3, &["A", "B"]);
        let update = r#"{"listVersion":4,"updateType":"Differential","localAuthorizationList":[{"idTag":"a"},{"idTag":"C","idTagInfo":{"status":"Blocked"}}]}"#;
        let updated = list.updated(update).unwrap();
        assert_eq!(updated.cards.keys().collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!((updated.version, &*updated.cards["c"].info), (4, r#"{"status":"Blocked"}"#));
        let emptied = updated.updated(r#"{"listVersion":5,"updateType":"Full"}"#).unwrap();
        assert_eq!(emptied.cards.len(), 0);
    }

    #[test]
    fn what_a_charger_could_refuse_is_refused_here() {
        let list = full(3, &["A"]);
        let of = |version: i64, kind: &str, entries: &str| {
            let request = format!(
                r#"{{"listVersion":{version},"updateType":"{kind}","localAuthorizationList":{entries}}}"#
            );
            list.updated(&request)
        };
        let failed = [
            of(4, "Sideways", "[]"),
            of(4, "Full", r#""A""#),
            of(4, "Full", r#"[{"idTag":"A"}]"#),
            of(4, "Full", r#"[{"idTag":"123456789012345678901","idTagInfo":{"status":"Accepted"}}]"#),
            of(4, "Full", r#"[{"idTagInfo":{"status":"Accepted"}}]"#),
            of(4, "Differential", r#"[{"idTag":"A","idTagInfo":{"status":"Fine"}}]"#),
            of(4, "Differential", r#"[{"idTag":"A","idTagInfo":{"status":"Accepted","expiryDate":"soon"}}]"#),
            of(4, "Differential", r#"[{"idTag":"A","idTagInfo":{"status":"Accepted","parentIdTag":""}}]"#),
            list.updated(r#"{"updateType":"Full"}"#),
        ];
        assert_eq!(failed.iter().filter(|result| **result == Err(Unfit::Failed)).count(), 9);
        let stale = [of(3, "Differential", "[]"), of(2, "Differential", "[]")];
        assert_eq!(stale.iter().filter(|result| **result == Err(Unfit::VersionMismatch)).count(), 2);
        // A full list replaces whatever there was.
        assert!(of(1, "Full", "[]").is_ok());
    }

    #[test]
    fn a_charger_is_sent_what_differs() {
        let (has, wanted) = (full(1, &["A", "B"]).cards, full(1, &["B", "C"]).cards);
        assert_eq!(
            steps(Some(&has), &wanted, 7, usize::MAX),
            [
                r#"{"listVersion":8,"updateType":"Differential","localAuthorizationList":[{"idTag":"A"},{"idTag":"C","idTagInfo":{"status":"Accepted"}}]}"#
            ]
        );
        assert_eq!(
            steps(None, &wanted, 7, 1),
            [
                r#"{"listVersion":8,"updateType":"Full","localAuthorizationList":[{"idTag":"B","idTagInfo":{"status":"Accepted"}}]}"#,
                r#"{"listVersion":9,"updateType":"Differential","localAuthorizationList":[{"idTag":"C","idTagInfo":{"status":"Accepted"}}]}"#
            ]
        );
        assert_eq!(
            steps(None, &Cards::new(), 0, usize::MAX),
            [r#"{"listVersion":1,"updateType":"Full","localAuthorizationList":[]}"#]
        );
        assert_ne!(digest(&has), digest(&wanted));
    }
}
