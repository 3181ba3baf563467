//! Cards that the leader refuses when it hears of their transaction late (semantics T-67).

use std::collections::BTreeMap;
use std::time::Duration;

use engine::{BackofficeId, LateReject, Side, Tick, limits};
use serde_json::Value;

use super::{Judge, Message};
use crate::charger::{Charger, Number};
use crate::world::content::number;

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
}

impl Refusals {
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
        // What was told before a crash may not have been kept, and be told anew.
        let told = self.told.iter().filter(|(_, start)| **start == message.1).map(|(told, _)| *told);
        let told: Vec<i64> = told.collect();
        for told in &told {
            self.refusals.refused.entry(*told).or_insert(0);
        }
        let Some(told) = told.last().copied() else { return };
        let answers = self.answers.get(message).into_iter().flatten();
        let was_provisional =
            limits::OWN_TRANSACTION_NUMBERS.contains(&told) && !answers.into_iter().any(|answer| answer.led);
        let must_stop = self.plan.outage.late_reject == LateReject::Stop && self.is_up(&Side::Charger);
        if !live && was_provisional && must_stop {
            self.refusals.due.push((told, now));
        }
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
