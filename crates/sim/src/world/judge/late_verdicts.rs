//! Cards that the leader refuses when it hears of their transaction late (semantics T-67).

use std::collections::BTreeMap;
use std::time::Duration;

use engine::{BackofficeId, LateReject, Record, Side, Tick};
use serde_json::Value;

use super::{Judge, Message};
use crate::charger::{Charger, Number};
use crate::world::content::{blanked, number};

/// A transaction that is to be stopped is stopped within this: other commands may go first.
const STOPPED_WITHIN: Duration = Duration::from_secs(90);

/// What became of such transactions.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// The charger's numbers of those that a leader refused late, and how often each was stopped since
    /// the charger came.
    refused: BTreeMap<i64, u32>,
    /// Those that must be stopped, unless something comes between.
    due: Vec<(i64, Tick)>,
    /// The starts for which the proxy keeps a number of the charger's, whether or not it was told.
    numbered: BTreeMap<i64, String>,
    /// In whose place the charger was told a number.
    in_place_of: BTreeMap<i64, BackofficeId>,
}

impl Refusals {
    pub(super) fn keeps(&mut self, record: &Record) {
        if let Record::Transaction(row) = record
            && let Some(number) = row.charger_number
        {
            self.numbered.insert(number.0, blanked(&row.raw_start));
        }
    }

    /// The charger hears this number in the place of that leader.
    pub(super) fn told_in_place_of(&mut self, number: i64, leader: BackofficeId) {
        self.in_place_of.entry(number).or_insert(leader);
    }

    /// Something came between.
    pub(super) fn excuse_all(&mut self) {
        self.due.clear();
    }

    /// What was to be stopped when the charger left is stopped when it is back.
    pub(super) fn charger_came_or_went(&mut self) {
        self.due.clear();
        self.refused.values_mut().for_each(|stops| *stops = 0);
    }
}

impl Judge {
    /// A backoffice answered a start: perhaps it refuses a card of which the charger was told otherwise.
    pub(super) fn late_verdict(
        &mut self,
        now: Tick,
        by: &BackofficeId,
        message: &Message,
        live: bool,
        answer: &str,
    ) {
        let answer: Value = serde_json::from_str(answer).unwrap_or(Value::Null);
        let status = answer["idTagInfo"]["status"].as_str().unwrap_or("Accepted");
        let refuses = message.0 == "StartTransaction" && !matches!(status, "Accepted" | "ConcurrentTx");
        if !refuses || *by != self.leader {
            return;
        }
        // What was kept before a crash the charger may not have heard, and what was told may not have been
        // kept, and be told anew.
        let numbers = self.told.iter().chain(&self.refusals.numbered);
        let numbers: Vec<i64> =
            numbers.filter(|(_, start)| **start == message.1).map(|(number, _)| *number).collect();
        for number in numbers {
            self.refusals.refused.entry(number).or_insert(0);
        }
        let mut told = self.told.iter().filter(|(_, start)| **start == message.1);
        let Some(told) = told.next_back().map(|(told, _)| *told) else { return };
        // Only who would have answered the charger may refuse late.
        let was_provisional = self.refusals.in_place_of.get(&told) == Some(by);
        let start: Value = serde_json::from_str(&message.1.replace('#', "0")).unwrap_or(Value::Null);
        let tag = start["idTag"].as_str().unwrap_or_default().to_lowercase();
        let must_stop = self.plan.outage.late_reject == LateReject::Stop
            && self.is_up(&Side::Charger)
            && !self.may_be_anothers(&tag);
        if !live && was_provisional && must_stop {
            self.refusals.due.push((told, now));
        }
    }

    /// Whether a leader refused the card of this transaction late.
    pub(super) fn is_refused_late(&self, told: i64) -> bool {
        self.refusals.refused.contains_key(&told)
    }

    /// The proxy stops a transaction of its own accord.
    pub(super) fn check_own_stop(&mut self, payload: &str) {
        let told = number(payload, "transactionId").unwrap_or(0);
        self.summary.late_stops += 1;
        self.refusals.due.retain(|(due, _)| *due != told);
        let problem = match self.refusals.refused.get_mut(&told) {
            None => "whose card no leader refused late",
            Some(stops @ 0) => {
                *stops = 1;
                return;
            }
            Some(_) => "which was stopped before",
        };
        self.accuse(format!("T-67: the proxy stops {told}, {problem}"));
    }

    pub(super) fn check_refusals(&mut self, now: Tick, charger: &Charger) {
        if self.refusals.due.is_empty() {
            return;
        }
        let runs = |told: i64| {
            charger.sessions().iter().any(|session| session.running && session.number == Number::Told(told))
        };
        let obeys = charger.obeys() && charger.stops_on_invalid_id();
        self.refusals.due.retain(|(told, _)| obeys && runs(*told));
        let late = self.refusals.due.iter().find(|(_, since)| now.since(*since) > STOPPED_WITHIN);
        if let Some((told, since)) = late.copied() {
            self.refusals.due.clear();
            self.accuse(format!("T-67: {told} still runs, whose card the leader refused late at {since:?}"));
        }
    }
}
