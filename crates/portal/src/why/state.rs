//! How things stood around an attempt: connectors, reservations, the charger's list, its connection.

use std::collections::BTreeMap;

use engine::{BackofficeId, Side, payload};
use store::{LoggedCall, LoggedOccurrence};

use super::{Facts, cards};

/// "Around" an attempt (semantics §5.8).
pub(super) const AROUND_MS: i64 = 60_000;

/// What stands in the way on one connector, or on the charger as a whole (connector 0).
#[derive(Debug, Clone)]
pub(super) struct Obstacle<'a> {
    pub(super) connector: i64,
    pub(super) status: String,
    /// Unless it is "NoError".
    pub(super) error: Option<String>,
    pub(super) call: &'a LoggedCall,
}

impl Obstacle<'_> {
    /// "connector 1", or "the charger".
    pub(super) fn place(&self) -> String {
        match self.connector {
            0 => "the charger".to_owned(),
            number => format!("connector {number}"),
        }
    }

    pub(super) fn words(&self) -> String {
        match &self.error {
            Some(error) => format!("{} reported {} with {error}", self.place(), self.status),
            None => format!("{} reported {}", self.place(), self.status),
        }
    }

    pub(super) fn is_reserved(&self) -> bool {
        self.status == "Reserved"
    }

    pub(super) fn is_list_conflict(&self) -> bool {
        self.error.as_deref() == Some("LocalListConflict")
    }
}

/// The state of each connector at that time that keeps cards from charging.
pub(super) fn obstacles(facts: &Facts, unix_ms: i64) -> Vec<Obstacle<'_>> {
    let mut latest: BTreeMap<i64, &LoggedCall> = BTreeMap::new();
    let mut conflict = None;
    for call in by_time(facts, |call| call.action == "StatusNotification" && call.from == Side::Charger) {
        if call.received_unix_ms > unix_ms + AROUND_MS {
            break;
        }
        latest.insert(call.connector_id.unwrap_or(0), call);
        // This one is often gone from the state a second later.
        let is_conflict = payload::text(&call.payload, "errorCode").as_deref() == Some("LocalListConflict");
        if is_conflict && call.received_unix_ms >= unix_ms - AROUND_MS {
            conflict = Some(call);
        }
    }
    if let Some(call) = conflict {
        latest.insert(call.connector_id.unwrap_or(0), call);
    }
    latest.into_values().filter_map(obstacle).collect()
}

fn obstacle(call: &LoggedCall) -> Option<Obstacle<'_>> {
    let status = payload::text(&call.payload, "status").unwrap_or_default().into_owned();
    let error =
        payload::text(&call.payload, "errorCode").filter(|code| code != "NoError" && !code.is_empty());
    let error = error.map(|code| super::phrase::shown(&code));
    let stands = matches!(status.as_str(), "Reserved" | "Unavailable" | "Faulted") || error.is_some();
    let connector = call.connector_id.unwrap_or(0);
    stands.then(|| Obstacle { connector, status: super::phrase::shown(&status), error, call })
}

/// The last reservation of this connector for another card that the charger accepted.
pub(super) fn reservation<'a>(
    facts: &'a Facts,
    connector: i64,
    tag: Option<&str>,
    unix_ms: i64,
) -> Option<&'a LoggedCall> {
    by_time(facts, |call| {
        call.action == "ReserveNow"
            && call.received_unix_ms <= unix_ms + AROUND_MS
            && call.connector_id.is_none_or(|at| at == 0 || at == connector)
            && answered_accepted(call)
            && tag.is_none_or(|tag| !call.id_tag.as_deref().is_some_and(|other| cards::is_same(tag, other)))
    })
    .pop()
}

/// The last list of cards that the charger took, and what it says of the card, if it says anything.
pub(super) fn local_list<'a>(facts: &'a Facts, tag: &str) -> Option<(&'a LoggedCall, Option<String>)> {
    let lists = by_time(facts, |call| call.action == "SendLocalList" && answered_accepted(call));
    let entry = |call: &LoggedCall| {
        let entries = payload::field(&call.payload, "localAuthorizationList").map(payload::elements)?;
        let is_card =
            |entry: &&str| payload::text(entry, "idTag").is_some_and(|other| cards::is_same(&other, tag));
        let entry = entries.into_iter().find(is_card)?;
        let status = payload::id_tag_status(entry).map_or("removed".to_owned(), |status| status.into_owned());
        Some(status)
    };
    let named = lists.iter().rev().find_map(|call| entry(call).map(|status| (*call, Some(status))));
    named.or_else(|| lists.last().map(|call| (*call, None)))
}

/// Who ended the session by a command shortly before that time.
pub(super) fn remote_stop<'a>(
    facts: &'a Facts,
    start: &LoggedCall,
    stop_unix_ms: i64,
) -> Option<(&'a LoggedCall, &'a BackofficeId)> {
    let commands = by_time(facts, |call| {
        let age = stop_unix_ms - call.received_unix_ms;
        call.action == "RemoteStopTransaction" && (0..=AROUND_MS).contains(&age) && answered_accepted(call)
    });
    commands.into_iter().rev().find_map(|call| {
        let Side::Backoffice(backoffice) = &call.from else { return None };
        let own = start.answers.iter().find(|answer| answer.backoffice == *backoffice);
        let own = own.and_then(|answer| answer.transaction_number).or(start.transaction_number);
        let means_it = own.is_none() || call.transaction_number.is_none() || own == call.transaction_number;
        means_it.then_some((call, backoffice))
    })
}

/// Whether the charger had a connection at that time; `None` when the log does not say.
pub(super) fn was_connected(facts: &Facts, unix_ms: i64) -> Option<(bool, &LoggedOccurrence)> {
    let is_about = |one: &&LoggedOccurrence| {
        one.unix_ms <= unix_ms && matches!(one.kind.as_str(), "charger_arrived" | "charger_left")
    };
    let last = facts.occurrences.iter().filter(is_about).max_by_key(|one| (one.unix_ms, one.seq))?;
    Some((last.kind == "charger_arrived", last))
}

/// What happened to the charger and its links around that time.
pub(super) fn occurrences(facts: &Facts, from_unix_ms: i64, until_unix_ms: i64) -> Vec<&LoggedOccurrence> {
    let around = from_unix_ms - AROUND_MS..=until_unix_ms + AROUND_MS;
    facts.occurrences.iter().filter(|one| around.contains(&one.unix_ms)).collect()
}

fn answered_accepted(call: &LoggedCall) -> bool {
    call.answer.as_deref().and_then(|answer| payload::text(answer, "status")).as_deref() == Some("Accepted")
}

fn by_time(facts: &Facts, is_wanted: impl Fn(&LoggedCall) -> bool) -> Vec<&LoggedCall> {
    let mut calls: Vec<&LoggedCall> = facts.calls.iter().filter(|call| is_wanted(call)).collect();
    calls.sort_by_key(|call| (call.received_unix_ms, call.seq));
    calls
}
