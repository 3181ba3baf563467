//! Transaction numbers: one transaction, a number per party, never assumed to be equal
//! (semantics §2.2–2.7).

use std::collections::VecDeque;

use crate::fingerprint::fingerprint;
use crate::payload;
use crate::{
    BackofficeId, BackofficeTransactionId, ChargerTransactionId, Lane, Moment, PeerState, PeerTransaction,
    TraceId, TransactionRow, TransactionState, limits,
};

/// The transactions of one charger, oldest first.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    rows: VecDeque<TransactionRow>,
    /// By what the stops of the rows are recognised when they are said again.
    stops: Vec<(TraceId, u64)>,
    /// The charger's numbers of transactions that are no longer among the rows, oldest first.
    used: VecDeque<ChargerTransactionId>,
    /// The lowest number ever taken from the proxy's own band; durable through the rows that use it.
    lowest_own: Option<i64>,
}

/// What a StartTransaction says, as far as the rules need it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) connector_id: i64,
    pub(super) id_tag: String,
    pub(super) meter_start: i64,
    pub(super) timestamp: String,
    pub(super) reservation_id: Option<String>,
}

impl Start {
    pub(super) fn read(request: &str) -> Self {
        let names = ["connectorId", "idTag", "meterStart", "timestamp", "reservationId"];
        let [connector, id_tag, meter, timestamp, reservation] = payload::fields(request, names).tokens;
        let number = |token: Option<&str>| token.and_then(|t| t.parse().ok()).unwrap_or(0);
        let text = |token: Option<&str>| token.and_then(payload::string).unwrap_or_default().into_owned();
        Self {
            connector_id: number(connector),
            id_tag: text(id_tag),
            meter_start: number(meter),
            timestamp: text(timestamp),
            reservation_id: reservation.map(str::to_owned),
        }
    }

    /// Whether both are the same event, told twice (semantics §2.3, `start_key`).
    fn repeats(&self, row: &TransactionRow) -> bool {
        self.connector_id == row.connector_id
            && self.meter_start == row.meter_start
            && self.id_tag.eq_ignore_ascii_case(&row.id_tag)
            && self.timestamp == row.started_at
            && self.reservation_id.as_deref() == payload::field(&row.raw_start, "reservationId")
    }
}

/// What the number in a backoffice's command stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// This transaction.
    Row(TraceId),
    /// Nothing that runs (semantics T-47).
    Nothing,
    /// Two at once: the backoffice has issued the number again (semantics T-48).
    Several,
}

impl Transactions {
    pub(super) fn remember(
        &mut self,
        mut rows: Vec<TransactionRow>,
        numbers: Vec<ChargerTransactionId>,
        lanes: &[Lane],
    ) {
        rows.sort_by_key(|row| row.trace);
        for row in &mut rows {
            // Whoever was asked as leader when the program ended may follow now, and is told then.
            let is_unanswered = row.start_answer.is_none();
            row.peers.retain(|id, peer| match peer.state {
                PeerState::Asked => false,
                // The program ended before the start was among its deliveries, or was answered: the charger
                // has no answer either.
                PeerState::Queued | PeerState::Sent => !is_unanswered || waits_in(lanes, id, row.trace),
                PeerState::Mapped | PeerState::Failed => true,
            });
        }
        for row in &rows {
            self.note_own(row.charger_number);
        }
        self.stops = rows.iter().filter_map(stop_of).collect();
        self.rows = rows.into();
        for number in numbers {
            self.note_own(Some(number));
            self.note_used(number);
        }
    }

    /// Takes back rows that were forgotten here and are needed again.
    pub(super) fn remember_more(&mut self, rows: Vec<TransactionRow>) {
        for row in rows {
            if self.get(row.trace).is_none() {
                let at = self.rows.partition_point(|other| other.trace < row.trace);
                self.stops.extend(stop_of(&row));
                self.rows.insert(at, row);
            }
        }
    }

    pub(super) fn get(&self, trace: TraceId) -> Option<&TransactionRow> {
        self.rows.iter().rfind(|row| row.trace == trace)
    }

    pub(super) fn get_mut(&mut self, trace: TraceId) -> Option<&mut TransactionRow> {
        self.rows.iter_mut().rfind(|row| row.trace == trace)
    }

    /// Rows that are not over, oldest first.
    pub(super) fn running(&self) -> impl Iterator<Item = &TransactionRow> {
        self.rows.iter().filter(|row| row.state != TransactionState::Closed)
    }

    /// The row that this StartTransaction opened already, if it is a repetition (semantics T-20).
    pub(super) fn repeated_start(&self, start: &Start) -> Option<&TransactionRow> {
        self.rows.iter().rev().find(|row| {
            // A clock-less charger says 1970 and 0 Wh every time: only the newest row of the
            // connector, not yet stopped, can be meant.
            matches!(row.state, TransactionState::Starting | TransactionState::Open)
                && !row.superseded
                && start.repeats(row)
        })
    }

    /// Adds a row for a new start. Returns the rows it supersedes on its connector
    /// (semantics T-21).
    pub(super) fn open(
        &mut self,
        trace: TraceId,
        now: Moment,
        start: Start,
        request: &str,
        leader: &BackofficeId,
        peers: impl Iterator<Item = BackofficeId>,
    ) -> Vec<TraceId> {
        let mut superseded = Vec::new();
        for row in &mut self.rows {
            let unfinished = row.state != TransactionState::Closed && !row.superseded;
            if unfinished && row.connector_id == start.connector_id {
                row.superseded = true;
                superseded.push(row.trace);
            }
        }
        self.rows.push_back(TransactionRow {
            trace,
            state: TransactionState::Starting,
            charger_number: None,
            connector_id: start.connector_id,
            id_tag: start.id_tag,
            meter_start: start.meter_start,
            started_at: start.timestamp,
            received_unix_ms: now.unix_ms,
            raw_start: request.to_owned(),
            start_answer: None,
            leader_at_start: leader.clone(),
            peers: peers.map(|peer| (peer, PeerTransaction::default())).collect(),
            raw_stop: None,
            stop_received_unix_ms: None,
            stop_answer: None,
            closed_unix_ms: None,
            superseded: false,
            given_up: false,
            provisional: false,
            refused_late: false,
            authoriser: None,
            remote_start_by: None,
        });
        superseded
    }

    /// The number the charger is to use: the leader's where it is safe and free, else one of the
    /// proxy's own band (semantics T-10).
    pub(super) fn number_for_charger(
        &mut self,
        leaders: Option<BackofficeTransactionId>,
    ) -> ChargerTransactionId {
        if let Some(BackofficeTransactionId(number)) = leaders {
            let safe = (1..=limits::LARGEST_TRANSACTION_NUMBER).contains(&number)
                && !limits::OWN_TRANSACTION_NUMBERS.contains(&number);
            if safe && !self.is_used(number) {
                return ChargerTransactionId(number);
            }
        }
        let mut number = match self.lowest_own {
            Some(lowest) if lowest > *limits::OWN_TRANSACTION_NUMBERS.start() => lowest - 1,
            _ => *limits::OWN_TRANSACTION_NUMBERS.end(),
        };
        while self.is_used(number) {
            number -= 1;
        }
        self.note_own(Some(ChargerTransactionId(number)));
        ChargerTransactionId(number)
    }

    /// Whether the number stands for a transaction already, also for one that is long over.
    fn is_used(&self, number: i64) -> bool {
        self.is_of_the_past(number) || self.by_charger_number(number).is_some()
    }

    /// Whether the number stood for a transaction that is over and no longer among the rows.
    pub(super) fn is_of_the_past(&self, number: i64) -> bool {
        self.used.contains(&ChargerTransactionId(number))
    }

    fn note_used(&mut self, number: ChargerTransactionId) {
        if self.used.len() == limits::NUMBERS_REMEMBERED {
            self.used.pop_front();
        }
        self.used.push_back(number);
    }

    fn note_own(&mut self, number: Option<ChargerTransactionId>) {
        if let Some(ChargerTransactionId(number)) = number
            && limits::OWN_TRANSACTION_NUMBERS.contains(&number)
        {
            self.lowest_own = Some(self.lowest_own.map_or(number, |lowest| lowest.min(number)));
        }
    }

    /// The row for which the charger uses this number; of several the newest that is not over.
    pub(super) fn by_charger_number(&self, number: i64) -> Option<&TransactionRow> {
        let mut matching =
            self.rows.iter().rev().filter(|row| row.charger_number == Some(ChargerTransactionId(number)));
        let newest = matching.next()?;
        if newest.state != TransactionState::Closed {
            return Some(newest);
        }
        Some(matching.find(|row| row.state != TransactionState::Closed).unwrap_or(newest))
    }

    /// What a backoffice means by its number (semantics §2.6, T-47, T-48).
    pub(super) fn meant_by(&self, backoffice: &BackofficeId, number: i64) -> Meant {
        let mut running = self.running().filter(|row| {
            row.peers.get(backoffice).is_some_and(|peer| peer.number == Some(BackofficeTransactionId(number)))
        });
        match (running.next(), running.next()) {
            (Some(row), None) => Meant::Row(row.trace),
            // Of two, one may be a transaction whose stop was lost.
            (Some(first), Some(second)) => match (first.superseded, second.superseded, running.next()) {
                (true, false, None) => Meant::Row(second.trace),
                _ => Meant::Several,
            },
            _ => Meant::Nothing,
        }
    }

    /// The row that this StopTransaction closed already, if it is a repetition (semantics T-43).
    pub(super) fn repeated_stop(&self, request: &str) -> Option<&TransactionRow> {
        let event = stop_event(request);
        let is_like_it = |row: &TransactionRow| self.stops.contains(&(row.trace, event));
        if self.stops.iter().all(|(_, other)| *other != event) {
            return None;
        }
        let closed = self.rows.iter().rev().filter(|row| row.state == TransactionState::Closed);
        closed.filter(|row| is_like_it(row)).find(|row| is_stopped_by(row, request))
    }

    /// The charger stops a transaction by this request.
    pub(super) fn stop(&mut self, trace: TraceId, request: &str, now: Moment) {
        let Some(row) = self.get_mut(trace) else { return };
        row.raw_stop = Some(request.to_owned());
        row.stop_received_unix_ms = Some(now.unix_ms);
        row.peers.iter_mut().for_each(|(_, peer)| peer.stop_told = false);
        self.stops.retain(|(other, _)| *other != trace);
        self.stops.push((trace, stop_event(request)));
    }

    /// Drops the oldest rows beyond the bounds, but none that is `needed`.
    pub(super) fn forget_old(&mut self, unix_ms: i64, needed: impl Fn(TraceId) -> bool) {
        let age_ms = i64::try_from(limits::CLOSED_TRANSACTION_AGE.as_millis()).unwrap_or(i64::MAX);
        let mut closed = self.rows.iter().filter(|row| row.state == TransactionState::Closed).count();
        let mut running = self.rows.len() - closed;
        let mut at = 0;
        while at < self.rows.len() {
            let row = &self.rows[at];
            let (held, bound) = match row.state {
                TransactionState::Closed => {
                    let is_old = row.closed_unix_ms.is_some_and(|when| when < unix_ms - age_ms);
                    let bound = if is_old {
                        limits::CLOSED_TRANSACTIONS_FOR_LONG
                    } else {
                        limits::CLOSED_TRANSACTIONS
                    };
                    (&mut closed, bound)
                }
                _ => (&mut running, limits::OPEN_TRANSACTIONS),
            };
            if *held <= bound || needed(row.trace) {
                at += 1;
                continue;
            }
            *held -= 1;
            let Some(row) = self.rows.remove(at) else { return };
            self.stops.retain(|(trace, _)| *trace != row.trace);
            row.charger_number.into_iter().for_each(|number| self.note_used(number));
        }
    }
}

/// A backoffice's number, if it issued one.
pub(super) fn number_of(row: &TransactionRow, backoffice: &BackofficeId) -> Option<i64> {
    row.peers.get(backoffice)?.number.map(|number| number.0)
}

/// Whether the row was stopped by this very event, told again: the same number, time and meter
/// value, whatever else stands in it (semantics T-43).
pub(super) fn is_stopped_by(row: &TransactionRow, request: &str) -> bool {
    let event = |request| payload::fields(request, STOP_EVENT).tokens;
    row.raw_stop.as_deref().is_some_and(|first| event(first) == event(request))
}

const STOP_EVENT: [&str; 3] = ["transactionId", "timestamp", "meterStop"];

/// The same for all requests that stop by the same event.
fn stop_event(request: &str) -> u64 {
    fingerprint(payload::fields(request, STOP_EVENT).tokens)
}

/// Whether a start is among the deliveries that a backoffice is still to be given, as far as they are known.
fn waits_in(lanes: &[Lane], id: &BackofficeId, start: TraceId) -> bool {
    lanes.iter().filter(|lane| lane.backoffice == *id).any(|lane| {
        let is_known_whole = lane.waiting <= lane.first.len() as u64;
        !is_known_whole || lane.first.iter().any(|delivery| delivery.trace == start)
    })
}

fn stop_of(row: &TransactionRow) -> Option<(TraceId, u64)> {
    row.raw_stop.as_deref().map(|request| (row.trace, stop_event(request)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Delivery;

    #[test]
    fn a_start_waits_only_where_it_is_among_what_waits() {
        let [before, start] = [1, 2].map(|number| TraceId(ulid::Ulid(number)));
        let delivery = |trace| Delivery {
            backoffice: "acme".into(),
            number: 1,
            trace,
            action: "MeterValues".to_owned(),
            payload: "{}".to_owned(),
            transaction: None,
            recognised: None,
            queued_unix_ms: 0,
            attempts: 0,
            parked: None,
        };
        let lanes = |waiting, first| {
            [Lane { backoffice: "acme".into(), last_number: 9, waiting, told: Vec::new(), first }]
        };
        let acme = BackofficeId::from("acme");
        assert!(waits_in(&lanes(1, vec![delivery(start)]), &acme, start));
        assert!(!waits_in(&lanes(1, vec![delivery(before)]), &acme, start), "another message waits");
        assert!(waits_in(&lanes(2, vec![delivery(before)]), &acme, start), "it may be among the rest");
        assert!(!waits_in(&lanes(0, Vec::new()), &acme, start));
        assert!(!waits_in(&lanes(1, vec![delivery(start)]), &"bolt".into(), start));
    }
}
